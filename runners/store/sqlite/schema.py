"""The log's tables, in one SQLite file; triggers keep the log append-only."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from ....adapters.registry.files import sync
from ....domain.errors import LogError
from ....domain.merkle import Tree, leaf
from ..port import COLUMNS, Rows
from .connection import beside, connect, create_private, require_file
from .locks import WriteLock

APPLICATION_ID = 0x47524F4B
"""Marks a file as a log of this program (``PRAGMA application_id``): the letters GROK."""

KEEPS_EVENTS = (
    "CREATE TRIGGER IF NOT EXISTS log_keeps_events BEFORE UPDATE ON stored_events "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: a stored event is never changed'); END"
)
MOMENTS = (
    "CREATE TABLE moments (name TEXT NOT NULL, position INTEGER NOT NULL, state BLOB NOT NULL, "
    "PRIMARY KEY (name, position))"
)
NAMES = "CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID"
"""For each name the content key that events use: names of people, and of other programs' adapters."""
PICTURES = "CREATE TABLE IF NOT EXISTS pictures (digest TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID"
"""For each stored picture the content key that events use, by the SHA-256 of its text."""
CLAIMS = "CREATE TABLE IF NOT EXISTS claims (run TEXT PRIMARY KEY, holder TEXT NOT NULL, until TEXT NOT NULL) STRICT"
"""Who has which run for rating, for some minutes."""
ADDED = {"names": NAMES, "moments": MOMENTS, "pictures": PICTURES, "claims": CLAIMS}
"""The tables that logs of earlier programs may lack."""
TABLES = (
    "CREATE TABLE IF NOT EXISTS stored_events (position INTEGER PRIMARY KEY AUTOINCREMENT, originator_id TEXT NOT NULL, "
    "originator_version INTEGER NOT NULL, topic TEXT NOT NULL, state BLOB NOT NULL, nodes BLOB NOT NULL, "
    "UNIQUE (originator_id, originator_version))",
    KEEPS_EVENTS,
    "CREATE TRIGGER IF NOT EXISTS log_loses_nothing BEFORE DELETE ON stored_events "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: a stored event is never deleted'); END",
    # INSERT OR REPLACE deletes without firing the trigger above.
    "CREATE TRIGGER IF NOT EXISTS log_replaces_nothing BEFORE INSERT ON stored_events "
    "WHEN EXISTS (SELECT 1 FROM stored_events WHERE position = NEW.position OR "
    "(originator_id = NEW.originator_id AND originator_version = NEW.originator_version)) "
    "BEGIN SELECT RAISE(ABORT, 'the log is append-only: a stored event is never replaced'); END",
    "CREATE TABLE IF NOT EXISTS content (key TEXT PRIMARY KEY, salt BLOB NOT NULL, text TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, position INTEGER NOT NULL, state BLOB NOT NULL) "
    "WITHOUT ROWID",
    *ADDED.values(),
    # The library's table, one row per follower.
    "CREATE TABLE IF NOT EXISTS tracking (application_name TEXT PRIMARY KEY, notification_id INTEGER) WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
"""The tables of ``eventsourcing`` with two changes. The position is an ``AUTOINCREMENT`` column, because an implicit
row id is reused after a deletion and may change in a VACUUM. ``nodes`` are those of the Merkle tree."""


def create_tables(path: Path) -> None:
    """Create an empty log at the path, completely or not at all, unless another process has just created one.

    It is built under another name and then renamed, so a killed process leaves nothing in the way of the next. Its owner
    alone may read it; where it takes the place of an empty file, that file's permissions stay. Raises ``LogError`` where
    another process holds the lock, ``sqlite3.Error``, ``OSError``.
    """
    path = path.resolve()
    aside = path.with_name(f".{path.name}.new")
    with closing(WriteLock(path)) as lock, lock:
        if not is_blank(path):
            return
        _remove(aside)
        try:
            create_private(aside)
            with closing(connect(aside)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                for statement in TABLES:
                    connection.execute(statement)
                connection.execute("COMMIT")
            if path.exists():
                shutil.copymode(path, aside)
            sync(aside)
            for leftover in beside(path):
                leftover.unlink(missing_ok=True)  # of an earlier log; SQLite would read it into this one
            aside.replace(path)
        finally:
            _remove(aside)
    sync(path.parent)


def is_blank(path: Path) -> bool:
    """Whether there is nothing to lose at the path: no file, an empty one, or a database that never had a table.

    A process that is killed while SQLite creates a file leaves the last kind, as version 0.1.0 did at the log's own path.
    """
    require_file(path)
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return True
    try:
        with closing(connect(path, "ro")) as connection:
            tables: int = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            marks = [
                connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in ("application_id", "user_version")
            ]
    except sqlite3.Error:
        return False
    return not tables and marks == [0, 0]


def _remove(file: Path) -> None:
    for leftover in (file, *beside(file)):
        leftover.unlink(missing_ok=True)


def upgrade_tables(path: Path) -> None:
    """Add what a log of an earlier program lacks; once, all or nothing.

    That is: a node of the Merkle tree for each event, and the tables ``ADDED``. Raises ``LogError`` for a log with missing
    positions, or where another process holds the lock; ``sqlite3.Error``, ``OSError``.
    """
    with closing(connect(path, "ro")) as connection:
        if has_nodes(connection) and not _find_lacking(connection):
            return
    with closing(WriteLock(path)) as lock, lock, closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in _find_lacking(connection):
            connection.execute(ADDED[table])
        connection.execute("DELETE FROM checkpoints WHERE name LIKE 'state%'")  # the earlier place of snapshots
        if not has_nodes(connection):
            connection.execute("DROP TRIGGER log_keeps_events")
            connection.execute("ALTER TABLE stored_events ADD COLUMN nodes BLOB NOT NULL DEFAULT x''")
            _grow_tree(connection, path)
            connection.execute(KEEPS_EVENTS)
        connection.execute("COMMIT")


def has_nodes(connection: Rows) -> bool:
    """Whether the log stores its Merkle tree."""
    return any(row[0] == "nodes" for row in connection.execute("SELECT name FROM pragma_table_info('stored_events')"))


def has_moments(connection: Rows) -> bool:
    """Whether the log has a table of snapshots."""
    return "moments" not in _find_lacking(connection)


def _find_lacking(connection: Rows) -> list[str]:
    """The tables of ``ADDED`` that the log lacks."""
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [table for table in ADDED if table not in there]


def _grow_tree(connection: sqlite3.Connection, path: Path) -> None:
    tree = Tree()
    for row in connection.execute(f"SELECT {COLUMNS} FROM stored_events ORDER BY position"):
        if row[0] != tree.size + 1:
            raise LogError(f"{path} has no event at position {tree.size + 1}; restore it from a backup")
        nodes = tree.append(leaf(*row))
        connection.execute("UPDATE stored_events SET nodes = ? WHERE position = ?", (nodes, tree.size))
