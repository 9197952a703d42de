"""The steps of demonstrations: each finds its element on the page by kind and text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .....domain.page.action import write_action, write_command, write_drag, write_key
from .....domain.page.line import Line, read
from .....domain.page.messages import Page
from .instance import Step

PATIENCE = 5
"""How often a demonstration waits for something to appear; chosen."""


def click(kind: str, text: str = "", *, verb: str = "CLICK", near: int = 0) -> Step:
    """Press the element of this kind and text; ``near`` is its number among those, from 0."""
    return lambda page: write_action(verb, _find(page, kind, text, near).written)


def double(kind: str, text: str) -> Step:
    """Press the element twice."""
    return click(kind, text, verb="DOUBLE")


def right(kind: str, text: str) -> Step:
    """Press the element with the other button."""
    return click(kind, text, verb="RIGHT")


def select(text: str) -> Step:
    """Choose the option."""
    return click("option", text, verb="SELECT")


def fill(text: str | Callable[[Page], str], kind: str = "entry", label: str = "", near: int = 0) -> Step:
    """Type the text into the field with this label; the text may depend on the page."""
    return lambda page: write_action(
        "TYPE", _find(page, kind, label, near).written, text(page) if callable(text) else text
    )


def drag(kind: str, text: str, onto: str) -> Step:
    """Drag one element onto another of the same kind."""
    return lambda page: write_drag(_find(page, kind, text).written, _find(page, kind, onto).written)


def key(keys: str) -> Step:
    """Press keys."""
    return lambda page: write_key(keys)


def run(command: str) -> Step:
    """Start a program."""
    return lambda page: write_command(command)


def window(title: str) -> Step:
    """Bring the window to the front whose title begins so; the one in front stays there."""
    return lambda page: write_action("CLICK", _window(page, title).written)


def follow(steps: Sequence[Step], page: Page, history: Sequence[str]) -> str:
    """The action of the next step. It waits where the page does not have what the step needs.

    Raises ``ValueError`` where that does not come, and after the last step.
    """
    if page.error and history[-1:] != ["WAIT"]:
        raise ValueError(f"the last step of the demonstration was refused: {page.error}")
    number = sum(action != "WAIT" for action in history)
    missing = "the whole demonstration was carried out, and the task is not done"
    try:
        if number < len(steps):
            return steps[number](page)
    except LookupError as error:
        missing = f"the page has no {error.args[0]}"
    if [*history[-PATIENCE:]] == ["WAIT"] * PATIENCE:
        raise ValueError(missing)
    return "WAIT"


def value_of(page: Page, kind: str, label: str = "") -> str:
    """The value of the element. Raises ``LookupError`` without one."""
    return _find(page, kind, label).value


def _find(page: Page, kind: str, text: str, near: int = 0) -> Line:
    found = [line for line in read(page, kind) if line.kind == kind and (not text or line.text == text)]
    if len(found) <= near:
        raise LookupError(f"{kind} {text}")
    return found[near]


def _window(page: Page, title: str) -> Line:
    found = [line for line in read(page) if line.kind in ("window", "dialog") and line.text.startswith(title)]
    if not found:
        raise LookupError(f"window {title}")
    return found[0]
