"""What environments of prepared tasks have in common: they verify and repeat, each task may have a solution, which is
found by the words of what was played, and each parallel episode has a seat."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from typing import Generic, Protocol, TypeVar

from ...domain.errors import EnvironmentUnavailable, UnknownTask
from ...domain.events import Capability
from ...domain.ports import Environment


class NamedTasks(Protocol):
    """Tasks by name."""

    def names(self) -> Sequence[str]:
        """All of them, sorted."""
        ...

    def has_solution(self, task: str) -> bool:
        """Whether the task has a solution. Raises ``UnknownTask``; ``EnvironmentUnavailable`` for one with mistakes."""
        ...


Tasks = TypeVar("Tasks", bound=NamedTasks)
Playing = TypeVar("Playing")


REMEMBERED = 1000
"""Episodes whose solutions are known at a time; chosen: more than are ever played side by side."""

Known = TypeVar("Known")


class Remembered(Generic[Known]):
    """What does the tasks that were played last, by the task and the words in which it was asked for."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()

    def add(self, task: str, request: str, known: Known) -> None:
        """Keep it; beyond ``REMEMBERED`` the oldest is forgotten."""
        self._known[task, request] = known
        self._known.move_to_end((task, request))
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def find(self, task: str, request: str) -> Known:
        """What was kept. Raises ``ValueError`` where nothing is."""
        if (task, request) not in self._known:
            raise ValueError(f"no solution is known of {task}: {request}")
        return self._known[task, request]


class Seats:
    """Numbers for what parallel episodes have each for itself, such as a tab. Low ones come first, so it is used again."""

    def __init__(self) -> None:
        self._taken = set[int]()
        self._mutex = threading.Lock()

    def __len__(self) -> int:
        """How many are taken."""
        return len(self._taken)

    def take(self, holder: object) -> int:
        """A seat that is free again when nothing holds the holder. What was in the seat before may still be there."""
        with self._mutex:
            seat = next(number for number in count() if number not in self._taken)
            self._taken.add(seat)
        weakref.finalize(
            holder, self._taken.discard, seat
        )  # called while objects are collected, so it waits for nothing
        return seat


class OfTasks(Environment, Generic[Tasks, Playing]):
    """An environment of tasks that are checked at their end. ``Playing`` is the class of its episodes."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._episode: Playing | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It verifies and repeats; scripts do the tasks that have a solution written down."""
        return frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def tasks(self) -> Sequence[str]:
        """The names of all tasks, sorted."""
        return self._tasks.names()

    def check_task(self, task: str) -> None:
        """Raises ``UnknownTask``, naming the tasks that are close to it; ``EnvironmentUnavailable`` for one with mistakes."""
        self._tasks.has_solution(task)

    def _playing(self) -> Playing:
        """The episode that is running. Raises ``EnvironmentUnavailable`` without one."""
        if self._episode is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        return self._episode

    def _require_solution(self, task: str) -> None:
        """Raises ``UnknownTask`` for a task without a solution."""
        if not self._tasks.has_solution(task):
            raise UnknownTask(f"there is no demonstration of {task!r}: it has no solution")
