"""The log's writer: it stores pieces of work, one or many in a commit, while no other thread or process writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ...domain.errors import LogError
from ...domain.merkle import NodesAt, Tree, leaf
from .port import Pen, Rows, Store, insert_rows

T = TypeVar("T")
Row = tuple[str, int, str, bytes]
"""An event to store: its aggregate's id in hex, its version, its topic and its state."""

_COLUMNS = "position, originator_id, originator_version, topic, state, nodes"
_INSERT = f"INSERT INTO stored_events ({_COLUMNS})"


class Transaction:
    """The changes of one commit in progress. No other process stores beside the connection's transaction."""

    def __init__(self, connection: Rows, tree: Tree | None, defer: Callable[[], None] = lambda: None) -> None:
        self.connection = connection
        self.defer = defer
        """Let the short statements that store rows wait for the statement after them; see ``Pen.defer``."""
        self.known_tree = tree.copy() if tree is not None else None
        """The tree; None until it is needed."""

    @property
    def tree(self) -> Tree:
        """The tree over all events, those of this transaction included."""
        if self.known_tree is None:
            self.known_tree = read_tree(self.connection)
        return self.known_tree

    def append(self, rows: Sequence[Row]) -> list[int]:
        """Store the events at the log's end, each with the tree nodes that it completes; return their positions."""
        tree = self.tree
        first = tree.size + 1
        insert_rows(
            self.connection,
            _INSERT,
            [
                (position, id, version, topic, state, tree.append(leaf(position, id, version, topic, state)))
                for position, (id, version, topic, state) in enumerate(rows, first)
            ],
        )
        return list(range(first, first + len(rows)))


Work = Callable[[Transaction], T]
"""A function that stores something; it runs once, in a transaction."""


class Writer:
    """One process's connection for writing. Thread-safe; one thread at a time writes."""

    def __init__(self, store: Store) -> None:
        self._mutex = threading.RLock()
        self._pen: Pen = store.pen()
        self._tree: Tree | None = None
        """The tree as this process left it; None where it must be read."""
        self._alone: int | None = None
        """The thread that keeps the turn until its block ends."""

    def do(self, work: Work[T]) -> T:
        """Do the work in its own transaction; return its result once everything is safe on the disk.

        Raises what the work raises, which is then undone; ``LogError`` where another process has the turn for too long;
        errors of the database and the system where nothing can be stored.
        """
        result, commit = self.do_unsettled(work)
        self.settle(commit)
        return result

    def do_unsettled(self, work: Work[T]) -> tuple[T, int]:
        """As ``do``, but what is stored may be lost before ``settle`` was called with the returned number."""
        with self._mutex:
            if self.is_alone:
                return self._commit(work)
            try:
                self._pen.acquire()
                return self._commit(work)
            finally:
                self._pen.release()

    def settle(self, number: int) -> None:
        """Wait until the commit of this number is safe on the disk. Raises ``LogError`` where that is not known."""
        self._pen.settle(number)

    @property
    def is_alone(self) -> bool:
        """Whether this thread has the right to write until its ``alone`` block ends."""
        return self._alone == threading.get_ident()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Until the block ends this thread alone writes, in as many transactions as it needs.

        So nothing is stored between what the block reads and what it stores. Raises ``LogError`` where another process
        has the turn for too long.
        """
        with self._mutex:
            if self.is_alone:
                yield
                return
            try:
                self._pen.acquire(keeps=True)
                self._alone = threading.get_ident()
                yield
            finally:
                self._alone = None
                self._pen.release()

    def do_all(self, works: Sequence[Work[T]], together: Work[Sequence[T]] | None = None) -> list[T | Exception]:
        """Do the pieces of work in one commit, as ``each_alone`` says; return once it is safe on the disk. Raises as ``do``."""
        return self.do(each_alone(works, together))

    def close(self) -> None:
        """Close the files; the next work opens them again."""
        with self._mutex:
            self._pen.close()
            self._tree = None

    def _commit(self, work: Work[T]) -> tuple[T, int]:
        """The work's result, and the number of its commit."""
        pen, tree = self._pen, self._tree
        self._tree = None  # unknown until the commit
        rows = pen.rows
        try:
            transaction = Transaction(rows, pen.begin(tree), pen.defer)
            result = work(transaction)
            commit = pen.commit()
        finally:
            if rows.in_transaction:
                rows.execute("ROLLBACK")
        self._tree = transaction.known_tree
        return result, commit


def each_alone(works: Sequence[Work[T]], together: Work[Sequence[T]] | None = None) -> Work[list[T | Exception]]:
    """Work that does the pieces, in order, in one commit, and returns each one's outcome.

    A piece that raises is undone alone, and its error is its outcome. ``together`` does all of them at once, with their
    outcomes; the pieces are done one by one where it raises. Where nothing can be stored, all pieces are undone.
    """

    def work(transaction: Transaction) -> list[T | Exception]:
        done = None if together is None else _try(together, transaction)
        if done is None or isinstance(done, Exception):
            return [_try(work, transaction) for work in works]
        return [*done]

    return work


def _try(work: Work[T], transaction: Transaction) -> T | Exception:
    """The result of the work, or its error, undone alone then. Raises errors that end the whole transaction."""
    connection, before = transaction.connection, transaction.known_tree
    transaction.known_tree = before.copy() if before is not None else None
    connection.execute("SAVEPOINT member")
    try:
        result = work(transaction)
    except Exception as error:
        if not connection.in_transaction:  # a full or failing disk may end the whole transaction
            raise
        connection.execute("ROLLBACK TO member")
        connection.execute("RELEASE member")
        transaction.known_tree = before
        return error
    connection.execute("RELEASE member")
    return result


def read_tree(connection: Rows) -> Tree:
    """The tree over all stored events, from the nodes beside them. Raises ``LogError`` where events are missing."""
    size = connection.execute("SELECT MAX(position) FROM stored_events").fetchone()[0] or 0
    return Tree.at(size, stored_nodes(connection))


def stored_nodes(connection: Rows) -> NodesAt:
    """The function that reads the tree's nodes. It raises ``LogError`` for a position without an event."""

    def nodes_at(position: int) -> bytes:
        row = connection.execute("SELECT nodes FROM stored_events WHERE position = ?", (position,)).fetchone()
        if row is None:
            raise LogError(f"the log lacks the event at position {position}; restore it from a backup")
        return bytes(row[0])

    return nodes_at
