"""Replay: every view is rebuilt from the events, compared with the live one bit for bit, and replaced where they differ.

The tables are built in a temporary database and compared there, so memory stays small for any length of the log. Others
may write meanwhile: the comparison covers the positions that the live views had at the start. A long log is proven by all
cores first; where that shows a difference, one process folds the whole log, names what differs, and mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from ...projections.state import state as states
from ...projections.tables import tables
from ...projections.tables.tables import TABLES, rows_of
from ..store.log import Log
from ..store.port import Rows, Unwritable
from ..store.snapshots import is_due, is_of_another_program, save_snapshot
from ..store.tables import CHECKPOINT as TABLES_CHECKPOINT
from ..store.tables import (
    OF_THIS_PROGRAM,
    PART,
    are_ours,
    load_checkpoint,
    save_checkpoint,
    update_tables,
    write_rows,
)
from .rebuilt import AT, is_table_equal, rebuilt_tables
from .segments import prove_views

DIFFERENT_MOMENTS = (
    f"SELECT 1 FROM moments AS live LEFT JOIN {AT}moments AS other ON other.name = live.name AND "
    "other.position = live.position WHERE live.position > ? OR live.state {differs} other.state LIMIT 1"
)
MISSING_MOMENTS = (
    f"SELECT name, position, state FROM {AT}moments AS own WHERE NOT EXISTS (SELECT 1 FROM moments AS other "
    "WHERE other.name = own.name AND other.position = own.position AND other.state = own.state)"
)

Report = Callable[[int, int], None]
"""Called with the number of events folded so far, and their total."""


@dataclass(frozen=True)
class Replay:
    """The result of a replay: the number of events, and for each view whether the live one was equal."""

    events: int
    equal: dict[str, bool]
    unwritable: str | None = None
    """Why the views could not be updated or mended; None where they could. They were compared as they were."""

    @property
    def is_equal(self) -> bool:
        """Whether all views were equal."""
        return all(self.equal.values())


def replay(log: Log, report: Report = lambda done, total: None) -> Replay:
    """Rebuild every view from the events, compare the live ones, and mend those that differ. Raises ``LogError``.

    Where the log cannot be written, the existing views are compared as they are.
    """
    unwritable = _bring_up(log)
    if unwritable is not None:
        return Replay(log.position, compare_views(log, report), unwritable)
    if (proven := prove_views(log, report)) is not None:
        return Replay(proven, dict.fromkeys(("moments", *TABLES), True))
    store = log.database
    with store.comparing(rebuilt_tables(log), writes=True) as rows:
        store.begin_snapshot(rows)  # the live views are read as of one moment
        tables_at = (load_checkpoint(rows, TABLES_CHECKPOINT) or (0, b""))[0]
        until = rows.execute("SELECT MAX(position) FROM stored_events").fetchone()[0] or 0
        state = _build(log, rows, until, tables_at, report)
        equal = _compare(log, rows, until)
        is_complete = rows.execute(f"{MISSING_MOMENTS} LIMIT 1").fetchone() is None
        rows.execute("COMMIT")
        if not is_complete or not all(equal.values()):
            _mend(log, rows, state, tables_at)
    return Replay(until, equal)


def _bring_up(log: Log) -> str | None:
    """Update the live views to the log's end; return the reason where nothing can be written, else None."""
    try:
        with log.database.explained():
            log.database.upgrade()
            update_tables(log)
    except Unwritable as error:
        return str(error)
    return None


def compare_views(log: Log, report: Report = lambda done, total: None) -> dict[str, bool]:
    """For each existing view, whether it equals what follows from the log up to its position. Writes nothing.

    A view that this program would rebuild before use is left out. Raises ``LogError``.
    """
    store = log.database
    with log.reading() as rows:
        if not store.has_snapshots(rows):
            return {}
    with store.comparing(rebuilt_tables(log), writes=False) as rows:
        store.begin_snapshot(rows)  # the live views are read as of one moment
        has_tables = are_ours(log, rows)
        tables_at = (load_checkpoint(rows, TABLES_CHECKPOINT) or (0, b""))[0] if has_tables else 0
        until = rows.execute("SELECT MAX(position) FROM stored_events").fetchone()[0] or 0
        _build(log, rows, until, tables_at, report)
        return _compare(log, rows, until, TABLES if has_tables else ())


def _compare(log: Log, connection: Rows, until: int, compared: Iterable[str] = TABLES) -> dict[str, bool]:
    """For the snapshots and each of the tables, whether the live rows equal the rebuilt ones."""
    equal = {"moments": _are_moments_equal(log, connection, until)}
    return equal | {table: is_table_equal(log, connection, table) for table in compared}


def _are_moments_equal(log: Log, connection: Rows, until: int) -> bool:
    """Whether each snapshot equals the rebuilt one; those of another program are never loaded and count as equal."""
    different = DIFFERENT_MOMENTS.format(differs=log.database.differs)
    return is_of_another_program(connection) or connection.execute(different, (until,)).fetchone() is None


def _build(log: Log, connection: Rows, until: int, tables_at: int, report: Report) -> states.State:
    """Fold the events into snapshots up to one position and into the temporary tables up to another, in one pass."""
    state, events, snapshot = states.State(), log.scan_to_fold(1, until, states.HANDLED | tables.HANDLED), None
    while part := list(islice(events, PART)):
        for position, event in part:
            state.apply(position, event)
            if is_due(position):
                snapshot = save_snapshot(connection, state, AT, snapshot)
        due = ((position, event) for position, event in part if position <= tables_at)
        write_rows(connection, (row for position, event in due for row in rows_of(position, event)), AT)
        report(part[-1][0], until)
    return state


def _mend(log: Log, rows: Rows, state: states.State, tables_at: int) -> None:
    """Replace the live views by the rebuilt ones, and add newer events."""
    pen = log.database.pen(rows)
    try:
        pen.acquire()
        pen.begin(None)
        rows.execute("DELETE FROM moments")
        rows.execute(f"INSERT INTO moments SELECT * FROM {AT}moments")
        for position, event in log.scan_to_fold(state.position + 1, None, states.HANDLED):
            state.apply(position, event)
            if is_due(position):
                save_snapshot(rows, state)
        for table in TABLES:
            rows.execute(f"DELETE FROM {table}")
            names = ", ".join(f'"{name}"' for name in TABLES[table])
            rows.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {AT}{table}")
        save_checkpoint(rows, TABLES_CHECKPOINT, tables_at, OF_THIS_PROGRAM)
        pen.settle(pen.commit())
    finally:
        pen.close()
    update_tables(log)
