"""Actions: what the agent can do, and how an action is written.

An action is one line: ``VERB`` followed by the element's whole line, which ends with its number. Copying the line is
then the one skill that a small model needs, and every logged action can be read without its page::

    CLICKbutton:Ok[6]
    TYPEinput.text#name[3]Bob

``CLICK`` presses the element. ``TYPE`` replaces the element's value with the text after the number. ``SELECT`` chooses
the ``option`` line in its list. ``DONE`` ends the episode where a task has no button for that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

VERBS = ("CLICK", "TYPE", "SELECT", "DONE")

_PATTERN = re.compile(r"(CLICK|TYPE|SELECT)(.*?)\[(\d+)\](.*)", re.DOTALL)


@dataclass(frozen=True)
class Action:
    """One action: ``number`` is the element's, from 1; ``text`` is the text that TYPE types."""

    verb: str
    number: int = 0
    text: str = ""


def parse_action(written: str) -> Action | None:
    """The action that the model wrote; None when it is not one. The number decides; the line is for the reader."""
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
    """An action on the element with this page line: ``write_action("CLICK", "button:Ok[6]")``."""
    return f"{verb}{line}{text}"
