"""The port of an environment: a computer to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..errors import UnknownTask
from ..events import Capability
from ..page.messages import Page

Script = Callable[[Page, Sequence[str]], str]
"""A policy written down: the action that follows, given the page and the actions so far."""


class Environment(Protocol):
    """A computer to use. One episode at a time: reset, then act until the page is done.

    What it offers beside that is declared in ``capabilities``, recorded with each run, and asked for there.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it offers: always the same, known before anything is started."""
        ...

    def tasks(self) -> Sequence[str]:
        """The names of its tasks, sorted; empty where any words are a task."""
        return ()

    def check_task(self, task: str) -> None:
        """Refuse a task before anything is started for it. Raises ``UnknownTask``, naming what there is."""
        if not task.strip():
            raise UnknownTask("a task must not be empty")
        if (there := self.tasks()) and task not in there:
            raise UnknownTask(f"there is no task {task!r}; there are {', '.join(there[:20])}")

    def reset(self, task: str, seed: int) -> Page:
        """Start the named task from the seed. Raises ``UnknownTask``; ``EnvironmentUnavailable`` where it cannot be had."""
        ...

    def act(self, action: str) -> Page:
        """Carry out one action of ``domain/page/action.py``. An action that cannot be read or done changes nothing.

        The page's reward is 1 where the task is done; without ``Capability.VERIFIES``, where the episode came to its end.
        """
        ...

    def demonstrate(self, task: str) -> Script:
        """The scripted demonstration of the task. Raises ``UnknownTask`` where it has none."""
        raise UnknownTask(f"there is no demonstration of {task!r}")

    def beside(self, seat: int) -> Environment:
        """Another one like this, for an episode at the same time; it holds nothing of its own that would be closed.

        Episodes of one task at the same time need different seats: 0, which is this one's own, 1, 2, ...
        """
        ...

    def close(self) -> None:
        """Release whatever the environment holds."""
        return
