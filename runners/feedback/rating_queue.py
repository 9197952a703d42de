"""The queue of runs that wait for a rating: ended, unrated, and drawn by the traffic or made by another program.

It is computed from the log, and follows it. Pinned runs, such as the gate's, wait for nothing: no window and no canary
counts them.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.events import TaskAnswered, TaskFailed, TaskRated, TaskStarted, TaskSucceeded
from ...domain.rules.imported import RECORDED
from ...domain.vocabulary import Arm, FailureReason

if TYPE_CHECKING:
    from ..store.log import Log

TOPICS = tuple(kind.TOPIC for kind in (TaskStarted, TaskSucceeded, TaskFailed, TaskAnswered, TaskRated))
MOST = 100_000
"""Waiting runs that are remembered, the newest; chosen: some 40 MB."""

Stratum = tuple[str, str, str, bool]
"""Role, arm, family of tasks, and whether the run failed: each is rated in its share of the sample."""


class Order(StrEnum):
    """Which run comes next."""

    SAMPLE = "sample"
    """Of the stratum with the smallest share of rated runs, by chance: what is rated is like what runs."""
    OLDEST = "oldest"
    CANARY = "canary"
    """The oldest of a canary, then the others."""


@dataclass(frozen=True)
class Waiting:
    """A run that waits for a rating."""

    position: int
    """Of its start."""
    run: UUID
    role: str
    arm: str
    stratum: Stratum

    chance: bytes
    """Its place in the sample: a hash of its id, so the same in every process."""


class RatingQueue:
    """The queue of one log. Thread-safe."""

    def __init__(self) -> None:
        self._position = 0
        self._started: dict[UUID, tuple[int, TaskStarted, str]] = {}
        self._waiting: dict[UUID, Waiting] = {}
        self._rated: Counter[Stratum] = Counter()
        self._ended: Counter[Stratum] = Counter()
        self._lock = threading.Lock()

    def follow(self, log: Log) -> None:
        """Read what is new in the log."""
        with self._lock:
            end = log.position
            for position, event in log.read(self._position + 1, end, TOPICS):
                self._apply(position, event)
            self._position = end

    def count(self, role: str | None = None) -> int:
        """Number of runs that wait: of the role, or of all."""
        with self._lock:
            return sum(role in (None, one.role) for one in self._waiting.values())

    def next(self, order: Order, role: str | None = None) -> Iterator[UUID]:
        """The waiting runs in this order: of the role, or of all. They are sorted as they are taken."""
        with self._lock:
            found = [one for one in self._waiting.values() if role in (None, one.role)]
            shares = {one.stratum: self._rated[one.stratum] / self._ended[one.stratum] for one in found}
        keys: dict[Order, Any] = {
            Order.OLDEST: lambda one: one.position,
            Order.CANARY: lambda one: (one.arm != Arm.CANARY, one.position),
            Order.SAMPLE: lambda one: (shares[one.stratum], one.stratum, one.chance),
        }
        key = keys[order]
        heap = [(key(one), one.position, one.run) for one in found]
        heapq.heapify(heap)
        return (heapq.heappop(heap)[2] for _ in range(len(heap)))

    def _apply(self, position: int, event: Any) -> None:
        id = event.originator_id
        match event:
            case TaskStarted() if event.arm != Arm.PINNED or RECORDED in event.policy:
                self._started[id] = position, event, event.environment if event.is_in_words else event.task
            case TaskRated():
                self._started.pop(id, None)
                if (waiting := self._waiting.pop(id, None)) is not None:
                    self._rated[waiting.stratum] += 1
            case TaskSucceeded() | TaskFailed() | TaskAnswered():
                self._end(id, event)

    def _end(self, id: UUID, event: Any) -> None:
        if (begun := self._started.pop(id, None)) is None:
            return
        position, started, family = begun
        if isinstance(event, TaskFailed) and event.reason == FailureReason.ENVIRONMENT:
            return  # it counts for nothing, whatever people say of it
        stratum = started.role, started.arm, family.rsplit("#", 1)[0], isinstance(event, TaskFailed)
        self._ended[stratum] += 1
        self._waiting[id] = Waiting(position, id, started.role, started.arm, stratum, sha256(id.bytes).digest())
        if len(self._waiting) > MOST:
            del self._waiting[next(iter(self._waiting))]
