"""The locks of a log, each on a file beside it: the write lock, the lease of the one worker, and those of runs.

The system releases both when their process ends. SQLite itself waits by sleeping and retrying, so of four busy writers
one may wait for seconds. A process that waits for the write lock retries for as long as a few commits take, and then
enters the kernel's queue. Measured with four busy writers on two busy cores: 1,605 events a second in
all, the longest wait 74 ms; with the queue alone 629 a second and 604 ms, as each wait wakes a thread.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ....adapters.registry.lock import WITHOUT_LIMIT, Held, hold, holder_entry, read_holder, read_process, write_holder
from ....domain.errors import LogError
from .connection import mode_beside

WAIT_S = 30.0
"""Seconds to wait for another process's write; chosen: a commit takes milliseconds, on a busy disk seconds."""

TRIES, PAUSE_S = 16, 0.0001
"""How often, and after which pause in seconds, a writer tries again before it queues: a commit takes about 0.3 ms."""


def lock_of(path: Path) -> Path:
    """The lock file, the same for every link to the log."""
    path = path.resolve()
    return path.with_name(f"{path.name}.lock")


class WriteLock:
    """The right of one thread to write to the log at the path, against other threads and processes.

    Use it as ``with lock:``. Raises ``LogError`` with the holder's name after ``WAIT_S`` seconds of waiting, and
    ``OSError`` where the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._entry = holder_entry()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *raised: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Wait until this thread has the lock. After an interruption the lock is free again."""
        if self._file is None:
            self._file = os.open(lock_of(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode_beside(self.path))
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not _try_again(self._file):
                    self._wait(self._file)
            write_holder(self._file, self._entry)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock. Idempotent."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the lock and close its file; the next use opens it again."""
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def __del__(self) -> None:
        self.close()

    def _wait(self, file: int) -> None:
        """Wait in the kernel's queue, which has no time limit: a helper thread waits there, and is left behind at the limit."""
        self._file = None
        waiter = _Waiter(file)
        try:
            waiter.start()
            waiter.done.wait(WAIT_S)
        finally:
            if waiter.hand_over():
                self._file = file
        if waiter.error is not None:
            raise waiter.error
        if self._file is None:
            raise LogError(
                f"{self.path} is being written by {read_holder(lock_of(self.path))}, for over {WAIT_S:g} s; wait until it "
                "ends, or end it if it hangs or is stopped, and try again: nothing recorded is lost"
            )


def _try_again(file: int) -> bool:
    """Whether the lock on the open file was free at one of the next tries."""
    for _ in range(TRIES):
        time.sleep(PAUSE_S)
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


class _Waiter(threading.Thread):
    """Waits without a limit for the lock on an open file. A caller that gives up leaves the file to this thread."""

    def __init__(self, file: int) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.error: OSError | None = None
        self._file = file
        self._mutex = threading.Lock()
        self._is_wanted = True

    def run(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            self.error = error
        with self._mutex:
            self.done.set()
            if not self._is_wanted:
                os.close(self._file)

    def hand_over(self) -> bool:
        """Whether the file belongs to the caller again; otherwise this thread closes it, and the lock with it, after
        the wait."""
        with self._mutex:
            self._is_wanted = self.done.is_set()
            return self._is_wanted


class FileLock:
    """A lock on a file, which nothing takes away. See ``Lock``."""

    def keep(self) -> None:
        """Nothing: the system frees it with its process."""


def named_lock(path: Path, name: str) -> Path:
    """The file of the lock of this name beside the log."""
    return Path(f"{path.resolve()}.{name}")


@contextmanager
def hold_named(path: Path, name: str, *, waits: bool) -> Iterator[FileLock]:
    """Have the lock until the block ends. Raises ``Held`` where another has it, unless this ``waits``; ``OSError``."""
    with hold(named_lock(path, name), WITHOUT_LIMIT if waits else 0.0, mode=mode_beside(path)):
        yield FileLock()


@contextmanager
def hold_passing(path: Path, name: str) -> Iterator[FileLock]:
    """Have the lock until the block ends; its file ends with it. Raises ``Held`` where another has it, ``OSError``."""
    place = named_lock(path, name)
    file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode_beside(path))
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held("another process") from None
        try:
            yield FileLock()
        finally:
            place.unlink(missing_ok=True)
    finally:
        os.close(file)


def is_held(path: Path, name: str) -> bool:
    """Whether a process has the lock. An unreadable one counts as held. The file of a lock that is free is removed."""
    place = named_lock(path, name)
    try:
        file = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        with suppress(OSError):
            place.unlink(missing_ok=True)
        return False
    finally:
        os.close(file)


def find_holder(path: Path, name: str) -> str | None:
    """Who has the lock, ``process 4711``; None without one. This does not try the lock."""
    process = read_process(named_lock(path, name))
    return None if process is None else f"process {process}"
