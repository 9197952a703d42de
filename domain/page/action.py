"""What the agent may do, and how an action is written.

An action is one line: ``VERB`` followed by the element's whole line, which ends with its number. Repeating the line
makes copying from the page the one skill a small model needs, and makes every logged action readable without its page::

    CLICKbutton:Ok[6]
    TYPEinput.text#name[3]Bob

``CLICK`` presses the element. ``TYPE`` replaces the element's value with the text after the number. ``SELECT`` makes the
``option`` line the chosen one of its list. ``DONE`` ends the episode where a task has no button that does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

VERBS = ("CLICK", "TYPE", "SELECT", "DONE")

_PATTERN = re.compile(r"(CLICK|TYPE|SELECT)(.*?)\[(\d+)\](.*)", re.DOTALL)


@dataclass(frozen=True)
class Action:
    """One action: ``number`` is the element's, from 1; ``text`` is what TYPE types."""

    verb: str
    number: int = 0
    text: str = ""


def parse_action(written: str) -> Action | None:
    """Read an action as the model wrote it, or None when it is not one. The number decides; the line is for the reader."""
    written = written.strip()
    if written == "DONE":
        return Action("DONE")
    match = _PATTERN.fullmatch(written)
    if match is None:
        return None
    verb, _, number, text = match.groups()
    if verb != "TYPE" and text:
        return None
    return Action(verb, int(number), text)


def write_action(verb: str, line: str, text: str = "") -> str:
    """Write an action on the element whose page line is given: ``write_action("CLICK", "button:Ok[6]")``."""
    return f"{verb}{line}{text}"
