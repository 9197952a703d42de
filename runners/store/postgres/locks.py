"""Locks of a name among all processes that have the log: PostgreSQL frees them when the connection of their holder ends.

A holder that is frozen keeps its lock. So the one of the worker also counts an epoch, which every write of a worker
checks: when its connection was ended from outside and another worker has begun, the frozen one cannot write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

import psycopg

from ....adapters.registry.lock import Held
from ..port import LEASE
from .connection import PostgresRows, Target
from .pen import Fence

_HOLDER = (
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((classid::bigint << 32) | objid::bigint) = ? AND objsubid = 1"
)


def key_of(schema: str, name: str) -> int:
    """The number of the lock of this name in the log's database."""
    return int.from_bytes(sha256(f"{schema}/{name}".encode()).digest()[:8], "big", signed=True)


@contextmanager
def hold(target: Target, name: str, fence: Fence, *, waits: bool) -> Iterator[ServerLock]:
    """Have the lock until the block ends. Raises ``Held`` where another has it, unless this ``waits``; ``psycopg.Error``."""
    lock = ServerLock(target, name, fence)
    try:
        lock.take(waits=waits)
        yield lock
    finally:
        lock.release()


class ServerLock:
    """A lock that the server has for a connection. See ``Lock``."""

    def __init__(self, target: Target, name: str, fence: Fence) -> None:
        self._target, self._leads, self._fence = target, name == LEASE, fence
        self._key = key_of(target.schema, name)
        self._rows: PostgresRows | None = None

    def take(self, *, waits: bool) -> None:
        """Have the lock. Raises as ``hold``."""
        rows = self._rows = self._target.connect(writes=True, waits=True)
        if waits:
            rows.execute("SELECT pg_advisory_lock(?)", (self._key,))
        elif not rows.execute("SELECT pg_try_advisory_lock(?)", (self._key,)).fetchone()[0]:
            raise Held(find_holder(rows, self._key) or "another process")
        if self._leads:
            begun = rows.execute("UPDATE log_head SET epoch = epoch + 1 RETURNING epoch").fetchone()
            self._fence.epoch = int(begun[0])

    def keep(self) -> None:
        """Have the lock again where the connection was lost. Raises ``Held``, ``psycopg.Error``."""
        if self._rows is None or not self._rows.is_there():
            self._close()
            self.take(waits=False)

    def release(self) -> None:
        """Give the lock back."""
        if self._leads:
            self._fence.epoch = None
        if self._rows is not None:
            with suppress(psycopg.Error):  # the server ends a closed connection a moment later
                self._rows.execute("SELECT pg_advisory_unlock(?)", (self._key,))
        self._close()

    def _close(self) -> None:
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()


def find_holder(rows: PostgresRows, key: int) -> str | None:
    """Who has the lock, ``process 4711 on …``; None without one. This does not try the lock."""
    row = rows.execute(_HOLDER, (key,)).fetchone()
    return None if row is None else str(row[0]) or "another process"
