"""What the agent sees of a desktop: one line per element, and a picture with the places of the elements on it.

Whatever a program writes into its windows stays within a line: nothing of it can begin another line of the prompt, turn its
direction round, or write a control token.
"""

from __future__ import annotations

from ....domain.page.action import DESKTOP_VERBS
from ....domain.page.line import write
from ....domain.page.messages import Box, Page
from ....projections.wording.escaping import escape_text
from .eye import View
from .tree.elements import TYPED, Element

EMPTY = "screen:no window is open[1]"
"""The line of a screen without a window."""

LONGEST = 400
"""Characters of a text that are looked at; chosen: twice what a line shows."""


def draw_page(
    request: str,
    view: View,
    home: str,
    picture: bytes | None,
    *,
    is_done: bool = False,
    reward: float = 0.0,
    error: str = "",
) -> Page:
    """The page of the view. The path of HOME, which differs from start to start, is written ``~``."""
    lines = tuple(_line(number, element, home) for number, element in enumerate(view.elements, 1))
    boxes = tuple(_on_picture(element.box, view.area) for element in view.elements)
    return Page(
        request,
        lines or (EMPTY,),
        is_done,
        reward,
        error,
        verbs=DESKTOP_VERBS,
        picture=picture,
        boxes=boxes or (None,),
    )


def plain(text: str, home: str = "") -> str:
    r"""The text on one line: a new line is ``\n``, and what controls, reorders or hides text is an escape."""
    short = (text.replace(home, "~") if home else text)[:LONGEST]
    return escape_text(short).replace("<|", "<\\x7c").replace("|>", "\\x7c>")


def typed(text: str) -> str:
    r"""What is typed for the text of an action: ``\n`` is a new line, as a page shows it, ``\t`` a tab, ``\\`` a backslash."""
    found, rest = "", text
    while "\\" in rest:
        before, _, rest = rest.partition("\\")
        known = {"n": "\n", "t": "\t", "\\": "\\"}.get(rest[:1])
        found += before + ("\\" if known is None else known)
        rest = rest if known is None else rest[1:]
    return found + rest


def _line(number: int, element: Element, home: str) -> str:
    kind = f"{element.kind} disabled" if element.is_disabled else element.kind
    value = element.value.strip("\n") if element.kind in TYPED else element.value
    text = plain(element.text, home)
    value = plain(value, home)
    return write(number, kind, text, value, is_on=element.is_on)


def _on_picture(box: Box | None, area: Box) -> Box | None:
    """The part of the box that the picture shows, from the picture's corner; None where it shows nothing of it."""
    if box is None:
        return None
    left, top = max(box.x, area.x), max(box.y, area.y)
    right, bottom = min(box.x + box.width, area.x + area.width), min(box.y + box.height, area.y + area.height)
    return Box(left - area.x, top - area.y, right - left, bottom - top) if right > left and bottom > top else None
