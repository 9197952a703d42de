"""How events reach the disk: one SQLite file whose log the database itself keeps append-only.

The tables are those of ``eventsourcing`` with one change: the position is a column of its own (``AUTOINCREMENT``), since
an implicit row id is used again after a deletion and may move in a VACUUM.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteFactory, SQLiteProcessRecorder

from .log import APPLICATION_ID, LOCK_TIMEOUT_S
from .mapper import decode, encode

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


class FactMapper(Mapper[UUID]):
    """The mapper of ``eventsourcing`` over ``encode`` and ``decode``."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The row to store."""
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, domain_event.TOPIC, encode(domain_event)
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event of the row."""
        originator = stored_event.originator_id
        text = originator.hex if isinstance(originator, UUID) else originator
        return decode(stored_event.topic, text, stored_event.originator_version, stored_event.state)


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
