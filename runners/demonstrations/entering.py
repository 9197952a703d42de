"""Tasks that are solved by typing what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ...domain.action import write_action
from ...domain.ports import Page
from .policy import Policy, asked, click, first


def enter_text(page: Page, history: Sequence[str]) -> str:
    """Enter "Bob" into the text field and press Submit."""
    (text,) = asked(page, r'Enter "(.*?)"')
    return click(page, "button", "Submit") if history else write_action("TYPE", first(page, r"input\.text"), text)


def focus_text(page: Page, history: Sequence[str]) -> str:
    """Focus into the textbox."""
    return click(page, r"input\.text")


POLICIES: dict[str, Policy] = {
    "enter-text": enter_text,
    "focus-text": focus_text,
}
