"""Several questions about one page: most of a sample is its page, so several questions teach more per token.

The first question has the place of a task, before the page and after it; the others follow the first answer. Each asks
for a first action on the page as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ..domain.page.action import write_action
from . import words
from .goals import (
    CLICK,
    PICK,
    TICK,
    TYPE,
    Goal,
    by_attribute,
    by_neighbour,
    by_order,
    by_text,
    kind_word,
    part_of,
    quoted,
    text_field,
)
from .reading import by_letters, copy_value, put_pairs
from .scene import TEXTUAL, Element, Scene, furnish
from .synthetic import THEN, finish, make_goals

MOST = 8
"""Most questions about one page; chosen."""
TABLES = 0.45
"""Share of pages that are a table of labelled values, with a question for each; chosen."""


@dataclass(frozen=True)
class Questions:
    """A page with its questions and answers: ``asked[i]`` is (task, action)."""

    lines: tuple[str, ...]
    asked: tuple[tuple[str, str], ...]


def ask_questions(rng: Random, difficulty: float = 1.0) -> Questions:
    """Questions about a random page: the goals that it was made for, and others about its elements."""
    scene = Scene()
    furnish(rng, scene, rng.randint(0, round(rng.choice([4, 8, 12, 24]) * max(difficulty, 0.2))))
    if rng.random() < TABLES:
        made = _about_table(rng, scene)
    else:
        made = make_goals(rng, scene, rng.randint(1, 3))
        for element in rng.sample(scene.elements, min(len(scene.elements), MOST)):
            made += _about(rng, scene, element)
    asked = []
    for words_for_it, steps in made:
        if steps:
            verb, element, text = steps[0]
            asked.append((finish(rng, words_for_it), write_action(verb, scene.line(element), text)))
    rng.shuffle(asked)
    return Questions(scene.lines(), tuple(asked[:MOST]))


def _about_table(rng: Random, scene: Scene) -> list[Goal]:
    """A question for each value of a table, often with more to do after it."""
    pairs = put_pairs(rng, scene, rng.randint(2, MOST))
    field, place = text_field(rng, scene)
    after = [e.text for e in scene.elements if e.kind == "button" and e.text]
    made = []
    for label, (value, _) in pairs.items():
        asked, steps = copy_value(rng, label, value, field, place)
        if after and rng.random() < 0.5:
            asked += f"{rng.choice(THEN)}{rng.choice(CLICK)} {quoted(rng, rng.choice(after))}"
        made.append((asked, steps))
    return made


def _about(rng: Random, scene: Scene, element: Element) -> list[Goal]:
    """A question that this element answers; none where it is ambiguous."""
    text = element.text.rstrip(" :")
    alike = [other for other in scene.elements if other.text.rstrip(" :").lower() == text.lower()]
    is_named = bool(text) and len(alike) == 1 and len(text) < 40
    if element.kind in TEXTUAL:
        name = by_order(rng, scene, element)
        if is_named and rng.random() < 0.7:
            name = rng.choice(["{}", '"{}"', "the {} field"]).format(
                text if rng.random() < 0.6 else _part(rng, scene, element)
            )
        if rng.random() < 0.25:
            return [(f"{rng.choice(CLICK)} {name}", [("CLICK", element, "")])]
        typed = words.typed(rng)
        ask = rng.choice(["{v} {t} into {p}", "{v} {t} in {p}", "{p}: {t}", "fill {p} with {t}"])
        return [(ask.format(v=rng.choice(TYPE), t=quoted(rng, typed), p=name), [("TYPE", element, typed)])]
    if element.kind == "option":
        return [(f"{rng.choice(PICK)} {quoted(rng, text)}", [("SELECT", element, "")])] if is_named else []
    if element.kind == "input.checkbox":
        if not is_named or element.is_on:
            return []
        return [(f"{rng.choice(TICK)} {quoted(rng, text)}", [("CLICK", element, "")])]
    if element.attributes and rng.random() < 0.6:
        asked, first = by_attribute(rng, scene, element)
        return [(f"{rng.choice(CLICK)} {asked}", [("CLICK", first, "")])]
    letters = by_letters(rng, scene, element) if is_named and rng.random() < 0.25 else ""
    if letters:
        return [(f"{rng.choice(CLICK)} {letters}", [("CLICK", element, "")])]
    way = rng.random()
    if is_named and way < 0.6:
        return [(f"{rng.choice(CLICK)} {by_text(rng, scene, element)}", [("CLICK", element, "")])]
    if is_named and way < 0.75:
        part = _part(rng, scene, element)
        return [
            (f"{rng.choice(CLICK)} the {kind_word(rng, element)} with {quoted(rng, part)}", [("CLICK", element, "")])
        ]
    if way < 0.9:
        return [(f"{rng.choice(CLICK)} {by_order(rng, scene, element)}", [("CLICK", element, "")])]
    return [(f"{rng.choice(CLICK)} {by_neighbour(rng, scene, element)}", [("CLICK", element, "")])]


def _part(rng: Random, scene: Scene, element: Element) -> str:
    return part_of(rng, scene, element.text)
