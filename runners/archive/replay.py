"""Replay: every view is rebuilt from the events, compared with the live one bit for bit, and replaced where they differ.

The tables are built in a temporary database and compared there, so memory stays small for any length of the log. Others
may write meanwhile: the comparison covers the positions that the live views had at the start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from ...projections.state import state as states
from ...projections.tables import tables
from ...projections.tables.tables import TABLES, rows_of
from ..store.connection import Unwritable, connect, explain
from ..store.locks import WriteLock
from ..store.log import Log
from ..store.schema import MOMENTS, has_moments, upgrade_tables
from ..store.snapshots import is_due, is_of_another_program, save_snapshot
from ..store.tables import CHECKPOINT as TABLES_CHECKPOINT
from ..store.tables import (
    OF_THIS_PROGRAM,
    PART,
    are_ours,
    load_checkpoint,
    save_checkpoint,
    table_statements,
    update_tables,
    write_rows,
)

DIFFERENT_MOMENTS = (
    "SELECT 1 FROM main.moments AS live LEFT JOIN rebuilt.moments AS other USING (name, position) "
    "WHERE live.position > ? OR live.state IS NOT other.state LIMIT 1"
)
MISSING_MOMENTS = (
    "SELECT name, position, state FROM rebuilt.moments AS own WHERE NOT EXISTS "
    "(SELECT 1 FROM main.moments AS other "
    "WHERE (other.name, other.position, other.state) = (own.name, own.position, own.state))"
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
    try:
        with closing(connect(log.path)) as connection:
            _attach(connection)
            connection.execute("BEGIN")  # the live views are read as of one moment
            tables_at = (load_checkpoint(connection, TABLES_CHECKPOINT) or (0, b""))[0]
            until = connection.execute("SELECT MAX(position) FROM stored_events").fetchone()[0] or 0
            state = _build(log, connection, until, tables_at, report)
            equal = _compare(connection, until)
            is_complete = connection.execute(f"{MISSING_MOMENTS} LIMIT 1").fetchone() is None
            connection.execute("COMMIT")
            if not is_complete or not all(equal.values()):
                _mend(log, connection, state, tables_at)
    except (sqlite3.Error, OSError) as error:
        raise explain(log.path, error) from error
    return Replay(until, equal)


def _bring_up(log: Log) -> str | None:
    """Update the live views to the log's end; return the reason where nothing can be written, else None."""
    try:
        upgrade_tables(log.path)
        update_tables(log)
    except Unwritable as error:
        return str(error)
    except (sqlite3.Error, OSError) as error:
        reason = explain(log.path, error)
        if not isinstance(reason, Unwritable):
            raise reason from error
        return str(reason)
    return None


def compare_views(log: Log, report: Report = lambda done, total: None) -> dict[str, bool]:
    """For each existing view, whether it equals what follows from the log up to its position. Writes nothing.

    A view that this program would rebuild before use is left out. Raises ``LogError``.
    """
    try:
        with closing(connect(log.path, "ro")) as connection:
            if not has_moments(connection):
                return {}
            has_tables = are_ours(connection)
            _attach(connection)
            connection.execute("BEGIN")  # the live views are read as of one moment
            tables_at = (load_checkpoint(connection, TABLES_CHECKPOINT) or (0, b""))[0] if has_tables else 0
            until = connection.execute("SELECT MAX(position) FROM stored_events").fetchone()[0] or 0
            _build(log, connection, until, tables_at, report)
            return _compare(connection, until, TABLES if has_tables else ())
    except sqlite3.Error as error:
        raise explain(log.path, error) from error


def _compare(connection: sqlite3.Connection, until: int, compared: Iterable[str] = TABLES) -> dict[str, bool]:
    """For the snapshots and each of the tables, whether the live rows equal the rebuilt ones."""
    equal = {"moments": _are_moments_equal(connection, until)}
    return equal | {table: _is_equal(connection, table) for table in compared}


def _are_moments_equal(connection: sqlite3.Connection, until: int) -> bool:
    """Whether each snapshot equals the rebuilt one; those of another program are never loaded and count as equal."""
    return is_of_another_program(connection) or connection.execute(DIFFERENT_MOMENTS, (until,)).fetchone() is None


def _attach(connection: sqlite3.Connection) -> None:
    """A temporary database with empty tables; it ends with the connection, so it needs no safe writes."""
    connection.execute("ATTACH '' AS rebuilt")
    connection.execute("PRAGMA rebuilt.journal_mode = OFF")
    connection.execute("PRAGMA rebuilt.synchronous = OFF")
    for statement in table_statements().values():
        connection.execute(statement.replace("CREATE TABLE ", "CREATE TABLE rebuilt.", 1))
    connection.execute(MOMENTS.replace("moments", "rebuilt.moments", 1))


def _build(log: Log, connection: sqlite3.Connection, until: int, tables_at: int, report: Report) -> states.State:
    """Fold the events into snapshots up to one position and into the temporary tables up to another, in one pass."""
    state, events, snapshot = states.State(), log.scan(1, until, states.HANDLED | tables.HANDLED), None
    while part := list(islice(events, PART)):
        for position, event in part:
            state.apply(position, event)
            if is_due(position):
                snapshot = save_snapshot(connection, state, "rebuilt", snapshot)
        due = ((position, event) for position, event in part if position <= tables_at)
        write_rows(connection, (row for position, event in due for row in rows_of(position, event)), "rebuilt")
        report(part[-1][0], until)
    return state


def _is_equal(connection: sqlite3.Connection, table: str) -> bool:
    """Whether the live table and the rebuilt one have the same rows."""
    sizes = [connection.execute(f"SELECT COUNT(*) FROM {schema}.{table}").fetchone() for schema in ("main", "rebuilt")]
    live, other = (", ".join(f"{side}.[{name}]" for name in TABLES[table]) for side in ("live", "other"))
    key = next(iter(TABLES[table]))
    different = (
        f"SELECT 1 FROM main.{table} AS live LEFT JOIN rebuilt.{table} AS other ON other.[{key}] = live.[{key}] "
        f"WHERE ({live}) IS NOT ({other}) LIMIT 1"
    )
    return sizes[0] == sizes[1] and connection.execute(different).fetchone() is None


def _mend(log: Log, connection: sqlite3.Connection, state: states.State, tables_at: int) -> None:
    """Replace the live views by the rebuilt ones, and add newer events."""
    with closing(WriteLock(log.path)) as lock, lock:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM main.moments")
        connection.execute("INSERT INTO main.moments SELECT * FROM rebuilt.moments")
        for position, event in log.scan(state.position + 1, None, states.HANDLED):
            state.apply(position, event)
            if is_due(position):
                save_snapshot(connection, state)
        for table in TABLES:
            connection.execute(f"DELETE FROM main.{table}")
            names = ", ".join(f"[{name}]" for name in TABLES[table])
            connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM rebuilt.{table}")
        save_checkpoint(connection, TABLES_CHECKPOINT, tables_at, OF_THIS_PROGRAM)
        connection.execute("COMMIT")
    update_tables(log)
