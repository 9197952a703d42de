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
def hold(target: Target, name: str, fence: Fence, *, waits: bool) -> Iterator[None]:
    """Have the lock until the block ends. Raises ``Held`` where another has it, unless this ``waits``; ``psycopg.Error``."""
    key = key_of(target.schema, name)
    rows = target.connect(writes=True, waits=True)
    try:
        if waits:
            rows.execute("SELECT pg_advisory_lock(?)", (key,))
        elif not rows.execute("SELECT pg_try_advisory_lock(?)", (key,)).fetchone()[0]:
            raise Held(find_holder(rows, key) or "another process")
        if name == LEASE:
            fence.epoch = int(rows.execute("UPDATE log_head SET epoch = epoch + 1 RETURNING epoch").fetchone()[0])
        yield
    finally:
        if name == LEASE:
            fence.epoch = None
        with suppress(psycopg.Error):  # the server ends a closed connection a moment later
            rows.execute("SELECT pg_advisory_unlock(?)", (key,))
        rows.close()


def find_holder(rows: PostgresRows, key: int) -> str | None:
    """Who has the lock, ``process 4711 on …``; None without one. This does not try the lock."""
    row = rows.execute(_HOLDER, (key,)).fetchone()
    return None if row is None else str(row[0]) or "another process"
