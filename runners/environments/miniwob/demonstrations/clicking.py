"""Tasks that are solved by clicking what is named."""

from __future__ import annotations

from collections.abc import Sequence

from .....domain.page.line import read
from .....domain.page.messages import Page
from .policy import Policy, asked, click, find


def click_button(page: Page, history: Sequence[str]) -> str:
    """Click on the "okay" button."""
    (name,) = asked(page, r'"(.*)"')
    return click(find(page, "button", name))


def click_button_sequence(page: Page, history: Sequence[str]) -> str:
    """Click button ONE, then click button TWO."""
    has_pressed_one = any("button:ONE[" in action for action in history)
    return click(find(page, "button", "TWO" if has_pressed_one else "ONE"))


def click_collapsible(page: Page, history: Sequence[str]) -> str:
    """Expand the section below and click submit."""
    section = find(page, "tab")
    return click(find(page, "button", "Submit") if section.is_on else section)


def click_color(page: Page, history: Sequence[str]) -> str:
    """Click on the grey colored box."""
    (color,) = asked(page, r"Click on the (\w+) colored box")
    return click(next(line for line in read(page, "div.color") if line.kind.endswith(f" {color}")))


def click_dialog(page: Page, history: Sequence[str]) -> str:
    """Close the dialog box by clicking the "x"."""
    return click(find(page, "button", "Close"))


def click_dialog_2(page: Page, history: Sequence[str]) -> str:
    """Click the button in the dialog box labeled "x"."""
    (name,) = asked(page, r'"(.*)"')
    return click(find(page, "button", "Close" if name == "x" else name))


def click_link(page: Page, history: Sequence[str]) -> str:
    """Click on the link "Eget"."""
    (name,) = asked(page, r'"(.*)"')
    return click(find(page, "span", name))


def click_tab(page: Page, history: Sequence[str]) -> str:
    """Click on Tab #2."""
    (name,) = asked(page, r"(Tab #\d)")
    return click(find(page, "tab", name))


def click_test_2(page: Page, history: Sequence[str]) -> str:
    """Click button ONE."""
    return click(find(page, "button", "ONE"))


def click_widget(page: Page, history: Sequence[str]) -> str:
    """Click on a "checkbox" widget."""
    (kind,) = asked(page, r'"(.*)"')
    return click(find(page, kind if kind in ("button", "textarea") else f"input.{kind}"))


def focus_text(page: Page, history: Sequence[str]) -> str:
    """Focus into the textbox."""
    return click(find(page, "input.text"))


def focus_text_2(page: Page, history: Sequence[str]) -> str:
    """Focus into the 2nd input textbox."""
    (place,) = asked(page, r"the (\d)(?:st|nd|rd) input")
    return click(read(page, "input.text")[int(place) - 1])


POLICIES: dict[str, Policy] = {
    "click-button": click_button,
    "click-button-sequence": click_button_sequence,
    "click-collapsible": click_collapsible,
    "click-color": click_color,
    "click-dialog": click_dialog,
    "click-dialog-2": click_dialog_2,
    "click-link": click_link,
    "click-tab": click_tab,
    "click-test-2": click_test_2,
    "click-widget": click_widget,
    "focus-text": focus_text,
    "focus-text-2": focus_text_2,
}
