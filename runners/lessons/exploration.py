"""Exploration: random actions that the page allows, for tasks that the model alone never gets right.

It knows only the forms of pages and actions, and no task: it clicks clickable elements, and types words of the task
into fields. A success by luck is shortened to the necessary steps, and is then a valid example.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from ...domain.page.action import parse_action, write_action
from ...domain.page.line import Line, read
from ...domain.page.messages import Page

FIELDS = (
    "input.text",
    "input.password",
    "input.email",
    "input.search",
    "input.tel",
    "input.url",
    "input.number",
    "textarea",
)
"""Kinds of page lines that take a text."""

FILLS_FIRST = 0.75
"""Probability of filling an empty field, where there is one, before a click; chosen: forms are submitted last."""

_QUOTED = re.compile(r'"([^"]+)"')
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b(?:[A-Z]\w*|\w*\d\w*)")


def can_explore(page: Page) -> bool:
    """Whether the page has elements to press. No command can be guessed from the form of a page."""
    return "CLICK" in page.verbs


def explore(page: Page, history: Sequence[str], draw: random.Random) -> str:
    """A random action that the page allows and that was not done before; ``DONE`` when there is none."""
    fills, presses = _fills(page, history), _presses(page, history)
    if fills and (not presses or draw.random() < FILLS_FIRST):
        return draw.choice(fills)
    return draw.choice(presses) if presses else "DONE"


def named_words(task: str) -> list[str]:
    """The names in the task: its quoted words, or else words with a capital letter or digit inside a sentence."""
    return list(dict.fromkeys(_QUOTED.findall(task) or _NAME.findall(task)))


def _fills(page: Page, history: Sequence[str]) -> list[str]:
    words = named_words(page.task)
    empty = [line for line in read(page) if line.kind.startswith(FIELDS) and not line.value]
    actions = (write_action("TYPE", line.written, word) for line in empty for word in words)
    return [action for action in actions if action not in history]


def _presses(page: Page, history: Sequence[str]) -> list[str]:
    lines = [line for line in read(page) if not line.kind.startswith((*FIELDS, "select"))]
    return [action for line in lines if (action := _press(line)) not in history]


def _press(line: Line) -> str:
    return write_action("SELECT" if line.kind.startswith("option") else "CLICK", line.written)


def rewrite(written: str, page: Page) -> str | None:
    """The action on the element with the same number, with its current line; None where there is no such element."""
    action = parse_action(written, page.verbs)
    if action is None or not action.number:
        return written if action is not None else None
    if not 1 <= action.number <= len(page.lines):
        return None
    return write_action(action.verb, page.lines[action.number - 1], action.text)
