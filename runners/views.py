"""Keeping what is computed from the log: the saved state, and the tables for SQL users.

Both are caches. Reading commands load the saved state and fold what came after it; those that read a table bring it up to
date first. ``replay`` folds everything from nothing, says whether the saved views are equal, and mends those that are not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from ..domain.events import SCHEMA
from ..projections.state import State
from ..projections.tables import TABLES, Row, merge, rows_of
from .log import Log, connect, explain

CHECKPOINT = "state"
TABLES_CHECKPOINT = "tables"
_OF_THIS_PROGRAM = str(SCHEMA).encode()


def load_state(log: Log, position: int | None = None) -> State:
    """The state as of the position (None: now): the saved one where it is not later, and the tail folded onto it."""
    saved = log.load_checkpoint(CHECKPOINT)
    state = State.load(saved[1]) if saved is not None and (position is None or saved[0] <= position) else None
    return fold(log, state or State(), position)


def fold(log: Log, state: State, position: int | None = None) -> State:
    """The state after the log's events from its own position to the given one."""
    for recorded in log.read(state.position + 1, position):
        state.apply(recorded.position, recorded.event)
    return state


def are_tables_current(log: Log) -> bool:
    """Whether the SQL tables are this program's and say what the log says up to its end."""
    return log.load_checkpoint(TABLES_CHECKPOINT) == (log.position, _OF_THIS_PROGRAM)


def update_tables(log: Log) -> None:
    """Bring the SQL tables up to the log's end, rows and position in one transaction.

    Where one is missing, or is of a program that has other columns or knows other facts, all are built anew.
    """
    with _views(log) as connection:
        saved, by = _position(connection, TABLES_CHECKPOINT), _saved(connection, TABLES_CHECKPOINT)
        if by != _OF_THIS_PROGRAM or any(
            _columns(connection, table) != set(columns) for table, columns in TABLES.items()
        ):
            saved = 0
            _make_tables(connection)
        rows, last = _rows(log, saved + 1)
        _write_rows(connection, rows)
        if last > saved or not saved:
            _save(connection, TABLES_CHECKPOINT, last, _OF_THIS_PROGRAM)


@dataclass(frozen=True)
class Replay:
    """What a replay found: how many events it folded, and for each view whether the live one was equal."""

    events: int
    equal: dict[str, bool]

    @property
    def is_equal(self) -> bool:
        """Whether all of them were."""
        return all(self.equal.values())


def replay(log: Log) -> Replay:
    """Rebuild every view from nothing, compare the live ones with it to the bit, and put the rebuilt ones in their place.

    Nothing is written to the log meanwhile, so what is compared is of one moment. Raises ``LogError``.
    """
    update_tables(log)
    equal: dict[str, bool] = {}
    with _views(log) as connection:
        state_at, tables_at = _position(connection, CHECKPOINT), _position(connection, TABLES_CHECKPOINT)
        saved = _saved(connection, CHECKPOINT)
        state = fold(log, State(), state_at)
        if saved is not None and State.is_of_another_program(saved):
            _save(
                connection, CHECKPOINT, state_at, saved := state.dump()
            )  # never loaded, so there is nothing to compare
        equal["state"] = saved == state.dump() if saved is not None else log.position == 0
        rows, _ = _rows(log, 1, tables_at)
        merged = merge(rows)
        for table, columns in TABLES.items():
            equal[table] = _live_rows(connection, table) == _whole_rows(merged.get(table, {}), list(columns))
        if not all(equal.values()):
            _make_tables(connection)
            _write_rows(connection, rows)
            whole = fold(log, state)
            _save(connection, CHECKPOINT, whole.position, whole.dump())
    return Replay(log.position, equal)


@contextmanager
def _views(log: Log) -> Iterator[sqlite3.Connection]:
    """A connection that holds the file's write lock: a transaction that ends with the block."""
    try:
        with closing(connect(log.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise explain(log.path, error) from error


def _position(connection: sqlite3.Connection, checkpoint: str) -> int:
    row = connection.execute("SELECT position FROM checkpoints WHERE name = ?", (checkpoint,)).fetchone()
    return int(row[0]) if row else 0


def _saved(connection: sqlite3.Connection, checkpoint: str) -> bytes | None:
    row = connection.execute("SELECT state FROM checkpoints WHERE name = ?", (checkpoint,)).fetchone()
    return row[0] if row else None


def _save(connection: sqlite3.Connection, checkpoint: str, position: int, state: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (checkpoint, position, state))


def _rows(log: Log, first: int, last: int | None = None) -> tuple[list[Row], int]:
    """The partial rows of the log's events, and the position of the last of them."""
    rows: list[Row] = []
    end = first - 1
    for recorded in log.read(first, last):
        rows += rows_of(recorded.position, recorded.event)
        end = recorded.position
    return rows, end


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The table's columns, none where it is missing."""
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _make_tables(connection: sqlite3.Connection) -> None:
    """Empty tables, in the place of those there are."""
    from sqlite_utils import Database

    database: Any = Database(connection)
    for table, columns in TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        database[table].create(columns, pk=next(iter(columns)))


def _write_rows(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    from sqlite_utils import Database

    database: Any = Database(connection)
    for table, keyed in merge(rows).items():
        key = next(iter(TABLES[table]))
        for row in keyed.values():
            # One statement per row: rows of one table carry different columns, and what is not carried must stay.
            database[table].upsert(row, pk=key)


def _live_rows(connection: sqlite3.Connection, table: str) -> list[str]:
    cursor = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    return sorted(json.dumps(dict(zip(names, row, strict=True)), sort_keys=True) for row in cursor)


def _whole_rows(keyed: dict[Any, dict[str, Any]], columns: list[str]) -> list[str]:
    return sorted(json.dumps({name: row.get(name) for name in columns}, sort_keys=True) for row in keyed.values())
