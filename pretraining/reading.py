"""Goals that need reading: look up a value, read a table, match a part of a word, and fill a form from one sentence."""

from __future__ import annotations

from random import Random

from . import words
from .goals import CLICK, TYPE, Goal, Step, by_text, kind_word, part_of, quoted, text_field
from .scene import CLICKABLE, STATIC, TEXTUAL, Element, Scene, new_text

CELLS = ("td", "td", "th", "span", "div", "b", "dd")


def put_pairs(rng: Random, scene: Scene, count: int) -> dict[str, tuple[str, Element]]:
    """Put up to ``count`` labelled values on the page; each label's value, and the line that shows it."""
    is_split, kind = rng.random() < 0.6, rng.choice([*STATIC, *CELLS])
    kinds = (kind, kind if rng.random() < 0.5 else rng.choice([*STATIC, *CELLS]))
    mark, group = rng.choice([":", ""]), rng.randint(1, 10**6)
    pairs: dict[str, tuple[str, Element]] = {}
    lines: list[Element] = []
    for _ in range(count):
        label, value = new_text(rng, scene, 2).rstrip(": "), words.typed(rng)
        if not label or label in pairs:
            continue
        texts = [(kinds[0], label + mark), (kinds[1], value)] if is_split else [(kind, f"{label}: {value}")]
        lines += [Element(each, text, group=group) for each, text in texts]
        pairs[label] = (value, lines[-1])
    scene.place(rng, *lines)
    return pairs


def look_up(rng: Random, scene: Scene) -> Goal:
    """Find the value beside a label, and type it or click the element with it."""
    pairs = put_pairs(rng, scene, rng.randint(2, 5))
    label, (value, line) = rng.choice(list(pairs.items()))
    if rng.random() < 0.35:
        for other, _ in rng.sample(list(pairs.values()), len(pairs)):
            scene.place(rng, Element(rng.choice(["button", "a", "li"]), other))
        element = next(
            e for e in scene.elements if e.text == value and e.kind in ("button", "a", "li") and e is not line
        )
        ask = rng.choice(
            [
                "which is the {}? Click it",
                "click the answer: what is the {}?",
                "press the right {}",
                "choose the {} shown",
            ]
        )
        return ask.format(quoted(rng, label)), [("CLICK", element, "")]
    return copy_value(rng, label, value, *text_field(rng, scene))


def copy_value(rng: Random, label: str, value: str, field: Element, place: str) -> Goal:
    """Type the value beside the label into the field, which is called ``place``."""
    ask = rng.choice(
        [
            "copy the {l} into {p}",
            "what is the {l}? {v} it in {p}",
            "{v} the {l} shown on the page into {p}",
            "look up {l} and {v} it into {p}",
            "{v} what {l} says into {p}",
            "find the {l}, {v} it in {p}",
        ]
    )
    return ask.format(l=quoted(rng, label), p=place, v=rng.choice(TYPE)), [("TYPE", field, value)]


def read_cell(rng: Random, scene: Scene) -> Goal:
    """Find the cell of a row and a column of a table, and type its text or click it."""
    columns = _labels(rng, scene, rng.randint(1, 3))
    rows = _labels(rng, scene, rng.randint(2, 4), columns)
    group, kind, head = rng.randint(1, 10**6), rng.choice(CELLS), rng.choice(["th", "td", "b"])
    cells = {(row, column): words.typed(rng) for row in rows for column in columns}
    lines = [Element(head, text, group=group) for text in (["", *columns] if rng.random() < 0.3 else columns)]
    for row in rows:
        lines += [Element(kind, text, group=group) for text in (row, *(cells[row, column] for column in columns))]
    scene.place(rng, *lines)
    row, column = rng.choice(rows), rng.choice(columns)
    asked = rng.choice(["the {c} of {r}", "{r}'s {c}", "the {c} in the row {r}", "the {c} for {r}"])
    asked = asked.format(c=quoted(rng, column), r=quoted(rng, row))
    if rng.random() < 0.4:
        at = (
            1
            + columns.index(column)
            + (1 + len(columns)) * rows.index(row)
            + len(lines)
            - len(rows) * (1 + len(columns))
        )
        return f"{rng.choice(CLICK)} {asked}", [("CLICK", lines[at], "")]
    element, place = text_field(rng, scene)
    ask = rng.choice(["copy {w} into {p}", "{v} {w} into {p}", "what is {w}? {v} it in {p}", "fill {p} with {w}"])
    return ask.format(w=asked, p=place, v=rng.choice(TYPE)), [("TYPE", element, cells[row, column])]


def _labels(rng: Random, scene: Scene, count: int, others: list[str] | None = None) -> list[str]:
    labels: list[str] = []
    while len(labels) < count:
        text = new_text(rng, scene, 2).rstrip(": ")
        if text and text not in [*labels, *(others or [])]:
            labels.append(text)
    return labels


def click_part(rng: Random, scene: Scene) -> Goal:
    """Click the element whose text begins with, ends in or contains some letters, the only one on the page."""
    kind, group = rng.choice(CLICKABLE), rng.randint(1, 10**6)
    elements = [Element(kind, each, group=group) for each in _labels(rng, scene, rng.randint(2, 6))]
    scene.place(rng, *elements)
    for element in rng.sample(elements, len(elements)):
        if asked := by_letters(rng, scene, element):
            return f"{rng.choice(CLICK)} {asked}", [("CLICK", element, "")]
    element = max(elements, key=lambda line: len(line.text))
    return f"{rng.choice(CLICK)} {by_text(rng, scene, element)}", [("CLICK", element, "")]


def by_letters(rng: Random, scene: Scene, element: Element) -> str:
    """The element named by letters that only its text begins with, ends in or contains; empty where there are none."""
    text = element.text.rstrip(" :")
    length = rng.randint(2, max(2, min(5, len(text) - 1)))
    way = rng.choice(["begin", "end", "hold"])
    start = {"begin": 0, "end": max(0, len(text) - length)}.get(way, rng.randint(0, max(0, len(text) - length)))
    part = text[start : start + length].strip()
    if len(part) < 2 or any(part.lower() in other.text.lower() for other in scene.elements if other is not element):
        return ""
    says = {
        "begin": ["beginning with {}", "that begins with {}", "whose first letters are {}"],
        "end": ["ending in {}", "that ends in {}", "whose last letters are {}"],
        "hold": ["containing {}", "that has {} in it", "with {} in its text"],
    }[way]
    what = rng.choice([kind_word(rng, element), "entry", "one", "element"])
    return f"the {what} {rng.choice(says).format(quoted(rng, part))}"


def fill_form(rng: Random, scene: Scene) -> Goal:
    """Fill a form of labelled fields from one sentence that abbreviates their names, in any order."""
    fields = [Element(rng.choice(TEXTUAL)) for _ in range(rng.randint(2, 4))]
    for each in fields:
        each.text = new_text(rng, scene, 3)
        scene.elements.append(each)
    for each in fields:
        scene.elements.remove(each)
    scene.place(rng, *fields)
    steps: list[Step] = []
    phrases: list[str] = []
    ways = [
        "{n} {t}",
        "{t} as {n}",
        "{n}: {t}",
        "{n} = {t}",
        "{t} for {n}",
        "the {n} {t}",
        "whose {n} is {t}",
        "with {n} {t}",
    ]
    way, quotes = rng.choice(ways), rng.random() < 0.4
    for each in rng.sample(fields, len(fields) if rng.random() < 0.8 else 2):
        text = words.typed(rng)
        name = part_of(rng, scene, each.text) if rng.random() < 0.7 else each.text
        pattern = way if rng.random() < 0.7 else rng.choice(ways)
        phrases.append(pattern.format(n=name, t=f'"{text}"' if quotes else text))
        steps.append(("TYPE", each, text))
    if rng.random() < 0.6:  # the order of filling differs from the order of the sentence
        steps.sort(key=lambda step: scene.elements.index(step[1]))
    lead = rng.choice(["fill in", "enter", "give", "set", "register", "find something", "order", "book", "look for"])
    joined = rng.choice([", ", " and ", " ", ", "]).join(phrases[:-1]) + rng.choice([" and ", ", ", " "]) + phrases[-1]
    return f"{lead} {joined}", steps
