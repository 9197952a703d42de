"""Actions: what the agent can do, and how an action is written.

An action is one line: ``VERB`` followed by the element's whole line, which ends with its number. Copying the line is
then the one skill that a small model needs, and every logged action can be read without its page::

    CLICKbutton:Ok[6]
    TYPEinput.text#name[3]Bob

``CLICK`` presses the element. ``TYPE`` replaces the element's value with the text after the number. ``SELECT`` chooses
the ``option`` line in its list. ``DONE`` ends the episode where a task has no button for that.

Where an environment takes commands, an action is ``RUN`` and one command line, or ``DONE``::

    RUN wc -l < notes.txt
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

VERBS = ("CLICK", "TYPE", "SELECT", "DONE")
"""What a page of elements takes."""

COMMAND_VERBS = ("RUN", "DONE")
"""What an environment takes that carries out commands."""

_PATTERN = re.compile(r"(CLICK|TYPE|SELECT)(.*?)\[(\d+)\](.*)", re.DOTALL)

_COMMAND = re.compile(r"RUN[ \t]+(\S[^\n\r\0]*)")


@dataclass(frozen=True)
class Action:
    """One action: ``number`` is the element's, from 1, or 0 without one; ``text`` is what TYPE types or RUN runs."""

    verb: str
    number: int = 0
    text: str = ""


def parse_action(written: str, verbs: Collection[str] = VERBS) -> Action | None:
    """The action that the model wrote; None when it is not one of these verbs.

    The number decides which element is meant; the line is for the reader. A command is one line.
    """
    action = _parse(written.strip())
    return action if action is not None and action.verb in verbs else None


def _parse(written: str) -> Action | None:
    if written == "DONE":
        return Action("DONE")
    if command := _COMMAND.fullmatch(written):
        return Action("RUN", text=command[1])
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


def write_command(command: str) -> str:
    """The action that runs the command line."""
    return f"RUN {command}"
