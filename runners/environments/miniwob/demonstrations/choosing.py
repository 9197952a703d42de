"""Tasks that are solved by choosing among what is offered, then pressing Submit."""

from __future__ import annotations

from collections.abc import Sequence

from .....domain.page.line import read
from .....domain.page.messages import Page
from .policy import Policy, asked, click, find, select


def choose_list(page: Page, history: Sequence[str]) -> str:
    """Select Bob from the list and click Submit."""
    (name,) = asked(page, r"Select (.*) from the list")
    option = find(page, "option", name)
    return click(find(page, "button", "Submit")) if option.is_on else select(option)


def click_checkboxes(page: Page, history: Sequence[str]) -> str:
    """Select a, b and click Submit: in the order of the page."""
    (names,) = asked(page, r"Select (.*) and click Submit")
    for box in read(page, "input.checkbox"):
        if box.is_on != (box.text in names.split(", ")):
            return click(box)
    return click(find(page, "button", "Submit"))


def click_option(page: Page, history: Sequence[str]) -> str:
    """Select a and click Submit."""
    (name,) = asked(page, r"Select (.*) and click Submit")
    option = find(page, "input.radio", name)
    return click(find(page, "button", "Submit") if option.is_on else option)


def click_scroll_list(page: Page, history: Sequence[str]) -> str:
    """Select Ann, Bob from the scroll list and click Submit: in the order of the page."""
    (names,) = asked(page, r"Select (.*) from the scroll list")
    for option in read(page, "option"):
        if option.is_on != (option.text in names.split(", ")):
            return select(option)
    return click(find(page, "button", "Submit"))


POLICIES: dict[str, Policy] = {
    "choose-list": choose_list,
    "click-checkboxes": click_checkboxes,
    "click-option": click_option,
    "click-scroll-list": click_scroll_list,
}
