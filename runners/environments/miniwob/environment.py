"""The MiniWoB++ environment: its tasks as pages in a headless browser.

A task and a seed give the same page every time, in a new tab as in a used one. Tabs stay open, because loading a page
takes ten times as long as an episode.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import math
from collections import OrderedDict
from functools import cache
from pathlib import Path

from ....domain.errors import EnvironmentUnavailable, UnknownTask
from ....domain.events import Capability
from ....domain.page.action import VERBS, explain_unreadable, parse_action
from ....domain.page.messages import Page
from ....domain.ports import Environment, Script
from ..browser import Browser, PageError, Tab

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
"""The tasks that the embedded model is pretrained on."""

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
"""The tasks that the embedded model has not seen: kept out of pretraining, templates and synthetic pages."""

TABS = 32
"""Most open tabs; chosen: the base and the unseen tasks together."""


class MiniWob(Environment):
    """The ``Environment`` of MiniWoB++. A reward of 1 is a success. The browser starts with the first episode."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def __init__(self, tabs: int = TABS) -> None:
        self._tabs = _Tabs(tabs)
        self._seat = 0
        self._task = ""
        self._page: Page | None = None

    def tasks(self) -> tuple[str, ...]:
        """All tasks, in alphabetical order. Raises ``EnvironmentUnavailable`` without the package."""
        return task_names()

    def check_task(self, task: str) -> None:
        """Raise ``UnknownTask``, with similar task names, for an unknown task."""
        page_url(task)

    def suggest_tasks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The tasks that the embedded model has never met, and those of its pretraining."""
        return UNSEEN_TASKS, BASE_TASKS

    def demonstrate(self, task: str) -> Script:
        """The scripted demonstration of a base or unseen task. Raises ``UnknownTask``."""
        from .demonstrations import demonstrate

        return demonstrate(task)

    def reset(self, task: str, seed: int) -> Page:
        """Start the task from the seed. Raises ``UnknownTask``, and ``EnvironmentUnavailable`` without a browser."""
        page_url(task)
        self._task = task
        return self._call(f"grokputer.reset({seed})")

    def act(self, action: str) -> Page:
        """Carry out one action. One that cannot be read or done changes nothing; the page's ``error`` has the reason."""
        if self._page is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        parsed = parse_action(action)
        if parsed is None:
            error = explain_unreadable(action, VERBS)
            return Page(self._page.task, self._page.lines, self._page.is_done, self._page.reward, error)
        arguments = json.dumps([parsed.verb, parsed.number, parsed.text])
        return self._call(f"grokputer.act(...{arguments})", is_running=True)

    def beside(self, seat: int) -> MiniWob:
        """An environment for a parallel episode in the same browser, with one tab per seat; see ``Environment.beside``."""
        other = MiniWob()
        other._tabs, other._seat = self._tabs, seat
        return other

    def close(self) -> None:
        """End the browser. The next reset starts a new one."""
        self._page = None
        self._tabs.close()

    def __enter__(self) -> MiniWob:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, expression: str, *, is_running: bool = False) -> Page:
        """The page after the expression, in the tab of the running episode or of the task."""
        try:
            answer = self._tabs.open(self._seat, self._task, must_be_open=is_running).evaluate(expression)
        except EnvironmentUnavailable:
            self.close()
            raise
        except PageError as error:
            self.close()
            raise EnvironmentUnavailable(f"the page of {self._task} failed: {error}; start the task again") from error
        lines = tuple(map(whole_characters, answer["lines"]))
        task, complaint = whole_characters(answer["task"]), whole_characters(answer["error"])
        self._page = Page(task, lines, bool(answer["is_done"]), finite(answer["reward"]), complaint)
        return self._page


class _Tabs:
    """The browser and its open tabs: one per seat and task, at most ``most`` in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._browser: Browser | None = None
        self._open: OrderedDict[tuple[int, str], Tab] = OrderedDict()

    def open(self, seat: int, task: str, *, must_be_open: bool) -> Tab:
        """The tab; if it is not open, it is opened, and beyond the limit the least recently used one is closed.

        Raises ``EnvironmentUnavailable``, also where the tab must be open and is not, because the browser was lost.
        """
        key = (seat, task)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        if must_be_open:
            raise EnvironmentUnavailable(f"the browser was lost during {task}; start the task again")
        if self._browser is None:
            self._browser = Browser()
        if len(self._open) >= self._most:
            self._open.popitem(last=False)[1].close()
        tab = Tab(self._browser)
        tab.inject(page_script())
        tab.navigate(page_url(task))
        self._open[key] = tab
        return tab

    def close(self) -> None:
        """End the browser."""
        browser, self._browser = self._browser, None
        self._open.clear()
        if browser is not None:
            browser.close()


def whole_characters(text: str) -> str:
    """The text with U+FFFD in place of each lone surrogate: JavaScript strings may hold them, the log may not."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def finite(reward: object) -> float:
    """The page's reward; 0 where it is not a finite number."""
    return float(reward) if isinstance(reward, (int, float)) and math.isfinite(reward) else 0.0


@cache
def task_names() -> tuple[str, ...]:
    """All tasks, in alphabetical order."""
    return tuple(sorted(path.stem for path in find_pages().glob("*.html")))


def page_url(task: str) -> str:
    """The URL of the task's page. Raises ``UnknownTask``."""
    if task not in task_names():
        close = difflib.get_close_matches(task, task_names(), n=3) or [*BASE_TASKS[:3], "..."]
        raise UnknownTask(f"there is no task {task!r}; close to it: {', '.join(close)}")
    return (find_pages() / f"{task}.html").as_uri()


@cache
def find_pages() -> Path:
    """The folder of the pages. Raises ``EnvironmentUnavailable`` without the package."""
    spec = importlib.util.find_spec("miniwob")  # importing it would load Gymnasium and Selenium
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentUnavailable("the package miniwob is not installed; pip install miniwob==1.1.0")
    return Path(spec.submodule_search_locations[0]) / "html" / "miniwob"


@cache
def page_script() -> str:
    """The script for every page: observe.js, then act.js."""
    return "\n".join(
        (Path(__file__).parents[1] / name).read_text(encoding="utf-8") for name in ("observe.js", "act.js")
    )
