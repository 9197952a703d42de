"""Keeping what is computed from the log: the saved state, and the tables for SQL users.

Both are caches. Reading commands load the saved state and fold what came after it, without writing; ``replay`` folds
everything from nothing and says whether the saved ones are equal.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..projections.state import State
from ..projections.tables import TABLES, merge, rows_of
from .log import Log, explain

CHECKPOINT = "state"
TABLES_CHECKPOINT = "tables"


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


def update_tables(log: Log) -> None:
    """Bring the SQL tables up to the log's end, rows and position in one transaction."""
    from sqlite_utils import Database

    with closing(sqlite3.connect(log.path, timeout=30, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            saved = connection.execute(
                "SELECT position FROM checkpoints WHERE name = ?", (TABLES_CHECKPOINT,)
            ).fetchone()
            first = (saved[0] if saved else 0) + 1
            last = _write_rows(Database(connection), log, first)
            if last >= first:
                connection.execute(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (TABLES_CHECKPOINT, last, b"")
                )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise explain(log.path, error) from error


def _write_rows(database: Any, log: Log, first: int) -> int:
    last = first - 1
    rows = []
    for recorded in log.read(first):
        rows += rows_of(recorded.position, recorded.event)
        last = recorded.position
    for table, columns in TABLES.items():
        database[table].create(columns, pk=next(iter(columns)), if_not_exists=True)
    for table, keyed in merge(rows).items():
        key = next(iter(TABLES[table]))
        for row in keyed.values():
            # One statement per row: rows of one table carry different columns, and what is not carried must stay.
            database[table].upsert(row, pk=key)
    return last


@dataclass(frozen=True)
class Replay:
    """What a replay found: how many events it folded, and for each view whether the live one equals it."""

    events: int
    equal: dict[str, bool]

    @property
    def is_equal(self) -> bool:
        """Whether all of them are."""
        return all(self.equal.values())


def replay(log: Log) -> Replay:
    """Rebuild every view from nothing and compare it with the live one, to the bit."""
    update_tables(log)
    saved = log.load_checkpoint(CHECKPOINT)
    equal: dict[str, bool] = {}
    if saved is not None:
        equal["state"] = fold(log, State(), saved[0]).dump() == saved[1]
    position = (log.load_checkpoint(TABLES_CHECKPOINT) or (0, b""))[0]
    rebuilt: list[Any] = []
    for recorded in log.read(1, position):
        rebuilt += rows_of(recorded.position, recorded.event)
    merged = merge(rebuilt)
    with closing(sqlite3.connect(log.path)) as connection:
        for table, columns in TABLES.items():
            equal[table] = _live_rows(connection, table) == _whole_rows(merged.get(table, {}), list(columns))
    return Replay(position, equal)


def _live_rows(connection: sqlite3.Connection, table: str) -> list[str]:
    cursor = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    return sorted(json.dumps(dict(zip(names, row, strict=True)), sort_keys=True) for row in cursor)


def _whole_rows(keyed: dict[Any, dict[str, Any]], columns: list[str]) -> list[str]:
    return sorted(json.dumps({name: row.get(name) for name in columns}, sort_keys=True) for row in keyed.values())
