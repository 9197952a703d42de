"""The tables for SQL users, in the log's own file: brought up to its end a part at a time, each with how far it reaches.

What an event says of a row is laid over what is there, so a table is a matter of the events up to its position alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cache
from itertools import islice
from typing import Any

from ...domain.events import SCHEMA
from ...projections.tables.tables import HANDLED, TABLES, Row, merge, rows_of
from .log import Log

CHECKPOINT = "tables"
OF_THIS_PROGRAM = str(SCHEMA).encode()
"""Stands where a state would: tables of a program that knows other facts are built anew."""

PART = 1_000
"""Events brought in at a time; chosen: other writers wait some 20 ms for one, and memory stays small."""


def are_tables_current(log: Log) -> bool:
    """Whether the SQL tables are this program's and say what the log says up to its end."""
    with log.reading() as connection:
        return load_checkpoint(connection, CHECKPOINT) == (log.position, OF_THIS_PROGRAM)


def update_tables(log: Log) -> None:
    """Bring the SQL tables up to the log's end, the rows of each part and their position in one transaction.

    Where one is missing, or is of a program that has other columns or knows other facts, all are built anew.
    """
    prepare_tables(log)
    goes_on = True
    while goes_on:
        with log.changing_views() as connection:
            goes_on = catch_up(log, connection)


def prepare_tables(log: Log) -> None:
    """Load what makes the tables where they have to be made: seconds, for which no other writer should wait.

    Call it before a transaction in which the tables are brought up.
    """
    with log.reading() as connection:
        if not _is_of_this_program(load_checkpoint(connection, CHECKPOINT)):
            table_statements()


def _copy_tables(log: Log, connection: sqlite3.Connection) -> None:
    """Copy the tables into memory, for this connection, in the place of those in the file, and bring them up there."""
    connection.execute("PRAGMA temp_store = MEMORY")
    saved = load_checkpoint(connection, CHECKPOINT)
    position = saved[0] if saved is not None and _is_of_this_program(saved) and _are_ours(log, connection) else 0
    for table, statement in table_statements().items():
        connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
        if position:
            names = ", ".join(f"[{name}]" for name in TABLES[table])
            connection.execute(f"INSERT INTO temp.{table} ({names}) SELECT {names} FROM main.{table}")
    events = log.scan(position + 1, None, HANDLED)
    while part := list(islice(events, PART)):
        write_rows(connection, (row for position, event in part for row in rows_of(position, event)), "temp")


def catch_up(log: Log, connection: sqlite3.Connection) -> bool:
    """Bring the tables up by one part at most, in a transaction of the caller's; whether more is to come."""
    saved = _position(log, connection)
    part = list(islice(log.scan(saved + 1, None, HANDLED, connection), PART))
    write_rows(connection, (row for position, event in part for row in rows_of(position, event)))
    if part or not saved:
        save_checkpoint(connection, CHECKPOINT, part[-1][0] if part else 0, OF_THIS_PROGRAM)
    return len(part) == PART


def are_ours(connection: sqlite3.Connection) -> bool:
    """Whether the SQL tables are there and this program's, so that it goes on with them as they are."""
    saved = load_checkpoint(connection, CHECKPOINT)
    return saved is not None and saved[1] == OF_THIS_PROGRAM and _have_our_columns(connection)


def _position(log: Log, connection: sqlite3.Connection) -> int:
    """How far the tables reach; they are made, or made anew, where they are not this program's."""
    saved = load_checkpoint(connection, CHECKPOINT)
    if saved is not None and _is_of_this_program(saved) and _are_ours(log, connection):
        return saved[0]
    _make_tables(connection)
    return 0


def _is_of_this_program(saved: tuple[int, bytes] | None) -> bool:
    return saved is not None and saved[1] == OF_THIS_PROGRAM


def _are_ours(log: Log, connection: sqlite3.Connection) -> bool:
    """Whether all are there, with these columns; looked at again when the file's schema has changed."""
    schema: int = connection.execute("PRAGMA schema_version").fetchone()[0]
    if log.tables_seen != schema:
        if not _have_our_columns(connection):
            return False
        log.tables_seen = schema
    return True


def _have_our_columns(connection: sqlite3.Connection) -> bool:
    return all(_columns(connection, table) == set(columns) for table, columns in TABLES.items())


def _make_tables(connection: sqlite3.Connection) -> None:
    """Empty tables, in the place of those there are."""
    for table, statement in table_statements().items():
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(statement)


@cache
def table_statements() -> dict[str, str]:
    """By table the statement that makes it. The first call loads sqlite-utils, and with it pandas where that is installed."""
    from sqlite_utils import Database

    with closing(sqlite3.connect(":memory:")) as connection:
        database: Any = Database(connection)
        return {
            name: database.create_table_sql(name, columns, pk=next(iter(columns))) for name, columns in TABLES.items()
        }


def write_rows(connection: sqlite3.Connection, rows: Iterable[Row], schema: str = "main") -> None:
    """Lay the partial rows over what is there; what a row does not carry stays."""
    for table, keyed in merge(rows).items():
        alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for row in keyed.values():
            alike.setdefault(tuple(row), []).append(tuple(row.values()))
        for names, values in alike.items():
            connection.executemany(_upsert(f"{schema}.{table}", next(iter(TABLES[table])), names), values)


def _upsert(table: str, key: str, names: Sequence[str]) -> str:
    changes = ", ".join(f"[{name}] = excluded.[{name}]" for name in names)
    columns, marks = ", ".join(f"[{name}]" for name in names), ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ([{key}]) DO UPDATE SET {changes}"


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The table's columns, none where it is missing."""
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def load_checkpoint(connection: sqlite3.Connection, name: str) -> tuple[int, bytes] | None:
    """What is saved under the name, and the position it is of."""
    found: tuple[int, bytes] | None = connection.execute(
        "SELECT position, state FROM checkpoints WHERE name = ?", (name,)
    ).fetchone()
    return found


def save_checkpoint(connection: sqlite3.Connection, name: str, position: int, state: bytes) -> None:
    """Save it, in the place of what was there."""
    connection.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (name, position, state))
