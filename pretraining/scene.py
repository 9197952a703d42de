"""A simulated page for synthetic tasks: elements written as page lines, which change when the agent acts on them.

The line format is that of the real pages (``runners/environments/observe.js``): ``kind[ attribute][*][=value][:text][n]``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from . import words

TEXTUAL = ("input.text", "input.text", "input.text", "input.email", "input.number", "textarea")
CLICKABLE = (
    "button",
    "button",
    "button",
    "a",
    "a",
    "span",
    "li",
    "div",
    "tab",
    "menuitem",
    "link",
    "h3",
    "label",
    "img",
)
STATIC = ("p", "div", "span", "p", "div", "label", "h2", "li", "b")
COLORS = (
    "black",
    "white",
    "grey",
    "silver",
    "red",
    "maroon",
    "orange",
    "brown",
    "gold",
    "yellow",
    "olive",
    "lime",
    "green",
    "teal",
    "cyan",
    "blue",
    "navy",
    "purple",
    "magenta",
    "pink",
)
SIZES = ("small", "large")
SHAPES = ("rect", "circle", "ellipse", "polygon", "div", "span", "img")


@dataclass(eq=False)
class Element:
    """One line of the page. ``group`` connects radios, options or tabs of which at most one is on."""

    kind: str
    text: str = ""
    value: str = ""
    name: str = ""
    attributes: tuple[str, ...] = ()
    is_on: bool = False
    group: int = 0

    def line(self, number: int) -> str:
        """The element as line ``number`` of the page."""
        parts = [self.kind, self.name, *(f" {each}" for each in self.attributes), "*" if self.is_on else ""]
        parts += [f"={self.value}" if self.value else "", f":{self.text}" if self.text else "", f"[{number}]"]
        return "".join(parts)


@dataclass
class Scene:
    """The page: its elements from top to bottom."""

    elements: list[Element] = field(default_factory=list)

    def lines(self) -> tuple[str, ...]:
        """The page as the model sees it."""
        return tuple(element.line(n) for n, element in enumerate(self.elements, 1))

    def line(self, element: Element) -> str:
        """The element's own line."""
        return element.line(self.elements.index(element) + 1)

    def place(self, rng: Random, *together: Element) -> None:
        """Insert the elements, one after the other, at a random place, but not inside another group."""
        spots = [
            at
            for at in range(len(self.elements) + 1)
            if not 0 < at < len(self.elements)
            or not self.elements[at].group
            or self.elements[at - 1].group != self.elements[at].group
        ]
        at = rng.choice(spots)
        self.elements[at:at] = together

    def has_text(self, text: str) -> bool:
        """Whether any element shows the text, in any case."""
        return any(element.text.rstrip(" :").lower() == text.rstrip(" :").lower() for element in self.elements)

    def act(self, verb: str, element: Element, text: str) -> None:
        """Change the page as a browser would."""
        if verb == "TYPE":
            element.value = text
        elif element.kind == "input.checkbox":
            element.is_on = not element.is_on
        elif element.group:
            for other in self.elements:
                if other.group == element.group:
                    other.is_on = other is element

    def shift(self, rng: Random, keep: list[Element]) -> None:
        """Change the page without an action: some lines go, some come, those in ``keep`` stay."""
        removed = [e for e in self.elements if e not in keep and not e.group and rng.random() < 0.4]
        self.elements = [e for e in self.elements if e not in removed]
        for _ in range(rng.randint(0, 3)):
            self.place(rng, Element(rng.choice(STATIC), words.sentence(rng, 2, 6)))


def new_text(rng: Random, scene: Scene, most: int = 3) -> str:
    """A text that no element of the page has yet; sometimes almost that of another, so that exact reading matters."""
    while True:
        others = [e.text for e in scene.elements if e.text and len(e.text) < 20]
        text = words.phrase(rng, 1, rng.choice([1, 1, 1, 1, 2, most]))
        if others and rng.random() < 0.15:
            other = rng.choice(others)
            text = rng.choice([f"{other} {text}", f"{text} {other}", other[:-1], other + text[:2].lower()]).strip()
        if text and not scene.has_text(text):
            return text


def new_name(rng: Random) -> str:
    """A class or name of an element, in the forms of real pages: ``.item``, ``#zip``."""
    return rng.choice(".#") + rng.choice(
        [rng.choice(words.COMMON), words.syllables(rng, 1, 2), words.syllables(rng, 1, 1)]
    )


def furnish(rng: Random, scene: Scene, count: int) -> None:
    """Add ``count`` elements that no task needs."""
    for _ in range(count):
        kind = rng.random()
        if kind < 0.35:
            most = rng.choice([2, 3, 4, 12])
            element = Element(rng.choice(STATIC), words.sentence(rng, 1, most))
        elif kind < 0.7:
            element = clickable(rng, scene)
        elif kind < 0.82:
            element = Element(rng.choice(TEXTUAL), name=new_name(rng) if rng.random() < 0.4 else "")
            if not element.name and rng.random() < 0.6:
                element.text = new_text(rng, scene)
            if rng.random() < 0.2:
                element.value = words.typed(rng)
        elif kind < 0.92:
            element = Element(
                rng.choice(["input.checkbox", "input.radio"]), new_text(rng, scene), is_on=rng.random() < 0.15
            )
        else:
            element = Element(rng.choice(SHAPES), attributes=(rng.choice(SIZES), rng.choice(COLORS)))
        scene.place(rng, element)


def clickable(rng: Random, scene: Scene, kind: str = "") -> Element:
    """An element with a text to click, of the given kind or any; now and then of an invented kind."""
    kind = kind or (words.syllables(rng, 1, 2) if rng.random() < 0.04 else rng.choice(CLICKABLE))
    name = new_name(rng) if kind in ("span", "li", "div") or rng.random() < 0.05 else ""
    attributes = (rng.choice(COLORS),) if rng.random() < 0.05 else ()
    return Element(kind, new_text(rng, scene), name=name, attributes=attributes)
