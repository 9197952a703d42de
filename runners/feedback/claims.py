"""Claims: for some minutes one person has a run for rating, so that no two people rate the same at the same time.

A claim is no fact: it decides nothing and ends by itself. So it lies in a table of the log's database that processes share,
beside the views, and not in the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from ..store.log import Log

VALID = timedelta(minutes=15)
"""How long a claim holds without a sign of its holder; chosen: a long rating, and a lunch break frees the run."""

_TAKE = (
    "INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    "WHERE claims.holder = excluded.holder OR claims.until <= ?"
)


def claim_first(log: Log, runs: Iterable[UUID], holder: str) -> UUID | None:
    """The first of the runs that is free, or the holder's already; now the holder has it. None where all are taken."""
    now = log.clock.now()
    with log.changing_views() as connection:
        connection.execute("DELETE FROM claims WHERE until <= ?", (now.isoformat(),))
        for run in runs:
            if connection.execute(_TAKE, (run.hex, holder, (now + VALID).isoformat(), now.isoformat())).rowcount:
                return run
    return None


def release(log: Log, run: UUID, holder: str) -> None:
    """End the holder's claim on the run, if there is one."""
    if holder_of(log, run) != holder:
        return
    with log.changing_views() as connection:
        connection.execute("DELETE FROM claims WHERE run = ? AND holder = ?", (run.hex, holder))


def holder_of(log: Log, run: UUID) -> str | None:
    """Who has the run now; None where it is free."""
    with log.reading() as connection:
        row = log.database.if_table(
            lambda: connection.execute("SELECT holder, until FROM claims WHERE run = ?", (run.hex,)).fetchone()
        )
    return row[0] if row is not None and row[1] > log.clock.now().isoformat() else None
