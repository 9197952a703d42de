"""Attempts at a planned run: one that lost its browser is repeated a few times, under new ids derived from the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...projections.bench import is_lost
from ..store.texts.ahead import LogAhead

if TYPE_CHECKING:
    from ..store.log import Log

ATTEMPTS = 3
"""Most attempts at a run that does not end or loses its browser; chosen."""

IdOf = Callable[[int], UUID]
"""From the number of an attempt, from 1, to its run's id."""


def attempts(log: Log, id_of: IdOf) -> Iterator[tuple[TaskRun | None, UUID]]:
    """The attempts made so far, each with its id, and then the id of the next one, with None as its run."""
    for attempt in range(1, ATTEMPTS + 1):
        id = id_of(attempt)
        run = log.get(TaskRun, id)
        yield (run, id) if run.started is not None else (None, id)
        if run.started is None:
            return


def find_runs(log: Log, ids_of: Sequence[IdOf]) -> list[tuple[TaskRun | None, UUID | None]]:
    """As ``find_run``, for many planned runs, whose first attempts are read together."""
    ahead = LogAhead(log)
    ahead.foresee_all([id_of(1) for id_of in ids_of])
    return [find_run(ahead, id_of) for id_of in ids_of]


def find_run(log: Log, id_of: IdOf) -> tuple[TaskRun | None, UUID | None]:
    """The run that ended with its browser, else the id of the next attempt; (None, None) where all attempts are used up."""
    for run, id in attempts(log, id_of):
        if run is None:
            return None, id
        if run.ended is not None and not is_lost(run.ended):
            return run, None
    return None, None
