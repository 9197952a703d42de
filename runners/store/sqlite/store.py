"""The store of a log in one file of SQLite."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ....domain.errors import Hint, LogError
from ..port import LEASE, Lock, Rows
from .connection import connect, explain, is_as_it_lies, is_folder_writable
from .files import examine, remove, remove_lock, rid_of_traces
from .locks import WriteLock, find_holder, hold_named, hold_passing, is_held
from .pen import SqlitePen
from .schema import APPLICATION_ID, MOMENTS, create_tables, has_moments, has_nodes, is_blank, upgrade_tables

T = TypeVar("T")
ERRORS = (sqlite3.Error, OSError)


class SqliteStore:
    """A log's file. See ``Store``."""

    types: Mapping[type, str] = {int: "INTEGER", str: "TEXT", float: "REAL"}
    differs = "IS NOT"
    moments = MOMENTS
    shares_commits = False
    remains = ""
    losses = 0

    def __init__(self, path: Path) -> None:
        self._threads = threading.local()
        self.path: Path = path
        self.file: Path | None = path
        self.label = str(path)
        self.address = os.path.realpath(path)  # Path.resolve raises on a loop of links
        self._is_folder_writable = is_folder_writable(path)

    def require(self) -> None:
        """Raise ``LogError`` where there is no log, or the file is not a log."""
        if not self.path.exists():
            raise LogError(f"no log at {self.path}", hint=Hint.MAKE_LOG)
        if self.path.is_dir():
            inside = self.path / "events.db"
            held = f"; a log is in it: {inside}" if inside.is_file() else ""
            raise LogError(f"{self.path} is a folder, not a log{held}", hint=Hint.NAME_LOG)
        with self.explained(), closing(connect(self.path, "ro")) as connection:
            application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        if application_id != APPLICATION_ID:
            raise LogError(f"{self.path} is not a log of grokputer", hint=Hint.MAKE_LOG)

    def is_blank(self) -> bool:
        """Whether there is no file, an empty one, or a database that never had a table."""
        return is_blank(self.path)

    def create(self) -> None:
        """Create an empty log, completely or not at all. Raises ``LogError``."""
        if not self.path.parent.is_dir():
            raise LogError(f"no folder {self.path.parent} for the log; make it", hint=Hint.NAME_OTHER_LOG)
        with self.explained():
            create_tables(self.path)

    def upgrade(self) -> None:
        """Add what a log of an earlier program lacks."""
        upgrade_tables(self.path)

    def has_tree(self, rows: Rows) -> bool:
        """Whether the log stores its Merkle tree."""
        return has_nodes(rows)

    def has_snapshots(self, rows: Rows) -> bool:
        """Whether the log has a table of snapshots."""
        return has_moments(rows)

    def if_table(self, read: Callable[[], T]) -> T | None:
        """What ``read`` returns; None where the log lacks the table."""
        try:
            return read()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return None

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """This thread's connection, which cannot write."""
        try:
            if "connection" in self._threads.__dict__ and self._threads.lies != self._lies():
                self._threads.__dict__.pop("connection").close()  # opened as immutable, and the file has changed since
            if "connection" not in self._threads.__dict__:
                self._threads.lies = self._lies()
                self._threads.connection = connect(self.path, "ro")
            yield self._threads.connection
        except sqlite3.Error as error:
            raise self.explain(error) from error

    def _lies(self) -> tuple[int, int, int] | None:
        """State of a log in a folder that cannot be written, to notice changes by another user; None elsewhere."""
        if self._is_folder_writable:
            return None
        stat = self.path.stat()
        return stat.st_mtime_ns, stat.st_size, is_as_it_lies(self.path)

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        """A connection that cannot write and sees everything as of one moment."""
        with self.explained(), closing(connect(self.path, "ro")) as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def comparing(self, tables: Mapping[str, str], *, writes: bool) -> Iterator[Rows]:
        """A connection with empty tables in a temporary database; it ends with the connection and needs no safe writes."""
        with self.explained(), closing(connect(self.path, "rw" if writes else "ro")) as connection:
            connection.execute("ATTACH '' AS rebuilt")
            connection.execute("PRAGMA rebuilt.journal_mode = OFF")
            connection.execute("PRAGMA rebuilt.synchronous = OFF")
            for statement in tables.values():
                connection.execute(statement.replace("CREATE TABLE ", "CREATE TABLE rebuilt.", 1))
            yield connection

    def begin_snapshot(self, rows: Rows) -> None:
        """Begin a transaction that sees everything as of one moment."""
        rows.execute("BEGIN")

    @contextmanager
    def changing_views(self, *, is_alone: bool) -> Iterator[Rows]:
        """This thread's connection for views, in a transaction that ends with the block."""
        with self.explained():
            if "views" not in self._threads.__dict__:
                self._threads.lock, self._threads.views = WriteLock(self.path), connect(self.path)
                self._threads.views.execute("PRAGMA synchronous = NORMAL")
            connection: sqlite3.Connection = self._threads.views
            with nullcontext() if is_alone else self._threads.lock:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")

    def pen(self, rows: Rows | None = None) -> SqlitePen:
        """A pen; with ``rows``, one that writes by this connection."""
        return SqlitePen(self.path, rows)

    def changes(self) -> _Changes:
        """A view of the changes from now on."""
        return _Changes(self.path)

    def hold(self, name: str, *, waits: bool = False, passing: bool = False) -> AbstractContextManager[Lock]:
        """Have the lock, a file beside the log, until the block ends; the system releases it when its process ends."""
        return hold_passing(self.path, name) if passing else hold_named(self.path, name, waits=waits)

    def is_held(self, name: str) -> bool:
        """Whether a process has the lock."""
        return is_held(self.path, name)

    def holder(self, name: str = LEASE) -> str | None:
        """Who has the lock, ``process 4711``; None without one."""
        return find_holder(self.path, name)

    def table_statements(self) -> dict[str, str]:
        """By table for SQL users, the statement that creates it. The first call loads sqlite-utils."""
        return _table_statements()

    def renew_table(self, rows: Rows, table: str) -> None:
        """An empty table for SQL users, in place of an existing one."""
        rows.execute(f"DROP TABLE IF EXISTS {table}")
        rows.execute(_table_statements()[table])

    def columns(self, rows: Rows, table: str) -> set[str]:
        """The table's columns; none where it is missing."""
        return {row[0] for row in rows.execute("SELECT name FROM pragma_table_info(?)", (table,))}

    def schema(self, rows: Rows) -> int:
        """A number that changes when a table was made or removed."""
        return int(rows.execute("PRAGMA schema_version").fetchone()[0])

    def largest_ever(self, rows: Rows) -> int:
        """The last position that SQLite assigned."""
        row = rows.execute("SELECT seq FROM sqlite_sequence WHERE name = 'stored_events'").fetchone()
        return row[0] or 0 if row else 0

    def shred(self, rows: Rows) -> None:
        """In this transaction, overwrite what is deleted."""
        rows.execute("PRAGMA secure_delete = ON")

    def rid_of_traces(self) -> None:
        """Rewrite the file, so that no page holds a byte of deleted texts."""
        rid_of_traces(self.path)

    def examine(self) -> Iterator[tuple[str, str, str]]:
        """What is right or wrong with the file: its pages and journal, and its triggers."""
        return examine(self.path)

    def discard(self) -> None:
        """Remove the files of the log, which has just been created."""
        remove(self.path)
        remove_lock(self.path)

    def is_conflict(self, error: BaseException) -> bool:
        """Whether the error says that such a row exists already."""
        return isinstance(error, sqlite3.IntegrityError)

    def is_error(self, error: BaseException) -> bool:
        """Whether the error is one of SQLite or the system."""
        return isinstance(error, ERRORS)

    def explain(self, error: BaseException) -> LogError:
        """The error as one line with the next step; ``Unwritable`` where the log can still be read."""
        return explain(self.path, error)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Errors of SQLite and of the system are raised as ``explain`` gives them."""
        try:
            yield
        except ERRORS as error:
            raise explain(self.path, error) from error

    def close(self) -> None:
        """Close this thread's connections; the next use opens others."""
        for name in ("connection", "views", "lock"):
            connection = self._threads.__dict__.pop(name, None)
            if connection is not None:
                connection.close()

    def __del__(self) -> None:
        # Here and not in the log: a block that uses a connection holds the store alone, and SQLite's module crashes where
        # its connection is closed inside of a statement.
        self.close()


class _Changes:
    """Polls the file; see ``Changes``."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, "ro")

    def version(self) -> int:
        """SQLite changes it for a connection whenever another one commits."""
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def rest(self, seconds: float) -> None:
        """Wait for so long: SQLite tells nothing."""
        time.sleep(seconds)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@cache
def _table_statements() -> dict[str, str]:
    from sqlite_utils import Database

    from ....projections.tables.tables import TABLES

    with closing(sqlite3.connect(":memory:")) as connection:
        database: Any = Database(connection)
        return {
            name: database.create_table_sql(name, columns, pk=next(iter(columns))) for name, columns in TABLES.items()
        }
