"""The tables for SQL users, in the log's own file: updated in parts, each stored with its position.

An event's fields are laid over the existing row, so a table is a function of the events up to its position alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from itertools import islice
from typing import Any

from ...domain.events import SCHEMA
from ...projections.tables.tables import HANDLED, TABLES, Row, merge, rows_of
from .connection import insert_rows
from .log import Log

CHECKPOINT = "tables"
OF_THIS_PROGRAM = str(SCHEMA).encode()
"""Stored in place of a state: tables of a program with other events are built again."""

PART = 1_000
"""Events per part; chosen: other writers wait some 20 ms, and memory stays small."""


def are_tables_current(log: Log) -> bool:
    """Whether the SQL tables are this program's and include the log's last event."""
    with log.reading() as connection:
        return load_checkpoint(connection, CHECKPOINT) == (log.position, OF_THIS_PROGRAM)


def update_tables(log: Log) -> None:
    """Update the SQL tables to the log's end; the rows of each part and its position in one transaction.

    Where one is missing, or is of a program with other columns or events, all are built again.
    """
    prepare_tables(log)
    has_more = True
    while has_more:
        with log.changing_views() as connection:
            has_more = catch_up(log, connection)


def prepare_tables(log: Log) -> None:
    """Load the library that creates the tables where they must be created: this takes seconds, too long for a transaction.

    Call it before a transaction that updates the tables.
    """
    with log.reading() as connection:
        if not _is_of_this_program(load_checkpoint(connection, CHECKPOINT)):
            table_statements()


def _copy_tables(log: Log, connection: sqlite3.Connection) -> None:
    """Copy the tables into memory, for this connection, in place of those in the file, and update them there."""
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
    """Update the tables by at most one part, in the caller's transaction; whether more events remain."""
    saved = _position(log, connection)
    part = list(islice(log.scan(saved + 1, None, HANDLED, connection), PART))
    write_rows(connection, (row for position, event in part for row in rows_of(position, event)))
    if part or not saved:
        save_checkpoint(connection, CHECKPOINT, part[-1][0] if part else 0, OF_THIS_PROGRAM)
    return len(part) == PART


def are_ours(connection: sqlite3.Connection) -> bool:
    """Whether the SQL tables exist and are this program's, so that it can continue them."""
    saved = load_checkpoint(connection, CHECKPOINT)
    return saved is not None and saved[1] == OF_THIS_PROGRAM and _have_our_columns(connection)


def _position(log: Log, connection: sqlite3.Connection) -> int:
    """The position of the tables; they are created again where they are not this program's."""
    saved = load_checkpoint(connection, CHECKPOINT)
    if saved is not None and _is_of_this_program(saved) and _are_ours(log, connection):
        return saved[0]
    _make_tables(connection)
    return 0


def _is_of_this_program(saved: tuple[int, bytes] | None) -> bool:
    return saved is not None and saved[1] == OF_THIS_PROGRAM


def _are_ours(log: Log, connection: sqlite3.Connection) -> bool:
    """Whether all tables exist with these columns; checked again when the file's schema has changed."""
    schema: int = connection.execute("PRAGMA schema_version").fetchone()[0]
    if log.tables_seen != schema:
        if not _have_our_columns(connection):
            return False
        log.tables_seen = schema
    return True


def _have_our_columns(connection: sqlite3.Connection) -> bool:
    return all(_columns(connection, table) == set(columns) for table, columns in TABLES.items())


def _make_tables(connection: sqlite3.Connection) -> None:
    """Create empty tables, in place of existing ones."""
    for table, statement in table_statements().items():
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(statement)


@cache
def table_statements() -> dict[str, str]:
    """By table, the statement that creates it. The first call loads sqlite-utils, and with it pandas where installed."""
    from sqlite_utils import Database

    with closing(sqlite3.connect(":memory:")) as connection:
        database: Any = Database(connection)
        return {
            name: database.create_table_sql(name, columns, pk=next(iter(columns))) for name, columns in TABLES.items()
        }


def write_rows(connection: sqlite3.Connection, rows: Iterable[Row], schema: str = "main") -> None:
    """Lay the partial rows over the existing ones; columns that a row lacks keep their values."""
    for table, keyed in merge(rows).items():
        by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for row in keyed.values():
            by_columns.setdefault(tuple(row), []).append(tuple(row.values()))
        for names, values in by_columns.items():
            columns = ", ".join(f"[{name}]" for name in names)
            changes = ", ".join(f"[{name}] = excluded.[{name}]" for name in names)
            conflict = f"ON CONFLICT ([{next(iter(TABLES[table]))}]) DO UPDATE SET {changes}"
            insert_rows(connection, f"INSERT INTO {schema}.{table} ({columns})", values, conflict)


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The table's columns; none where it is missing."""
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def load_checkpoint(connection: sqlite3.Connection, name: str) -> tuple[int, bytes] | None:
    """The checkpoint of this name: its position and state; None without one."""
    checkpoint: tuple[int, bytes] | None = connection.execute(
        "SELECT position, state FROM checkpoints WHERE name = ?", (name,)
    ).fetchone()
    return checkpoint


def save_checkpoint(connection: sqlite3.Connection, name: str, position: int, state: bytes) -> None:
    """Save the checkpoint, in place of an earlier one."""
    connection.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (name, position, state))
