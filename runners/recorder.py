"""How events reach the disk: one SQLite file whose log the database itself keeps append-only.

The tables are those of ``eventsourcing`` with one change: the position is a column of its own (``AUTOINCREMENT``), since
an implicit row id is used again after a deletion and may move in a VACUUM.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from eventsourcing.persistence import Notification
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteFactory,
    SQLiteProcessRecorder,
)

APPLICATION_ID = 0x47524F4B
"""Marks a file as a log of this program (``PRAGMA application_id``): the letters GROK."""

LOCK_TIMEOUT_S = 30

TABLES = (
    "CREATE TABLE IF NOT EXISTS stored_events (position INTEGER PRIMARY KEY AUTOINCREMENT, originator_id TEXT NOT NULL, "
    "originator_version INTEGER NOT NULL, topic TEXT NOT NULL, state BLOB NOT NULL, "
    "UNIQUE (originator_id, originator_version))",
    "CREATE TRIGGER IF NOT EXISTS log_keeps_events BEFORE UPDATE ON stored_events "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: a stored event is never changed'); END",
    "CREATE TRIGGER IF NOT EXISTS log_loses_nothing BEFORE DELETE ON stored_events "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: a stored event is never deleted'); END",
    # INSERT OR REPLACE deletes without asking the trigger above.
    "CREATE TRIGGER IF NOT EXISTS log_replaces_nothing BEFORE INSERT ON stored_events "
    "WHEN EXISTS (SELECT 1 FROM stored_events WHERE position = NEW.position OR "
    "(originator_id = NEW.originator_id AND originator_version = NEW.originator_version)) "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: a stored event is never replaced'); END",
    "CREATE TABLE IF NOT EXISTS content (key TEXT PRIMARY KEY, salt BLOB NOT NULL, text TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, position INTEGER NOT NULL, state BLOB NOT NULL) "
    "WITHOUT ROWID",
    # The library's own, for one row per follower.
    "CREATE TABLE IF NOT EXISTS tracking (application_name TEXT PRIMARY KEY, notification_id INTEGER) WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION_ID}",
)


def create_tables(path: Path) -> None:
    """Make the log's tables and what guards them, all or nothing, waiting for whoever else is making them."""
    with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        # The write lock first: a transaction that begins by reading cannot be widened while another writes.
        connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("COMMIT")


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        # The library leaves this to the build's default; a commit that a power cut takes back would be a lost fact.
        connection.cursor().execute("PRAGMA synchronous = FULL")
        return connection


class LogRecorder(SQLiteProcessRecorder):
    """Stores events, and the process's tracking in the same transaction."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.insert_events_statement = (
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?,?,?,?)"
        )
        self.select_max_notification_id_statement = "SELECT MAX(position) FROM stored_events"

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events from a position on, for the library's own followers."""
        first = (start or 0) + (0 if inclusive_of_start else 1)
        with self.datastore.transaction(commit=False) as cursor:
            rows = select_rows(cursor, first, stop, topics, limit)
        return [
            Notification(
                id=row[0],
                originator_id=self.convert_originator_id(row[1]),
                originator_version=row[2],
                topic=row[3],
                state=row[4],
            )
            for row in rows
        ]


def select_rows(
    cursor: SQLiteCursor | sqlite3.Cursor | Any,
    first: int,
    last: int | None = None,
    topics: Sequence[str] = (),
    limit: int | None = None,
) -> list[Any]:
    """Rows (position, originator_id, originator_version, topic, state) of ``first..last``, in order."""
    statement = (
        "SELECT position, originator_id, originator_version, topic, state FROM stored_events WHERE position >= ?"
    )
    values: list[Any] = [first]
    if last is not None:
        statement += " AND position <= ?"
        values.append(last)
    if topics:
        statement += f" AND topic IN ({','.join('?' * len(topics))})"
        values += topics
    cursor.execute(statement + " ORDER BY position LIMIT ?", [*values, -1 if limit is None else limit])
    rows: list[Any] = cursor.fetchall()
    return rows


class LogFactory(SQLiteFactory):
    """The factory of ``eventsourcing`` with our pool and recorder."""

    process_recorder_class = LogRecorder

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        pool = self.datastore.pool
        pool.close()
        self.datastore.pool = _Pool(
            db_name=pool.db_name, lock_timeout=LOCK_TIMEOUT_S, pool_size=pool.pool_size, max_overflow=pool.max_overflow
        )
