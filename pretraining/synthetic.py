"""Synthetic tasks: random instructions on random pages, which teach the basic skills of all tasks.

A task is one to four *goals* (click a described element, tick boxes, choose one, type into a field, look a value up,
copy it) joined in words and often closed by pressing a button. The right steps are known, because the page is made for
the task. No task of the benchmark is rebuilt here, and no wording is taken from one: see the model card for the list of
goals.
"""
# ruff: noqa: SIM905 (lists of words read better as text)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from ..domain.page.action import write_action
from ..domain.page.messages import Page
from ..domain.page.prompt import HISTORY
from . import goals, reading
from .goals import CLICK, ORDINALS, Goal, Step, quoted
from .scene import TEXTUAL, Element, Scene, furnish, new_text

THEN = (
    ", then |, then | and then |, and then | and | and |, and |; then |. Then |. Next, |. After that, |; |, afterwards |, next "
).split("|")
CLOSERS = "OK Save Send Done Apply Confirm Go Continue Submit Finish Next Search Book Update Add Order Reply".split()

SEVERAL = 0.25
"""Share of tasks with several goals, each of which may take several steps; chosen."""

GOALS: dict[Callable[[Random, Scene], Goal], int] = {
    goals.click_text: 8,
    goals.click_kind: 3,
    goals.click_attribute: 3,
    goals.tick: 6,
    goals.choose_radio: 3,
    goals.choose_option: 5,
    goals.choose_tab: 2,
    goals.type_text: 6,
    goals.fill_several: 3,
    goals.focus: 1,
    reading.look_up: 6,
    reading.read_cell: 3,
    reading.click_part: 3,
    reading.fill_form: 4,
}
"""Every goal and its weight; chosen."""


@dataclass(frozen=True)
class Demonstration:
    """The right action at one moment: the page, the actions before, and the action."""

    page: Page
    history: tuple[str, ...]
    action: str


def demonstrate_synthetic(rng: Random, difficulty: float = 1.0) -> Iterator[Demonstration]:
    """The demonstrations of one random task, step by step. ``difficulty`` in [0, 1] scales the page and the goals."""
    scene, crowd = Scene(), rng.choice([0, 1, 1, 2, 2, 3, 4, 6, 8, 30 if rng.random() < 0.2 else 8])
    furnish(rng, scene, rng.randint(0, round(crowd * max(difficulty, 0.2))))
    count = 1 if rng.random() > SEVERAL * difficulty else rng.randint(2, 3)
    made = make_goals(rng, scene, count)
    if difficulty > 0.5 and len(made) == 1 and rng.random() < 0.15:
        made = _sequence(rng, scene) or made
    instruction, steps = _join(rng, made)
    if rng.random() < (0.35 if steps[-1:] and steps[-1][0] != "CLICK" else 0.2) or not steps:
        instruction, steps = _close(rng, scene, instruction, steps)
    yield from _play(rng, scene, finish(rng, instruction), steps[:HISTORY])


def make_goals(rng: Random, scene: Scene, count: int) -> list[Goal]:
    """Up to ``count`` goals, with their elements put on the page."""
    made = [rng.choices(list(GOALS), list(GOALS.values()))[0](rng, scene) for _ in range(count)]
    # A place among its kind is valid only while nothing is added: keep such a goal only if it was made last.
    return [goal for goal in made[:-1] if not _is_by_place(goal[0])] + made[-1:]


def _is_by_place(asked: str) -> bool:
    places = [place for each in ORDINALS for place in each.split("|")]
    places += ["last", "number", "after", "below", "under", "before", "above", "a", "any"]
    return any(f" {word} " in f" {asked} " for word in places)


def _sequence(rng: Random, scene: Scene) -> list[Goal]:
    """Several clicks on existing elements, which only the history shows."""
    targets = [e for e in scene.elements if e.kind in ("button", "a", "li", "tab", "span") and e.text]
    chosen = rng.sample(targets, min(len(targets), rng.randint(2, 5)))
    return [(f"{rng.choice(CLICK)} {quoted(rng, e.text)}", [("CLICK", e, "")]) for e in chosen]


def _join(rng: Random, goals: list[Goal]) -> Goal:
    (asked, steps), rest = goals[0], goals[1:]
    if len(goals) == 2 and rng.random() < 0.2:
        ((second, second_steps),) = rest
        joined = rng.choice(
            [f"before you {second}, {asked}", f"{second}, but first {asked}", f"{second} after you {asked}"]
        )
        return joined, steps + second_steps
    then = rng.choice(THEN)
    for more, more_steps in rest:
        joint = then if rng.random() < 0.6 else rng.choice(THEN)
        asked, steps = asked + joint + more, steps + more_steps
    return asked, list(steps)


def _close(rng: Random, scene: Scene, asked: str, steps: list[Step]) -> Goal:
    """Press a button at the end."""
    fixed = [e for e in scene.elements if e.kind == "button" and e.text in CLOSERS]
    button = (
        fixed[0] if fixed else Element("button", rng.choice(CLOSERS) if rng.random() < 0.8 else new_text(rng, scene, 1))
    )
    if not fixed and rng.random() < 0.75:
        scene.elements.append(button)
    elif not fixed:
        scene.place(rng, button)
    verb = rng.choice(["click", "press", "hit", "push", "tap", "click on", "confirm with", "finish with"])
    name = rng.choice(["{}", "{}", '"{}"', "the {} button", 'the "{}" button', "the button {}"]).format(button.text)
    return f"{asked}{rng.choice(THEN)}{verb} {name}", [*steps, ("CLICK", button, "")]


def finish(rng: Random, asked: str) -> str:
    lead = rng.choice(
        ["", "", "", "", "", "", "please ", "now ", "your task: ", "you should ", "try to ", "on this page, "]
    )
    text = lead + asked
    return text[:1].upper() + text[1:] + rng.choice([".", ".", ".", ".", "", "!"])


def _play(rng: Random, scene: Scene, task: str, steps: list[Step]) -> Iterator[Demonstration]:
    history: list[str] = []
    for at, (verb, element, text) in enumerate(steps):
        error = ""
        if rng.random() < 0.04:  # another action was tried without effect
            wrong = rng.choice(scene.elements)
            if wrong is not element and not wrong.group and wrong.kind not in ("input.checkbox", *TEXTUAL):
                history.append(write_action("CLICK", scene.line(wrong)))
                error = rng.choice(
                    ["", f"nothing happened at [{scene.elements.index(wrong) + 1}]", "it cannot be clicked"]
                )
        action = write_action(verb, scene.line(element), text)
        yield Demonstration(Page(task, scene.lines(), error=error), tuple(history), action)
        scene.act(verb, element, text)
        history.append(action)
        if rng.random() < 0.15:
            scene.shift(rng, [e for _, e, _ in steps[at + 1 :]])
    if steps and rng.random() < 0.02:
        yield Demonstration(Page(task, scene.lines()), tuple(history), "DONE")
