"""The port of the store: what a database must do to hold a log. Everything outside its room knows a database by it alone.

``Rows`` is a connection, and SQL is the part of the language that SQLite and PostgreSQL share: values are marked by ``?``,
names are quoted by ``"``. What differs is a method or an attribute of ``Store``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ...domain.errors import LogError
from ...domain.merkle import Tree

T = TypeVar("T")

LARGEST = 2**63 - 1
"""The largest integer of a database: no position and no number of events is larger."""

COLUMNS = "position, originator_id, originator_version, topic, state"

Row = tuple[int, str, int, str, bytes]
"""These columns of one event."""

VALUES_TOGETHER = 900
"""Values of one statement at most; chosen: SQLite before version 3.32 takes 999."""

PAGE = 200
"""Rows that ``pages`` reads at a time; measured with ``log.BATCH``: objects that live longer cost more memory management."""


class Unwritable(LogError):
    """The log cannot be written, because the disk is full or read-only; it can still be read."""


class Unreachable(LogError):
    """The server of the log does not answer, or the connection to it was lost; it may answer again."""


class Lock(Protocol):
    """A lock among all processes that have the log."""

    def keep(self) -> None:
        """Have the lock again where it was lost with its server. Raises ``Held`` where another process has it by now,
        and errors of the database."""
        ...


class Answer(Protocol):
    """The rows that a statement returned."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement changed."""
        ...

    def fetchone(self) -> Any:
        """The next row; None without any more."""
        ...

    def fetchall(self) -> list[Any]:
        """The remaining rows."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Rows(Protocol):
    """A connection to the log's tables, for one thread at a time. ``sqlite3.Connection`` is one."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended."""
        ...

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Answer:
        """Run the statement with the values in place of its ``?``."""
        ...

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run the statement once for each of the rows."""
        ...

    def close(self) -> None:
        """Close the connection; a transaction that has begun is undone."""
        ...


class Pen(Protocol):
    """One process's connection for writing, and its turns among all processes that write. One thread at a time uses it."""

    @property
    def rows(self) -> Rows:
        """The connection, opened at the first use."""
        ...

    def acquire(self, *, keeps: bool = False) -> None:
        """Wait for the turn of this process. With ``keeps``, no other process writes until ``release``, whatever is committed.

        Raises ``LogError`` with the holder's name after a time limit.
        """
        ...

    def release(self) -> None:
        """Give the turn back. Idempotent."""
        ...

    def begin(self, known: Tree | None) -> Tree | None:
        """Begin a transaction in which no other process stores; the log's tree, None where it must be read.

        ``known`` is the tree as this process left it, if it knows one. Raises ``LogError`` where this process may not
        write any more, because another worker has begun.
        """
        ...

    def defer(self) -> None:
        """Until the transaction ends or has a savepoint, let short statements that store rows wait for the one after them.

        So they need no round trip of their own. An error of theirs is raised by that one, or by the commit.
        """
        ...

    def commit(self) -> int:
        """End the transaction; return the number that ``settle`` takes."""
        ...

    def settle(self, number: int) -> None:
        """Wait until the commit of this number, and all before it, are safe on the disk. Any thread may call it."""
        ...

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        ...


class Changes(Protocol):
    """A view of the log's changes, for one thread."""

    def version(self) -> int:
        """A number that changes when anything was stored since its last value."""
        ...

    def rest(self, seconds: float) -> None:
        """Wait for so long, or until the database says that something was stored."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def table_statement(name: str, columns: Mapping[str, type], types: Mapping[type, str]) -> str:
    """The statement that creates the table; its first column is the primary key."""
    first, *others = (f'"{column}" {types[kind]}' for column, kind in columns.items())
    return f"CREATE TABLE {name} ({', '.join([f'{first} PRIMARY KEY', *others])})"


class Store(Protocol):
    """Where one log lies, opened by one ``Log``. Thread-safe: each thread has its own connections.

    ``explained`` turns the errors of all other methods into ``LogError``.
    """

    moments: str
    """The statement that creates the table of snapshots."""
    types: Mapping[type, str]
    """The type of a column by that of its values in Python: ``int``, ``str`` and ``float``."""
    differs: str
    """The operator that compares two values, or two rows of values, so that nothing equals nothing."""
    shares_commits: bool
    """Whether threads of one process that store at the same time share a commit: a commit takes several round trips."""
    remains: str
    """Where deleted texts remain that ``rid_of_traces`` cannot reach; empty for nowhere."""

    @property
    def label(self) -> str:
        """What messages call the log, without any password: its file, or the URL of its database."""
        ...

    @property
    def address(self) -> str:
        """The text that ``read_place`` reads, with any password: for another process of this program alone."""
        ...

    @property
    def path(self) -> Path:
        """The path beside which the log's files on this machine lie, such as its weights: the log's own file if it is one."""
        ...

    @property
    def file(self) -> Path | None:
        """The log's one file; None where a database server keeps it."""
        ...

    @property
    def losses(self) -> int:
        """How often this process found that the server was lost. What it has read before may not be stored any more."""
        ...

    def require(self) -> None:
        """Raise ``LogError`` where there is no log, or what is there is not a log."""
        ...

    def is_blank(self) -> bool:
        """Whether there is nothing to lose: no log, and nothing else in its place."""
        ...

    def create(self) -> None:
        """Create an empty log, completely or not at all, unless another process has just created one."""
        ...

    def upgrade(self) -> None:
        """Add what a log of an earlier program lacks; once, all or nothing."""
        ...

    def has_tree(self, rows: Rows) -> bool:
        """Whether the log stores its Merkle tree, as all but those of the earliest program do."""
        ...

    def has_snapshots(self, rows: Rows) -> bool:
        """Whether the log has a table of snapshots."""
        ...

    def if_table(self, read: Callable[[], T]) -> T | None:
        """What ``read`` returns; None where the log lacks the table, as one of an earlier program does."""
        ...

    def reading(self) -> AbstractContextManager[Rows]:
        """This thread's connection, which cannot write. Raises ``LogError``."""
        ...

    def snapshot(self) -> AbstractContextManager[Rows]:
        """A connection that cannot write and sees everything as of one moment. Raises ``LogError``."""
        ...

    def comparing(self, tables: Mapping[str, str], *, writes: bool) -> AbstractContextManager[Rows]:
        """A connection in which empty tables for this connection alone lie beside the log's; see ``begin_snapshot``.

        ``tables`` are the statements that create them. With ``writes``, ``pen`` can write by the connection.
        """
        ...

    def begin_snapshot(self, rows: Rows) -> None:
        """Begin a transaction that sees everything as of one moment."""
        ...

    def changing_views(self, *, is_alone: bool) -> AbstractContextManager[Rows]:
        """This thread's connection for views, in a transaction that ends with the block, beside no other writer.

        ``is_alone`` says that this thread keeps the turn already. Views are committed without waiting for the disk: what a
        power cut undoes can be computed again from the log. Raises ``LogError``, ``Unwritable``.
        """
        ...

    def pen(self, rows: Rows | None = None) -> Pen:
        """A pen; with ``rows``, one that writes by this connection."""
        ...

    def changes(self) -> Changes:
        """A view of the changes from now on."""
        ...

    def hold(self, name: str, *, waits: bool = False, passing: bool = False) -> AbstractContextManager[Lock]:
        """Have the lock of this name, among all processes that have the log, until the block ends or the process does.

        A server that is lost loses it; ``Lock.keep`` has it again.

        Raises ``Held`` where another has it, unless this ``waits``. The holder of the lock ``LEASE`` is the worker: from
        then on, the one before it cannot write. A lock that is ``passing`` leaves nothing behind.
        """
        ...

    def is_held(self, name: str) -> bool:
        """Whether a process has the lock of this name. One that cannot be read counts as held."""
        ...

    def holder(self, name: str) -> str | None:
        """Who has the lock of this name, ``process 4711``; None without one. This does not try the lock."""
        ...

    def table_statements(self) -> dict[str, str]:
        """By table for SQL users, the statement that creates it. The first call may take seconds."""
        ...

    def renew_table(self, rows: Rows, table: str) -> None:
        """An empty table for SQL users, in place of an existing one, with its rights."""
        ...

    def columns(self, rows: Rows, table: str) -> set[str]:
        """The table's columns; none where it is missing."""
        ...

    def schema(self, rows: Rows) -> int:
        """A number that changes when a table was made or removed."""
        ...

    def largest_ever(self, rows: Rows) -> int:
        """The last position that the database gave; more than the newest event's where the log's end was cut off."""
        ...

    def shred(self, rows: Rows) -> None:
        """In this transaction, overwrite what is deleted, as far as the database can."""
        ...

    def rid_of_traces(self) -> None:
        """Remove what deleted texts left in the files, as far as the database can. Raises ``LogError``."""
        ...

    def examine(self) -> Iterator[tuple[str, str, str]]:
        """What is right or wrong with the database: each with a name, ``ok``, ``warn`` or ``fail``, and a sentence."""
        ...

    def discard(self) -> None:
        """Remove the log, which has just been created and has no events. Raises ``OSError``."""
        ...

    def is_conflict(self, error: BaseException) -> bool:
        """Whether the error says that such a row exists already."""
        ...

    def is_error(self, error: BaseException) -> bool:
        """Whether the error is one of the database or the system."""
        ...

    def explain(self, error: BaseException) -> Exception:
        """The error as one line with the next step, a ``LogError``."""
        ...

    def explained(self) -> AbstractContextManager[None]:
        """Errors of the database and of the system are raised as ``explain`` gives them."""
        ...

    def close(self) -> None:
        """Close this thread's connections; the next use opens others."""
        ...


LEASE = "lease"
"""The lock of the one worker."""


def insert_rows(rows: Rows, insert: str, values: Sequence[Sequence[object]], afterwards: str = "") -> None:
    """Store rows of values; ``insert`` is the statement before its values, and ``afterwards`` the rest of it.

    One statement takes many rows, because each statement lets another thread of the process run: a thread beside a busy
    one gets its turn back milliseconds later. The number of rows is a power of two, so that few statements are compiled.
    """
    first = 0
    while first < len(values):
        width = len(values[first])
        together = 1 << min(len(values) - first, VALUES_TOGETHER // width).bit_length() - 1
        marks = ", ".join([f"({', '.join('?' * width)})"] * together)
        flat = [*chain.from_iterable(values[first : first + together])]
        rows.execute(f"{insert} VALUES {marks} {afterwards}", flat)
        first += together


def pages(rows: Rows, columns: str, table: str, above: Any) -> Iterator[Any]:
    """All rows of the table in the order of the first of the columns, its key, above this value; read by pages."""
    key = columns.partition(",")[0]
    select = f"SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT {PAGE}"
    while page := rows.execute(select, (above,)).fetchall():
        yield from page
        if len(page) < PAGE:
            return
        above = page[-1][0]


def in_parts(values: Sequence[T], width: int = 1) -> Iterator[tuple[Sequence[T], str]]:
    """The values in parts that one statement takes, each with as many marks, ``(?), (?)`` for a width of 1."""
    together = VALUES_TOGETHER // width
    mark = f"({', '.join('?' * width)})"
    for first in range(0, len(values), together):
        part = values[first : first + together]
        yield part, ", ".join([mark] * len(part))
