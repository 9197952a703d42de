"""Tasks that are solved by clicking what is named."""

from __future__ import annotations

from collections.abc import Sequence

from ...domain.action import write_action
from ...domain.ports import Page
from .policy import Policy, asked, click, lines


def click_button(page: Page, history: Sequence[str]) -> str:
    """Click on the "okay" button."""
    (name,) = asked(page, r'"(.*)"')
    return click(page, "button", name)


def click_checkboxes(page: Page, history: Sequence[str]) -> str:
    """Select a, b and click Submit: in the order of the page, one at a time."""
    (names,) = asked(page, r"Select (.*) and click Submit")
    wanted = names.split(", ")
    for line in lines(page, r"input\.checkbox"):
        kind, _, text = line.rpartition("[")[0].partition(":")
        if text in wanted and not kind.endswith("*"):
            return write_action("CLICK", line)
    return click(page, "button", "Submit")


def click_dialog(page: Page, history: Sequence[str]) -> str:
    """Close the dialog box by clicking the "x"."""
    return click(page, "button", "Close")


def click_link(page: Page, history: Sequence[str]) -> str:
    """Click on the link "Eget"."""
    (name,) = asked(page, r'"(.*)"')
    return click(page, "span", name)


def click_option(page: Page, history: Sequence[str]) -> str:
    """Select a and click Submit."""
    (name,) = asked(page, r"Select (.*) and click Submit")
    return click(page, "button", "Submit") if history else click(page, r"input\.radio", name)


def click_tab(page: Page, history: Sequence[str]) -> str:
    """Click on Tab #2."""
    (name,) = asked(page, r"(Tab #\d)")
    return click(page, "tab", name)


def click_test_2(page: Page, history: Sequence[str]) -> str:
    """Click button ONE."""
    return click(page, "button", "ONE")


def click_widget(page: Page, history: Sequence[str]) -> str:
    """Click on a "checkbox" widget."""
    (kind,) = asked(page, r'"(.*)"')
    return click(page, kind if kind in ("button", "textarea") else rf"input\.{kind}")


POLICIES: dict[str, Policy] = {
    "click-button": click_button,
    "click-checkboxes": click_checkboxes,
    "click-dialog": click_dialog,
    "click-link": click_link,
    "click-option": click_option,
    "click-tab": click_tab,
    "click-test-2": click_test_2,
    "click-widget": click_widget,
}
