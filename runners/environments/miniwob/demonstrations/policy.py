"""What a demonstration is, and how all of them read a page.

Policies decide from the state of the page and not from how many actions there were, so they also know what to do next
on a page that somebody else brought into disorder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .....domain.page.action import write_action
from .....domain.page.line import Line, read
from .....domain.page.messages import Page

Policy = Callable[[Page, Sequence[str]], str]
"""The next action from the page and the actions so far: what the agent is asked for, and what it is shown.

Raises ``ValueError`` on a page that is not one of its task."""


def find(page: Page, kind: str, text: str | None = None) -> Line:
    """The first line of the kind, and of the text where one is given. Raises ``ValueError`` when there is none."""
    for line in read(page, kind):
        if text is None or line.text == text:
            return line
    raise ValueError(f"no line {kind}:{text or ''} among {page.lines}")


def asked(page: Page, pattern: str) -> tuple[str, ...]:
    """The groups of the pattern in the task's words. Raises ``ValueError`` when the task does not read so."""
    match = re.search(pattern, page.task)
    if match is None:
        raise ValueError(f"the task {page.task!r} does not match {pattern!r}")
    return match.groups()


def click(line: Line) -> str:
    """The action that presses the line."""
    return write_action("CLICK", line.written)


def select(line: Line) -> str:
    """The action that chooses the line, an option of a list."""
    return write_action("SELECT", line.written)


def fill(fields: Sequence[tuple[Line, str]], then: str) -> str:
    """Type into the first field that does not hold its text yet; ``then`` once all of them do."""
    for line, text in fields:
        if line.value != text:
            return write_action("TYPE", line.written, text)
    return then
