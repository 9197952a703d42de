"""Writing to a log's database: the head row gives one order, and many commits share one wait for the disk.

A transaction locks the head row, so its events follow all others. It is committed without waiting for the disk, which
lets the next writer go on at once. Then a barrier waits for the disk: PostgreSQL's journal is sequential, so what is
behind is safe with it. Nothing is acknowledged before its barrier.
"""

from __future__ import annotations

import threading
import time

import psycopg

from ....domain.errors import LogError
from ..port import Rows
from .connection import PostgresRows, Target

TOLD_S = 0.05
"""Seconds between two notifications of one process; chosen: PostgreSQL commits notifying transactions one by one."""


class InDoubt(LogError):
    """The server was lost between a commit and its barrier: the events may be stored or not."""


class Fence:
    """The epoch in which this process leads: the number of workers that have begun, as it was when this one did."""

    epoch: int | None = None


def begin_writing(rows: PostgresRows, target: Target, turn: int, fence: Fence, *, is_alone: bool) -> int:
    """Begin a transaction in which no other process stores; return the log's size.

    Raises ``LogError`` where another worker has begun since this process did: it must not write any more.
    """
    wait = "" if is_alone else f"SELECT pg_advisory_xact_lock_shared({turn}); "
    size, epoch = rows.run(f"BEGIN; {wait}SELECT size, epoch FROM log_head FOR UPDATE")
    if fence.epoch not in (None, epoch):
        rows.run("ROLLBACK")
        raise LogError(
            f"another worker has begun on {target.label}, because this one did not answer; what this one has not stored is "
            "not stored, and it must be started again"
        )
    return int(size)


class PostgresPen:
    """One process's connection for writing. See ``Pen``."""

    def __init__(self, target: Target, turn: int, fence: Fence, rows: PostgresRows | None = None) -> None:
        self._target, self._turn_key, self._fence = target, turn, fence
        self._rows = rows
        self._turn: PostgresRows | None = None
        """The connection that keeps the turn over several transactions."""
        self._keeps = False
        self._committed = self._safe = self._doubtful = 0
        """Numbers of the last commit, of the last one that is safe on the disk, and of the last one that is in doubt if it
        is not safe."""
        self._mutex = threading.Lock()
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
        """Nothing, because each transaction waits for the head row; with ``keeps``, the turn until ``release``."""
        if not keeps:
            return
        if self._turn is None or self._turn.is_lost:
            self._turn = self._target.connect(writes=True)
        self._turn.execute("SELECT pg_advisory_lock(?)", (self._turn_key,))
        self._keeps = True

    def release(self) -> None:
        """Give a kept turn back. Idempotent."""
        if self._keeps and self._turn is not None:
            self._keeps = False
            self._turn.execute("SELECT pg_advisory_unlock(?)", (self._turn_key,))

    def begin(self, size: int | None) -> bool:
        """Begin a transaction; whether the log still has this size."""
        rows = self._open()
        with self._mutex:
            if self._barrier is None:
                # Before the commit: a server that dies in between takes this connection with it, and so shows that it died.
                self._barrier = self._target.connect(writes=True)
        return begin_writing(rows, self._target, self._turn_key, self._fence, is_alone=self._keeps) == size

    def commit(self) -> int:
        """End the transaction, without waiting for the disk; return the number of the commit."""
        now = time.monotonic()
        if now - self._told >= TOLD_S:
            self._open().run(f"NOTIFY {self._target.schema}; COMMIT")
            self._told = now
        else:
            self._open().run("COMMIT")
        self._committed += 1
        return self._committed

    def settle(self, number: int) -> None:
        """Wait until the commit and all before it are safe on the disk; one wait serves all threads that are behind.

        Raises ``InDoubt``.
        """
        with self._mutex:
            if self._safe >= number:
                return
            if number > self._doubtful and self._barrier is not None:
                last = self._committed
                try:
                    self._barrier.execute("SELECT pg_logical_emit_message(true, 'grokputer', '')")
                    self._safe = last
                    return
                except psycopg.Error:
                    self._drop_barrier()
        raise InDoubt(
            f"{self._target.label} was lost before what was written was safe, so it may be stored or not; look before you "
            "repeat it"
        )

    def _lose_barrier(self) -> None:
        """A connection was lost: no barrier may vouch for what was committed before."""
        with self._mutex:
            if self._barrier is not None:
                self._drop_barrier()

    def _drop_barrier(self) -> None:
        self._doubtful = self._committed
        if self._barrier is not None:
            self._barrier.close()
        self._barrier = None

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._lose_barrier()
        for rows in (self._rows, self._turn):
            if rows is not None:
                rows.close()
        self._rows = self._turn = None
        self._keeps = False
