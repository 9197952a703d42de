"""The chat environment: a task in words, an answer in words. Only people judge the answer."""

from __future__ import annotations

from ...domain.errors import UnknownTask
from ...domain.events import Capability
from ...domain.page.messages import Page
from ...domain.ports import Environment


class Chat(Environment):
    """The ``Environment`` of one question. Any answer ends it; an empty one is a failure."""

    capabilities = frozenset({Capability.QUESTION})

    def __init__(self) -> None:
        self._task = ""

    def check_task(self, task: str) -> None:
        """Accept any text. Raises ``UnknownTask`` for an empty one."""
        if not task.strip():
            raise UnknownTask("a question must not be empty; give one in quotes")

    def reset(self, task: str, seed: int) -> Page:
        """Ask the question; the seed has no effect."""
        self._task = task
        return Page(task, (), is_question=True)

    def act(self, action: str) -> Page:
        """Take the answer."""
        is_answer = bool(action.strip())
        return Page(self._task, (), True, 1.0 if is_answer else 0.0, "" if is_answer else "no answer", True)

    def beside(self, seat: int) -> Chat:
        """An environment for a parallel question."""
        return Chat()

    def close(self) -> None:
        """There is nothing to release."""
