"""Tasks whose page does not show at once what is looked for."""

from __future__ import annotations

from collections.abc import Sequence

from .....domain.page.action import write_action
from .....domain.page.line import read
from .....domain.page.messages import Page
from .policy import Policy, asked, click, fill, find

RESULTS = 3
"""How many search results a page shows."""


def click_tab_2(page: Page, history: Sequence[str]) -> str:
    """Switch between the tabs to find and click on the link "aliquet": the tabs from left to right, then around."""
    (name,) = asked(page, r'"(.*)"')
    for link in read(page, "span"):
        if link.text == name:
            return click(link)
    tabs = read(page, "tab")
    current = next(place for place, tab in enumerate(tabs) if tab.is_on)
    return click(tabs[(current + 1) % len(tabs)])


def navigate_tree(page: Page, history: Sequence[str]) -> str:
    """Find and click on the folder or file named "Annis": open one folder after another until it shows."""
    (name,) = asked(page, r'named "(.*)"')
    for entry in read(page, "span"):
        if entry.text == name:
            return click(entry)
    return click(next(folder for folder in read(page, "span.folder") if not folder.is_on))


def search_engine(page: Page, history: Sequence[str]) -> str:
    """Use the textbox to enter "Renda" and press "Search", then find and click the 7th search result."""
    name, place = asked(page, r'enter "(.*)" and press "Search".* the (\d+)(?:st|nd|rd|th)')
    wanted_page, place_there = divmod(int(place) - 1, RESULTS)
    field, links = find(page, "input.text"), read(page, "a")
    if not links or field.value != name or history[-1].startswith("TYPE"):
        return fill([(field, name)], then=click(find(page, "button", "Search")))
    page_link = find(page, "a", str(wanted_page + 1))
    return click(links[place_there] if page_link.is_on else page_link)


def use_autocomplete(page: Page, history: Sequence[str]) -> str:
    """Enter an item that starts with "An" and ends with "ica": type the start, then pick what fits."""
    start, end = asked(page, r'starts with "(.*?)"(?: and ends with "(.*?)")?\.')
    for item in read(page, "li"):
        if item.text.startswith(start) and item.text.endswith(end or ""):
            return click(item)
    field = find(page, "input.text")
    has_item = field.value.startswith(start) and field.value.endswith(end or "")
    return click(find(page, "button", "Submit")) if has_item else write_action("TYPE", field.written, start.strip())


POLICIES: dict[str, Policy] = {
    "click-tab-2": click_tab_2,
    "navigate-tree": navigate_tree,
    "search-engine": search_engine,
    "use-autocomplete": use_autocomplete,
}
