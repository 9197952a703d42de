"""Tasks that are solved by typing what is asked for, field by field in the order of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .....domain.page.line import read
from .....domain.page.messages import Page
from .policy import Policy, asked, click, fill, find


def enter_text(page: Page, history: Sequence[str]) -> str:
    """Enter "Bob" into the text field and press Submit."""
    (text,) = asked(page, r'Enter "(.*?)"')
    return fill([(find(page, "input.text"), text)], then=click(find(page, "button", "Submit")))


def enter_password(page: Page, history: Sequence[str]) -> str:
    """Enter the password "yA" into both text fields and press submit."""
    (password,) = asked(page, r'password "(.*?)"')
    fields = [(field, password) for field in read(page, "input.password")]
    return fill(fields, then=click(find(page, "button", "Submit")))


def login_user(page: Page, history: Sequence[str]) -> str:
    """Enter the username "ann" and the password "yA" into the text fields and press login."""
    username, password = asked(page, r'username "(.*?)" and the password "(.*?)"')
    fields = [(find(page, "input.text", "Username"), username), (find(page, "input.password", "Password"), password)]
    return fill(fields, then=click(find(page, "button", "Login")))


def multi_layouts(page: Page, history: Sequence[str]) -> str:
    """Search for action movies directed by Bowen from year 1998."""
    genre, director, year = asked(page, r"Search for (.*) movies directed by (.*) from year (\d+)")
    wanted = {"Genre": genre, "Director": director, "Year": year, "Date": year}
    fields = [
        (field, text) for field in read(page, "input.text") for word, text in wanted.items() if word in field.text
    ]
    submit = next(line for line in read(page) if re.fullmatch(r"Submit|Search|Go!", line.text))
    return fill(fields, then=click(submit))


def read_table(page: Page, history: Sequence[str]) -> str:
    """Enter the value of Last name into the text field and press Submit."""
    (name,) = asked(page, r"the value of (.*) into")
    cells = [line.text for line in read(page, "td")]
    value = cells[cells.index(name) + 1]
    return fill([(find(page, "input.text"), value)], then=click(find(page, "button", "Submit")))


POLICIES: dict[str, Policy] = {
    "enter-password": enter_password,
    "enter-text": enter_text,
    "enter-text-dynamic": enter_text,
    "login-user": login_user,
    "multi-layouts": multi_layouts,
    "read-table": read_table,
}
