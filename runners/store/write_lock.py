"""Taking turns: who writes to a log holds a lock on a file beside it, which the system frees when a process dies.

SQLite's own waiting is by sleeping and looking again, and of four busy writers one may wait for seconds.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def lock_of(path: Path) -> Path:
    """The file that is locked."""
    return path.with_name(f"{path.name}.lock")


class WriteLock:
    """One writer's place among those who write to the log, in this process and others. For one thread at a time.

    ``with turn:`` until the block ends nobody else has it. Raises ``OSError`` where the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def __enter__(self) -> None:
        if self._file is None:
            self._file = os.open(lock_of(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *raised: object) -> None:
        assert self._file is not None
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let the file go; the next turn opens it again."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
