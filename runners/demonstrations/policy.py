"""What a demonstration is, and the few ways in which all of them read a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ...domain.action import write_action
from ...domain.ports import Page

Policy = Callable[[Page, Sequence[str]], str]
"""The next action from the page and the actions so far: what the agent is asked for, and what it is shown."""


def asked(page: Page, pattern: str) -> tuple[str, ...]:
    """The groups of the pattern in the task's words. Raises ``ValueError`` when the task does not read so."""
    match = re.search(pattern, page.task)
    if match is None:
        raise ValueError(f"the task {page.task!r} does not match {pattern!r}")
    return match.groups()


def lines(page: Page, kind: str, text: str | None = None) -> list[str]:
    """The lines whose kind (a pattern, without state) matches, and whose text is the one given, if one is given."""
    after = r"(:.*)?" if text is None else ":" + re.escape(text)
    pattern = re.compile(rf"(?:{kind})[^=:*\[]*\*?(=.*?)?{after}\[\d+\]")
    return [line for line in page.lines if pattern.fullmatch(line)]


def click(page: Page, kind: str, text: str | None = None) -> str:
    """Click the first line of the kind and text. Raises ``ValueError`` when there is none."""
    return write_action("CLICK", first(page, kind, text))


def first(page: Page, kind: str, text: str | None = None) -> str:
    """The first line of the kind and text. Raises ``ValueError`` when there is none."""
    found = lines(page, kind, text)
    if not found:
        raise ValueError(f"no {kind} with the text {text!r} among {page.lines}")
    return found[0]
