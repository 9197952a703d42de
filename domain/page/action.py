"""Actions: what the agent can do, and how an action is written.

An action is one line: ``VERB`` followed by the element's whole line, which ends with its number. Copying the line is
then the one skill that a small model needs, and every logged action can be read without its page::

    CLICKbutton:Ok[6]
    TYPEinput.text#name[3]Bob

``CLICK`` presses the element. ``TYPE`` replaces the element's value with the text after the number. ``SELECT`` chooses
the ``option`` line in its list. ``DONE`` ends the episode where a task has no button for that.

A page of a browser or a desktop takes more. ``DOUBLE`` presses twice, ``RIGHT`` presses the other button. ``DRAG`` names two
elements: what is dragged, and where it is dropped. ``KEY`` presses keys together. ``SCROLL`` turns the wheel over an element,
or over the page where it names none. ``WAIT`` lets time pass::

    DRAGlist-item:notes.txt[4]list-item:archive[7]
    KEY ctrl+s
    SCROLLlist:Results[9]down
    WAIT

Where an environment takes commands, an action is ``RUN`` and one command line::

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

BROWSER_VERBS = ("CLICK", "DOUBLE", "RIGHT", "TYPE", "SELECT", "DRAG", "KEY", "SCROLL", "WAIT", "DONE")
"""What any page of the web takes."""

DESKTOP_VERBS = ("CLICK", "DOUBLE", "RIGHT", "TYPE", "SELECT", "DRAG", "KEY", "SCROLL", "RUN", "WAIT", "DONE")
"""What a desktop takes."""

ALL_VERBS = DESKTOP_VERBS
"""Every verb."""

WITHOUT_ELEMENT = ("KEY", "RUN", "WAIT", "DONE")
"""The verbs that name no element."""

DIRECTIONS = ("up", "down", "left", "right")
"""Where ``SCROLL`` goes."""

_ONE_LINE = "takes one whole line of the page, and ends with its number"
TAKES = {
    **dict.fromkeys(("CLICK", "DOUBLE", "RIGHT", "SELECT"), _ONE_LINE),
    "TYPE": "takes one whole line of the page with its number, and then the text",
    "DRAG": "takes two whole lines of the page, each with its number",
    "SCROLL": f"takes one whole line of the page or none, and then {', '.join(DIRECTIONS[:-1])} or {DIRECTIONS[-1]}",
    "KEY": "takes a space and keys that are joined by +, as in KEY ctrl+s",
    "RUN": "takes a space and one command line",
    "WAIT": "stands alone",
    "DONE": "stands alone",
}
"""What stands after each verb, in words."""

_ELEMENT = re.compile(r"(CLICK|DOUBLE|RIGHT|SELECT)(.*?)\[(\d+)\]", re.DOTALL)
_TYPE = re.compile(r"(TYPE)(.*?)\[(\d+)\](?P<text>.*)", re.DOTALL)
_DRAG = re.compile(r"(DRAG)(.*?)\[(\d+)\].*\[(?P<target>\d+)\]", re.DOTALL)
_SCROLL = re.compile(rf"(SCROLL)(?:(.*?)\[(\d+)\])? *(?P<text>{'|'.join(DIRECTIONS)})", re.DOTALL)
_KEY = re.compile(r"(KEY)[ \t]+(?P<text>\S+)")
_COMMAND = re.compile(r"(RUN)[ \t]+(?P<text>\S[^\n\r\0]*)")
_ALONE = re.compile(r"(DONE|WAIT)")
_FORMS = (_ELEMENT, _TYPE, _DRAG, _SCROLL, _KEY, _COMMAND, _ALONE)


@dataclass(frozen=True)
class Action:
    """One action.

    ``number`` is the element's, from 1, or 0 without one; ``target`` is the number of the element on which DRAG drops.
    ``text`` is what TYPE types and RUN runs, the keys of KEY, joined by ``+``, and the direction of SCROLL.
    """

    verb: str
    number: int = 0
    text: str = ""
    target: int = 0


def parse_action(written: str, verbs: Collection[str] = VERBS) -> Action | None:
    """The action that the model wrote; None when it is not one of these verbs.

    The number decides which element is meant; the line is for the reader. A command is one line.
    """
    written = written.strip()
    match = next((match for form in _FORMS if (match := form.fullmatch(written))), None)
    if match is None or match[1] not in verbs:
        return None
    groups = match.groupdict()
    number = match[3] if match.re in (_ELEMENT, _TYPE, _DRAG, _SCROLL) else None
    return Action(match[1], int(number or 0), groups.get("text") or "", int(groups.get("target") or 0))


def explain_unreadable(written: str, verbs: Collection[str] = VERBS) -> str:
    """Why the text is no action of these verbs, in one sentence: what its verb takes, or which verbs there are."""
    verb = next((verb for verb in verbs if written.strip().startswith(verb)), None)
    why = f"it begins with one of {', '.join(verbs)}" if verb is None else f"{verb} {TAKES[verb]}"
    return f"cannot read {written[:80]!r} as an action; {why}"


def write_action(verb: str, line: str, text: str = "") -> str:
    """An action on the element with this page line: ``write_action("CLICK", "button:Ok[6]")``."""
    return f"{verb}{line}{text}"


def write_drag(line: str, onto: str) -> str:
    """The action that drags the element of the first page line onto that of the second."""
    return f"DRAG{line}{onto}"


def write_key(keys: str) -> str:
    """The action that presses the keys together: ``write_key("ctrl+s")``."""
    return f"KEY {keys}"


def write_command(command: str) -> str:
    """The action that runs the command line."""
    return f"RUN {command}"
