"""From elements to the lines of a page: which are shown, in which order, and how each is written.

Whatever a page says stays within its line: no text can begin another line, look like a number, turn the direction of writing or
be taken for a control token of a model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from .....domain.page.line import write
from .....domain.page.messages import Box
from .snapshot import Element, Rect

MOST_LINES = 64
"""Lines of a page: as many as there are number tokens."""

_CONTROL = re.compile(r"<(?=[|\uff5c])|(?<=[|\uff5c])>|<(?=/?s>)|\[(?=/?(?:INST|SYS))")
"""The beginnings and ends of control tokens of chat templates."""

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Kinds of characters that show nothing or change what is beside them."""


@dataclass(frozen=True)
class Shown:
    """A line, and what it stands for."""

    line: str
    element: Element | None
    """None for a line of the browser itself."""
    name: str = ""
    """What a line of the browser itself is, as ``address``."""
    spot: Spot | None = None
    """Where a line that was read on a picture lies."""


@dataclass(frozen=True)
class Spot:
    """A place on a picture of the tab."""

    box: Box
    picture: bytes = field(repr=False)


def clean(text: str) -> str:
    """The text as one line of plain characters: others go, line breaks become spaces, control tokens are broken."""
    whole = text[:4000].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = "".join(
        " " if letter.isspace() else "" if unicodedata.category(letter) in _HIDDEN else letter for letter in whole
    )
    return _CONTROL.sub("(", " ".join(plain.split()))


def write_element(number: int, element: Element) -> str:
    """The line of the element."""
    text = clean(element.text)
    kind = element.kind + (element.fallback if element.can_act and not text else "")
    kind += " disabled" if element.is_disabled else ""
    return write(number, kind, text, clean(element.value), is_on=element.is_on)


def choose(elements: Sequence[Element], most: int) -> tuple[list[Element], int]:
    """At most so many elements, in the order of the page, and how many were left out.

    What is seen goes before what is not, and what can be acted on before what can only be read.
    """
    if len(elements) <= most:
        return list(elements), 0
    most = max(1, most - 1)  # a line says how many there are
    ranked = sorted(range(len(elements)), key=lambda n: (not elements[n].is_seen, not elements[n].can_act, n))
    kept = set(ranked[:most])
    return [element for n, element in enumerate(elements) if n in kept], len(elements) - len(kept)


def box_of(element: Element | None, picture: Rect) -> Box | None:
    """Where the element lies on the picture; None where it is not on it."""
    if element is None or element.box is None or element.view is None:
        return None
    seen = element.box.within(element.view)
    seen = seen and seen.within(picture)
    return Box(round(seen.x), round(seen.y), max(1, round(seen.width)), max(1, round(seen.height))) if seen else None
