"""The log's writer: what several threads want stored at the same time is committed together (group commit).

A commit waits for the disk. Whoever comes first writes, for all who come before the commit; those who come during it wait,
and one of them writes for all of them next. Processes take turns (``turn``).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from ...domain.errors import LogError
from ...domain.merkle import NodesAt, Tree, leaf
from .log import connect
from .write_lock import WriteLock

T = TypeVar("T")
Row = tuple[str, int, str, bytes]
"""An event to be stored: its aggregate's id in hex, its version, its topic and its state."""

TOGETHER = 256
"""Pieces of work in one commit at most; chosen: their changes fit SQLite's page cache."""

_COLUMNS = "position, originator_id, originator_version, topic, state, nodes"
_INSERT = f"INSERT INTO stored_events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"


class Transaction:
    """The changes of one commit, under way. The connection is in a transaction that holds the write lock."""

    def __init__(self, connection: sqlite3.Connection, tree: Tree | None) -> None:
        self.connection = connection
        self.known_tree = tree.copy() if tree is not None else None
        """The tree, None as long as nobody needs it."""

    @property
    def tree(self) -> Tree:
        """The tree over all events, those of this transaction among them."""
        if self.known_tree is None:
            self.known_tree = read_tree(self.connection)
        return self.known_tree

    def append(self, rows: Sequence[Row]) -> list[int]:
        """Store the events at the log's end, each with the nodes of the tree that it completes; their positions."""
        tree, positions = self.tree, []
        for id, version, topic, state in rows:
            position = tree.size + 1
            nodes = tree.append(leaf(position, id, version, topic, state))
            self.connection.execute(_INSERT, (position, id, version, topic, state, nodes))
            positions.append(position)
        return positions

    @contextmanager
    def part(self) -> Iterator[None]:
        """What is done within is undone alone when it raises."""
        before = self.known_tree.copy() if self.known_tree is not None else None
        self.connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.known_tree = before
            if self.connection.in_transaction:  # a full disk ends all of it
                self.connection.execute("ROLLBACK TO part")
                self.connection.execute("RELEASE part")
            raise
        self.connection.execute("RELEASE part")


Work = Callable[[Transaction], T]
"""What is to be stored. It may be done twice, of which one is undone."""


class Writer:
    """One process's connection for writing. Any number of threads may call ``do``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._waiting: deque[_Piece[Any]] = deque()
        self._is_led = False
        self._together: list[_Piece[Any]] = []
        """What is being committed, for one who leads."""
        self._is_committing = False
        self._turn = WriteLock(path)
        self._connection: sqlite3.Connection | None = None
        self._tree: tuple[int, Tree | None] = (0, None)  # as this process left it, and SQLite's data_version then

    def do(self, work: Work[T]) -> T:
        """Do the work in a transaction, alone or with others', and return what it does once it is safe on the disk.

        Raises what the work raises, which is undone then, and ``sqlite3.Error``, ``OSError`` where nothing can be stored.
        """
        piece = _Piece(work)
        try:
            with self._mutex:
                self._waiting.append(piece)
                piece.leads, self._is_led = not self._is_led, True
            if not piece.leads:
                piece.wait()
            if piece.leads:
                self._lead(piece)
        except BaseException:
            self._step_back(piece)
            raise
        return piece.result()

    def close(self) -> None:
        """Let the files go; the next work opens them again. Not while another thread writes."""
        if self._connection is not None:
            self._connection.close()
        self._turn.close()
        self._connection = None
        self._tree = (0, None)

    def _lead(self, own: _Piece[Any]) -> None:
        """Commit what waits, this thread's own among it, and leave what came meanwhile to one who waits for it."""
        self._take()
        try:
            self._commit()
        except Exception as error:
            for piece in self._together:
                piece.error = error
        self._hand_on(own)

    def _take(self) -> None:
        """Take on what waits, in its order. A thread may be stopped anywhere in it: nothing is lost."""
        with self._mutex:
            while self._waiting and len(self._together) < TOGETHER:
                self._together.append(self._waiting[0])
                self._waiting.popleft()

    def _step_back(self, own: _Piece[Any]) -> None:
        """What a thread that is stopped, as by Ctrl-C, leaves in order for the others: its own work is not waited for."""
        with self._mutex:
            if own in self._waiting:
                self._waiting.remove(own)
        if own.leads:
            self._hand_on(own)
        own.wake_others()

    def _hand_on(self, own: _Piece[Any]) -> None:
        """Let go of what was taken on, and leave the lead to the first who waits; to do it twice is to do it once."""
        with self._mutex:
            undone = [it for it in self._together if not it.is_over and it is not own and it not in self._waiting]
            self._waiting.extendleft(reversed(undone))
            while self._waiting and self._waiting[0].is_over:
                self._waiting.popleft()
            following = [self._waiting[0]] if self._waiting else []
            own.others += [it for it in self._together if it.is_over and it is not own] + following
            for it in following:
                it.leads = True
            self._is_led, self._together = bool(following), []
            own.leads = False
        own.wake_others()

    def _commit(self) -> None:
        """Do what was taken on, and what comes meanwhile, alone among processes; what is not committed is rolled back."""
        if self._connection is None:
            self._connection = connect(self.path)
        with self._turn:
            try:
                self._do(self._connection)
            except BaseException as error:
                self._tree = (0, None)
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                elif self._is_committing and not isinstance(error, sqlite3.Error):
                    self._settle()  # stopped just after it, most likely while the disk was waited for
                raise
            finally:
                self._is_committing = False

    def _do(self, connection: sqlite3.Connection) -> None:
        transaction = self._begin(connection)
        try:
            for piece in self._together:
                piece.do(transaction)
                if piece is self._together[-1]:
                    self._take()  # who comes before the commit need not wait for the next one
        except Exception:
            if len(self._together) == 1:
                raise
            if connection.in_transaction:  # a full disk ends it
                connection.execute("ROLLBACK")
            transaction = self._begin(connection)
            for piece in self._together:
                self._try(piece, transaction)
        self._is_committing = True
        connection.execute("COMMIT")
        self._settle()
        self._tree = (self._tree[0], transaction.known_tree)

    def _settle(self) -> None:
        """All that was taken on and not refused is stored."""
        for piece in self._together:
            piece.is_done = piece.error is None

    def _begin(self, connection: sqlite3.Connection) -> Transaction:
        # The write lock first: a transaction that begins by reading cannot be widened while another writes.
        connection.execute("BEGIN IMMEDIATE")
        # Another connection's commit changes it; mostly that of this process's views, which adds no event.
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        seen, tree = self._tree
        if tree is not None and seen != version and tree.size != _size(connection):
            tree = None
        self._tree = (version, tree)
        return Transaction(connection, tree)

    @staticmethod
    def _try(piece: _Piece[Any], transaction: Transaction) -> None:
        """Do one of several, of which one cannot be done: it fails alone."""
        try:
            with transaction.part():
                piece.do(transaction)
        except Exception as error:
            if not transaction.connection.in_transaction:
                raise
            piece.error = error


class _Piece(Generic[T]):
    """One caller's work, and how it went."""

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self._value: T | None = None
        self.error: Exception | None = None
        self.is_done = False
        self.leads = False
        self.others: list[_Piece[Any]] = []
        """Whom it has to wake, as it led."""
        self._gate = threading.Lock()
        self._gate.acquire()

    @property
    def is_over(self) -> bool:
        """Whether it is stored, or never will be."""
        return self.is_done or self.error is not None

    def wait(self) -> None:
        self._gate.acquire()

    def wake(self) -> None:
        if self._gate.locked():
            self._gate.release()

    def wake_others(self) -> None:
        for it in self.others:
            it.wake()

    def do(self, transaction: Transaction) -> None:
        self._value = self._work(transaction)

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return cast("T", self._value)


def read_tree(connection: sqlite3.Connection) -> Tree:
    """The tree over all stored events, from the nodes beside them. Raises ``LogError`` where events are missing."""
    return Tree.at(_size(connection), stored_nodes(connection))


def _size(connection: sqlite3.Connection) -> int:
    """How many events are stored: the newest one's position."""
    return connection.execute("SELECT MAX(position) FROM stored_events").fetchone()[0] or 0


def stored_nodes(connection: sqlite3.Connection) -> NodesAt:
    """Where the tree's nodes are had from. It raises ``LogError`` for a position that has no event."""

    def nodes_at(position: int) -> bytes:
        row = connection.execute("SELECT nodes FROM stored_events WHERE position = ?", (position,)).fetchone()
        if row is None:
            raise LogError(f"the log lacks the event at position {position}; restore it from a backup")
        return bytes(row[0])

    return nodes_at
