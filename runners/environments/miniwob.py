"""The computer to use: the tasks of MiniWoB++ as pages in a browser of our own.

A task and a seed give the same page every time, in a fresh tab as in a used one. Tabs stay open, because loading a page
costs ten times what an episode does.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
from collections import OrderedDict
from functools import cache
from pathlib import Path

from ...domain.action import VERBS, parse_action
from ...domain.errors import EnvironmentUnavailable, UnknownTask
from ...domain.ports import Page
from .browser import Browser, PageError, Tab

BASE_TASKS = (
    "click-button",
    "click-checkboxes",
    "click-dialog",
    "click-link",
    "click-option",
    "click-tab",
    "click-test-2",
    "click-widget",
    "enter-text",
    "focus-text",
)
"""What the embedded model is pretrained on."""

UNSEEN_TASKS = (
    "choose-list",
    "click-button-sequence",
    "click-collapsible",
    "click-color",
    "click-dialog-2",
    "click-scroll-list",
    "click-tab-2",
    "enter-password",
    "enter-text-dynamic",
    "focus-text-2",
    "login-user",
    "multi-layouts",
    "navigate-tree",
    "read-table",
    "search-engine",
    "use-autocomplete",
)
"""What it has never met before feedback: kept out of pretraining, templates and synthetic pages."""

TABS = 32
"""How many tasks stay open at most; chosen: the base and the unseen tasks together."""


class MiniWob:
    """The ``Environment`` of MiniWoB++. Success is a reward of 1. The browser starts with the first episode."""

    def __init__(self, tabs: int = TABS) -> None:
        self._max_tabs = tabs
        self._browser: Browser | None = None
        self._tabs: OrderedDict[str, Tab] = OrderedDict()
        self._task = ""
        self._page: Page | None = None

    def reset(self, task: str, seed: int) -> Page:
        """Start the task from the seed. Raises ``UnknownTask``; ``EnvironmentUnavailable`` without a browser."""
        tab = self._open(task)
        return self._call(tab, f"grokputer.reset({seed})")

    def act(self, action: str) -> Page:
        """Carry out one action; the page's ``error`` says why one that cannot be read or done changed nothing."""
        if self._page is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        parsed = parse_action(action)
        if parsed is None:
            error = f"cannot read {action[:80]!r} as an action; it begins with one of {', '.join(VERBS)}"
            return Page(self._page.task, self._page.lines, self._page.is_done, self._page.reward, error)
        arguments = json.dumps([parsed.verb, parsed.number, parsed.text])
        return self._call(self._tabs[self._task], f"grokputer.act(...{arguments})")

    def close(self) -> None:
        """End the browser. The next reset starts another."""
        browser, self._browser, self._page = self._browser, None, None
        self._tabs.clear()
        if browser is not None:
            browser.close()

    def __enter__(self) -> MiniWob:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, task: str) -> Tab:
        """The tab of the task, opened when it is not, in place of the one used longest ago where there are too many."""
        url = page_url(task)
        self._task = task
        if task in self._tabs:
            self._tabs.move_to_end(task)
            return self._tabs[task]
        try:
            if self._browser is None:
                self._browser = Browser()
            if len(self._tabs) >= self._max_tabs:
                self._tabs.popitem(last=False)[1].close()
            tab = Tab(self._browser)
            tab.inject(page_script())
            tab.navigate(url)
        except EnvironmentUnavailable:
            self.close()
            raise
        self._tabs[task] = tab
        return tab

    def _call(self, tab: Tab, expression: str) -> Page:
        try:
            answer = tab.evaluate(expression)
        except EnvironmentUnavailable:
            self.close()
            raise
        except PageError as error:
            self.close()
            raise EnvironmentUnavailable(f"the page of {self._task} failed: {error}; start the task again") from error
        self._page = Page(
            answer["task"], tuple(answer["lines"]), bool(answer["is_done"]), float(answer["reward"]), answer["error"]
        )
        return self._page


@cache
def task_names() -> tuple[str, ...]:
    """All tasks there are, in alphabetical order."""
    return tuple(sorted(path.stem for path in _html().glob("*.html")))


def page_url(task: str) -> str:
    """Where the task's page is. Raises ``UnknownTask``."""
    if task not in task_names():
        close = difflib.get_close_matches(task, task_names(), n=3) or [*BASE_TASKS[:3], "..."]
        raise UnknownTask(f"there is no task {task!r}; close to it: {', '.join(close)}")
    return (_html() / f"{task}.html").as_uri()


@cache
def _html() -> Path:
    spec = importlib.util.find_spec("miniwob")  # Importing it would start Gymnasium and Selenium.
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentUnavailable("the package miniwob is not installed; pip install miniwob==1.1.0")
    return Path(spec.submodule_search_locations[0]) / "html" / "miniwob"


@cache
def page_script() -> str:
    """What is injected into every page: observe.js, then act.js."""
    return "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("observe.js", "act.js"))
