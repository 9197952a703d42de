"""Writing to a log's file: one connection, and the write lock of the log."""

from __future__ import annotations

from pathlib import Path

from ....domain.merkle import Tree
from ..port import Rows
from .connection import connect
from .locks import WriteLock


class SqlitePen:
    """One process's connection for writing, and the lock that gives it its turn. See ``Pen``."""

    def __init__(self, path: Path, rows: Rows | None = None) -> None:
        self.path = path
        self._lock = WriteLock(path)
        self._rows = rows
        self._version = 0
        """SQLite's ``data_version`` at the last ``begin``: another connection's commit changes it."""

    @property
    def rows(self) -> Rows:
        """The connection, opened at the first use."""
        if self._rows is None:
            self._rows = connect(self.path)
            # What a savepoint keeps of changed pages goes to a temporary file from 64 KB on, which a batch of requests has.
            self._rows.execute("PRAGMA temp_store = MEMORY")
        return self._rows

    def acquire(self, *, keeps: bool = False) -> None:
        """Wait until this process has the lock. Raises ``LogError`` where another has it for too long, ``OSError``."""
        self._lock.acquire()

    def release(self) -> None:
        """Release the lock. Idempotent."""
        self._lock.release()

    def begin(self, known: Tree | None) -> Tree | None:
        """Begin a transaction; the known tree, unless another connection has stored events since it was known."""
        # Take the write lock first: a transaction that begins by reading cannot be upgraded while another one writes.
        self.rows.execute("BEGIN IMMEDIATE")
        version: int = self.rows.execute("PRAGMA data_version").fetchone()[0]
        seen, self._version = self._version, version
        # Most other commits only change views.
        return known if known is None or seen == version or known.size == self._size() else None

    def _size(self) -> int:
        return self.rows.execute("SELECT MAX(position) FROM stored_events").fetchone()[0] or 0

    def defer(self) -> None:
        """Nothing: statements take no round trips."""

    def commit(self) -> int:
        """End the transaction; everything is safe on the disk then."""
        self.rows.execute("COMMIT")
        return 0

    def settle(self, number: int) -> None:
        """Nothing: a commit waits for the disk."""

    def close(self) -> None:
        """Close the files; the next use opens them again."""
        if self._rows is not None:
            self._rows.close()
        self._lock.close()
        self._rows = None
