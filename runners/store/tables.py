"""The tables for SQL users, in the log's own database: updated in parts, each stored with its position.

An event's fields are laid over the existing row, so a table is a function of the events up to its position alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from ...domain.events import SCHEMA
from ...projections.tables.tables import HANDLED, TABLES, Row, merge, rows_of
from .log import Log
from .port import Rows, insert_rows

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
            log.database.table_statements()


def catch_up(log: Log, connection: Rows) -> bool:
    """Update the tables by at most one part, in the caller's transaction; whether more events remain."""
    saved = _position(log, connection)
    part = list(islice(log.scan(saved + 1, None, HANDLED, connection), PART))
    write_rows(connection, (row for position, event in part for row in rows_of(position, event)))
    if part or not saved:
        save_checkpoint(connection, CHECKPOINT, part[-1][0] if part else 0, OF_THIS_PROGRAM)
    return len(part) == PART


def are_ours(log: Log, connection: Rows) -> bool:
    """Whether the SQL tables exist and are this program's, so that it can continue them."""
    saved = load_checkpoint(connection, CHECKPOINT)
    return saved is not None and saved[1] == OF_THIS_PROGRAM and _have_our_columns(log, connection)


def _position(log: Log, connection: Rows) -> int:
    """The position of the tables; they are created again where they are not this program's."""
    saved = load_checkpoint(connection, CHECKPOINT)
    if saved is not None and _is_of_this_program(saved) and _are_ours(log, connection):
        return saved[0]
    _make_tables(log, connection)
    return 0


def _is_of_this_program(saved: tuple[int, bytes] | None) -> bool:
    return saved is not None and saved[1] == OF_THIS_PROGRAM


def _are_ours(log: Log, connection: Rows) -> bool:
    """Whether all tables exist with these columns; checked again when a table was made or removed."""
    schema = log.database.schema(connection)
    if log.tables_seen != schema:
        if not _have_our_columns(log, connection):
            return False
        log.tables_seen = schema
    return True


def _have_our_columns(log: Log, connection: Rows) -> bool:
    return all(log.database.columns(connection, table) == set(columns) for table, columns in TABLES.items())


def _make_tables(log: Log, connection: Rows) -> None:
    """Create empty tables, in place of existing ones."""
    for table in log.database.table_statements():
        log.database.renew_table(connection, table)


def write_rows(connection: Rows, rows: Iterable[Row], prefix: str = "") -> None:
    """Lay the partial rows over the existing ones; columns that a row lacks keep their values."""
    for table, keyed in merge(rows).items():
        by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for row in keyed.values():
            by_columns.setdefault(tuple(row), []).append(tuple(row.values()))
        for names, values in by_columns.items():
            columns = ", ".join(f'"{name}"' for name in names)
            changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names)
            conflict = f'ON CONFLICT ("{next(iter(TABLES[table]))}") DO UPDATE SET {changes}'
            insert_rows(connection, f"INSERT INTO {prefix}{table} ({columns})", values, conflict)


def load_checkpoint(connection: Rows, name: str) -> tuple[int, bytes] | None:
    """The checkpoint of this name: its position and state; None without one."""
    checkpoint: tuple[int, bytes] | None = connection.execute(
        "SELECT position, state FROM checkpoints WHERE name = ?", (name,)
    ).fetchone()
    return checkpoint


def save_checkpoint(connection: Rows, name: str, position: int, state: bytes) -> None:
    """Save the checkpoint, in place of an earlier one."""
    connection.execute(
        "INSERT INTO checkpoints VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET position = excluded.position, state = excluded.state",
        (name, position, state),
    )
