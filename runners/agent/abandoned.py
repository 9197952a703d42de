"""Abandoned runs: runs whose process has ended. They are ended here, so that they can be rated.

A run is recorded step by step, and its process may be killed between two steps. So each running run holds a lock of its
own beside the log, or one that its process has for all of its runs. The lock is free when the process ends, for whatever
reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from ...adapters.registry.lock import Held
from ...domain.aggregates.base import ACTOR
from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotPossible
from ...domain.vocabulary import FailureReason

if TYPE_CHECKING:
    from ...domain.settings.settings import Policy
    from ..store.ledger import Ledger
    from ..store.log import Log
    from ..store.port import Lock

GONE = "the process that played it has ended"
"""The failure detail of an abandoned run."""

HELD_BY = "held_by"
"""The entry of a run's recorded settings that names another lock than its own: one for all runs of a process that makes
many at a time."""


@contextmanager
def playing(log: Log, run: UUID) -> Iterator[Lock]:
    """Hold the run's lock during the block, in which it is recorded from start to end.

    Raises ``NotPossible`` where another process runs the same run, ``OSError`` where the lock cannot be created.
    """
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(log.database.hold(_lock_of(run), passing=True))
        except Held:
            raise NotPossible(f"another process plays run {run.hex[:8]}; wait until it ends") from None
        yield lock


def is_played(log: Log, run: UUID) -> bool:
    """Whether a process is running the run. An unreadable lock counts as held, so that no live run is ever ended."""
    return log.database.is_held(_lock_of(run))


def end_abandoned(ledger: Ledger, policy: Policy) -> list[TaskRun]:
    """End each started run without a process, as failed with ``environment``; return the ended runs. Idempotent.

    The SQL tables must be current, as they are after ``process_new_events``.
    """
    with ledger.reading() as connection:
        begun = [UUID(row[0]) for row in connection.execute("SELECT id FROM runs WHERE status = 'running'")]
    return [run for id in begun if not _is_held(ledger, id) and (run := end_lost(ledger, id, GONE, policy, ACTOR))]


def _is_held(log: Log, id: UUID) -> bool:
    """Whether the run's process is alive."""
    started = log.get(TaskRun, id).started
    holder = None if started is None else started.policy.get(HELD_BY)
    return is_played(log, UUID(holder) if isinstance(holder, str) else id)


def end_lost(ledger: Ledger, id: UUID, why: str, policy: Policy, actor: str) -> TaskRun | None:
    """End the run from its events in the log, as failed with ``environment``: it counts for no adapter. None where it
    has ended.

    Its duration is the time from its start to its last step.
    """
    did_end = False

    def decide(run: TaskRun) -> None:
        nonlocal did_end
        did_end = run.started is not None and run.ended is None
        if run.started is not None and run.ended is None:
            last = run.steps[-1] if run.steps else run.started
            took_ms = max(0, round((last.time - run.started.time).total_seconds() * 1000))
            context = ledger.context(actor, f"{run.id}/{run.version}")
            run.fail(FailureReason.ENVIRONMENT, why, took_ms, 0.0, policy, context)

    run = ledger.write(TaskRun, id, decide)
    return run if did_end else None


def _lock_of(run: UUID) -> str:
    return f"run-{run.hex}"
