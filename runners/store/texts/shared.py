"""Threads of one process that store at the same time share a commit, where the store says that this pays."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from ....domain.errors import LogError
from ..recorder import LogRecorder
from ..writer import Row, Work
from .words import Key

MOST = 64
"""Members of a commit at most; chosen: the first of them waits for the work of all."""


@dataclass
class _Member:
    rows: Sequence[Row]
    words: Sequence[Key]
    outcome: Sequence[int] | Exception | None = None
    commit: int = 0


class SharedCommits:
    """Stores the events and texts of many threads: the first that gets its turn stores those of all that wait."""

    def __init__(self, recorder: LogRecorder, with_words: Callable[[Sequence[Key]], Work[None]]) -> None:
        self._recorder, self._with_words = recorder, with_words
        self._waiting = deque[_Member]()
        self._turn = threading.Lock()

    def store(self, rows: Sequence[Row], words: Sequence[Key]) -> None:
        """Store the events and the texts that they name; they are safe on the disk then. Raises as ``insert_events``."""
        own = _Member(rows, words)
        self._waiting.append(own)
        with self._turn:
            if own.outcome is None:
                self._store_waiting()
        if isinstance(own.outcome, Exception):
            raise own.outcome
        self._recorder.settle(own.commit)

    def _store_waiting(self) -> None:
        """Store what all threads wait for, one after the other where one of them fails."""
        batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        failed: Exception = LogError("what was to be stored may be stored or not; look before you repeat it")
        try:
            outcomes, commit = self._insert(batch)
            for member, outcome in zip(batch, outcomes, strict=True):
                member.commit, member.outcome = commit, outcome
        except Exception as error:
            failed = error
        finally:
            for member in batch:
                if member.outcome is None:
                    member.outcome = failed

    def _insert(self, batch: Sequence[_Member]) -> tuple[Sequence[Sequence[int] | Exception], int]:
        if len(batch) == 1:
            positions, commit = self._recorder.insert_one_unsettled(batch[0].rows, self._with_words(batch[0].words))
            return [positions], commit
        return self._recorder.insert_unsettled(
            [(member.rows, self._with_words(member.words)) for member in batch],
            self._with_words([*chain.from_iterable(member.words for member in batch)]),
        )
