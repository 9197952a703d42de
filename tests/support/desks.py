"""A desk in memory: an environment with a long task of two parts, one of which its page shows when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grokputer.domain.errors import UnknownTask
from grokputer.domain.events import Capability
from grokputer.domain.page.messages import Completion, Message, Page
from grokputer.domain.ports import Environment, Model, PlannedScript, Script

WORDS = "Make the tea. Then feed the cat."
PLAN = "make the tea => cup:tea\nfeed the cat"
TEA, CAT, RADIO = "CLICKbutton:kettle[1]", "CLICKbutton:bowl[2]", "CLICKbutton:radio[3]"
RIGHT = [PLAN, TEA, CAT, "DONE", "yes", "DONE"]
"""Every answer of a run that does the task by the right plan."""


class Desk(Environment):
    """The tea shows on the page; whether the cat is fed does not. ``DONE`` ends the task."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def tasks(self) -> Sequence[str]:
        return ("tea-and-cat",)

    def is_long(self, task: str) -> bool:
        return True

    def reset(self, task: str, seed: int) -> Page:
        self.done: set[str] = set()
        return self._page()

    def act(self, action: str) -> Page:
        if action == "DONE":
            is_success = {TEA, CAT} <= self.done
            return Page(WORDS, (), True, 1.0 if is_success else -1.0, "" if is_success else "the task is not done")
        if action not in (TEA, CAT, RADIO):
            return self._page(f"cannot do {action}")
        self.done.add(action)
        return self._page()

    def _page(self, error: str = "") -> Page:
        shown = ["button:kettle[1]", "button:bowl[2]", "button:radio[3]", *(["cup:tea[4]"] if TEA in self.done else [])]
        return Page(WORDS, tuple(shown), error=error)

    def demonstrate(self, task: str) -> Script:
        return lambda page, history: [TEA, CAT, "DONE"][len(history)]

    def demonstrate_plan(self, task: str) -> PlannedScript:
        if task not in self.tasks():
            raise UnknownTask(task)
        return Shown()

    def beside(self, seat: int) -> Desk:
        return Desk()


class Shown(PlannedScript):
    """How the desk's task is done."""

    def plan(self, page: Page) -> str:
        return PLAN

    def act(self, page: Page, history: Sequence[str], goal: str) -> str:
        return TEA if goal == "make the tea" else CAT if CAT not in history else "DONE"


class Told(Model):
    """A model that answers what it was told to, in order, and remembers how it was asked."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str | None]] = []
        """The last line of each prompt, and the adapter."""

    def complete(self, messages: Sequence[Message], *, adapter: str | None = None, **_: Any) -> Completion:
        self.asked.append((messages[-1]["content"].split("\n")[-1], adapter))
        return Completion(self.answers.pop(0), 1, 1, 1)
