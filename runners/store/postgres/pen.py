"""Writing to a log's database: the head row gives one order, and many commits share one wait for the disk.

A transaction locks the head row, so its events follow all others. It is committed without waiting for the disk, which
lets the next writer go on at once. Then a barrier waits for the disk: PostgreSQL's journal is sequential, so what is
behind is safe with it. Nothing is acknowledged before its barrier.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import psycopg

from ....domain.errors import LogError
from ....domain.merkle import Tree
from ..port import Rows, Unreachable
from .connection import PostgresRows, Target

TOLD_S = 0.05
"""Seconds between two notifications of one process; chosen: PostgreSQL commits notifying transactions one by one."""


class InDoubt(Unreachable):
    """The server was lost between a commit and its barrier: the events may be stored or not."""


class Fence:
    """The epoch in which this process leads: the number of workers that have begun, as it was when this one did."""

    epoch: int | None = None


class Turn:
    """The right to write to the log's database, which each transaction takes by locking the head row."""

    def __init__(self, target: Target, key: int, fence: Fence) -> None:
        self.target, self.key, self.fence = target, key, fence

    def begin(self, rows: PostgresRows, known: Tree | None = None, *, is_alone: bool) -> Tree:
        """Begin a transaction in which no other process stores; return the log's tree, which may be the known one.

        It takes one round trip, because other writers wait from its middle on. Raises ``LogError`` where another worker
        has begun since this process did: it must not write any more.
        """
        known = known or Tree()
        wait = "" if is_alone else f"SELECT pg_advisory_xact_lock_shared({self.key}); "
        size, epoch, peaks = rows.run(f"BEGIN; {wait}SELECT * FROM lock_head({known.size})")
        if self.fence.epoch not in (None, epoch):
            rows.run("ROLLBACK")
            raise LogError(
                f"another worker has begun on {self.target.label}, because this one did not answer; what this one has not "
                "stored is not stored, and it must be started again"
            )
        if size == known.size:
            return known
        try:
            return Tree.of_peaks(size, peaks or b"")
        except ValueError as error:
            raise LogError(f"{self.target.label} lacks events ({error}); restore it from a backup") from None


class PostgresPen:
    """One process's connection for writing. See ``Pen``."""

    def __init__(self, turn: Turn, rows: PostgresRows | None = None) -> None:
        self._turn, self._target = turn, turn.target
        self._rows = rows
        self._kept: PostgresRows | None = None
        """The connection that keeps the turn over several transactions."""
        self._keeps = False
        self._committed = self._settled = 0
        """Numbers of the last commit, and of the last one of which it is known whether it is safe on the disk."""
        self._in_doubt = set[int]()
        """Numbers of the commits that were not safe when the server was lost."""
        self._state, self._waiting = threading.Lock(), threading.Lock()
        """Of the numbers and the barrier; and of the thread that waits for the disk, while others write."""
        self._barrier: PostgresRows | None = None
        self._told = 0.0

    @property
    def rows(self) -> Rows:
        """The connection, opened at the first use, and again where it was lost since the last commit."""
        rows = self._open()
        return rows if rows.is_there() else self._open()

    def _open(self) -> PostgresRows:
        if self._rows is None or self._rows.is_lost:
            self._rows = self._target.connect(writes=True, is_safe=False)
            self._lose_barrier()
        return self._rows

    def acquire(self, *, keeps: bool = False) -> None:
        """Nothing, because each transaction waits for the head row; with ``keeps``, the turn until ``release``.

        Raises ``LogError`` where another has the turn for too long, and where the server is lost.
        """
        if not keeps:
            return
        try:
            if self._kept is None or self._kept.is_lost:
                self._kept = self._target.connect(writes=True)
            self._kept.execute("SELECT pg_advisory_lock(?)", (self._turn.key,))
        except psycopg.Error as error:
            raise self._target.explain(error) from error
        self._keeps = True

    def release(self) -> None:
        """Give a kept turn back. Idempotent."""
        if self._keeps and self._kept is not None:
            self._keeps = False
            with suppress(psycopg.Error):  # the server frees the turn of a connection that is lost
                self._kept.execute("SELECT pg_advisory_unlock(?)", (self._turn.key,))

    def begin(self, known: Tree | None) -> Tree:
        """Begin a transaction; return the log's tree.

        The known tree is left aside where the server may have been lost: its last events may be, and others in their places.
        """
        rows = self._open()
        with self._state:
            if self._barrier is None:
                self._doubt()
                known = None
                # Before the commit: a server that dies in between takes this connection with it, and so shows that it died.
                self._barrier = self._target.connect(writes=True)
        return self._turn.begin(rows, known, is_alone=self._keeps)

    def defer(self) -> None:
        """Let short statements that store rows wait for the one after them."""
        self._open().defer()

    def commit(self) -> int:
        """End the transaction, without waiting for the disk; return the number of the commit."""
        now = time.monotonic()
        if now - self._told >= TOLD_S:
            self._open().run(f'NOTIFY "{self._target.schema}"; COMMIT')
            self._told = now
        else:
            self._open().run("COMMIT")
        self._committed += 1
        return self._committed

    def settle(self, number: int) -> None:
        """Wait until the commit and all before it are safe on the disk; one wait serves all threads that are behind.

        Raises ``InDoubt``.
        """
        with self._waiting:
            with self._state:
                barrier, last = self._barrier, self._committed
                is_lost, is_safe = number in self._in_doubt, number <= self._settled
            if is_safe and not is_lost:
                return
            if barrier is not None and not is_lost:
                try:
                    barrier.execute("SELECT pg_logical_emit_message(true, 'grokputer', '')")
                    self._settled = last
                    return
                except psycopg.Error:
                    self._drop_barrier()
        raise InDoubt(
            f"{self._target.label} was lost before what was written was safe, so it may be stored or not; look before you "
            "repeat it"
        )

    def _lose_barrier(self) -> None:
        """A connection was lost: no barrier may vouch for what was committed before."""
        with self._waiting:
            self._drop_barrier()

    def _drop_barrier(self) -> None:
        with self._state:
            self._doubt()
            if self._barrier is not None:
                self._barrier.close()
            self._barrier = None

    def _doubt(self) -> None:
        """What is not known to be safe is in doubt."""
        self._in_doubt.update(range(self._settled + 1, self._committed + 1))
        self._settled = self._committed

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._lose_barrier()
        for rows in (self._rows, self._kept):
            if rows is not None:
                rows.close()
        self._rows = self._kept = None
        self._keeps = False
