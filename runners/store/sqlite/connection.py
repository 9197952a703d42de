"""Connections to a log's file: opening it for reading or writing, and the meaning of its errors for a user."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path

from ....domain.errors import Hint, LogError
from ..port import Unwritable

LOCK_TIMEOUT_S = 30
"""Seconds that SQLite waits for a program that writes without ``WriteLock``, such as its shell; chosen, like ``WAIT_S``."""

WAL, INDEX, JOURNAL = "-wal", "-shm", "-journal"
"""How the names end of the files that SQLite keeps beside a log: the write-ahead log, its index, and a journal."""

ROOM_BYTES = 65_536
"""A disk with less free space counts as full; SQLite's index of the write-ahead log takes half of it."""


def require_file(path: Path) -> None:
    """Raise ``LogError`` where the path is a device, a pipe, a socket or a loop of links: none of them can be a log."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise explain(path, error) from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise LogError(f"{path} is not a regular file", hint=Hint.NAME_OTHER_LOG)


def create_private(path: Path) -> None:
    """Create the empty file for its owner alone, whatever the umask: a log has the words of people. Raises ``OSError``."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def mode_beside(path: Path) -> int:
    """The permissions of a new file beside the log: the log's own, as SQLite gives its files; its owner's without a log."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o666 | 0o600
    except OSError:
        return 0o600


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """A connection in one of SQLite's modes (``ro``, ``rw``, ``rwc``), for one thread at a time.

    Where SQLite cannot create its files beside the log, as on a read-only file system, a log that no process has open
    is read as it is. Raises ``sqlite3.Error``, and ``LogError`` for such a log that cannot be read safely, and for what
    is no file.
    """
    require_file(path)
    try:
        return _connect(path, f"mode={mode}")
    except sqlite3.OperationalError as error:
        if mode != "ro" or is_folder_writable(path) or not os.access(path, os.R_OK):
            raise
        if not is_as_it_lies(path):
            raise LogError(
                f"{path} cannot be read safely: a process uses it or was killed, and its folder cannot be written "
                f"({error}); copy it with {path.name}-wal beside it to a writable folder"
            ) from None
        return _connect(path, "mode=ro&immutable=1")


def is_folder_writable(path: Path) -> bool:
    """Whether SQLite can create the files beside the log that readers and writers share."""
    return os.access(os.path.dirname(os.path.realpath(path)), os.W_OK)  # Path.resolve raises on a loop of links


def is_as_it_lies(path: Path) -> bool:
    """Whether the log can be read without the files beside it: everything committed is in the one file."""
    journals = (file for file in beside(path, (WAL, JOURNAL)) if file.exists())
    return not any(journal.stat().st_size for journal in journals)


def _connect(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{uri(path)}?{options}", uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        # The build's default may be weaker, and a commit that a power cut undoes would be a lost event.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA schema_version")  # opens the files, so that errors show here
    except BaseException:
        connection.close()
        raise
    return connection


def beside(path: Path, ends: Sequence[str] = (WAL, INDEX)) -> tuple[Path, ...]:
    """Files that SQLite keeps beside a log with these ends to its name; of an open one the write-ahead log and its index."""
    return tuple(path.resolve().with_name(path.resolve().name + end) for end in ends)


def uri(path: Path) -> str:
    """The path in SQLite's URI form."""
    return f"file:{path.resolve().as_posix().replace('%', '%25').replace('?', '%3f').replace('#', '%23')}"


def explain(path: Path, error: BaseException) -> LogError:
    """The error of SQLite or the system as one line with the next step; ``Unwritable`` where the log can still be read."""
    reason, name = _cause(error)
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return LogError(f"{path} is damaged or not a log ({reason})", hint=Hint.RESTORE_LOG)
    if name == "SQLITE_CANTOPEN" and not os.access(path, os.R_OK):
        return LogError(f"{path} cannot be read ({reason}); check its permissions", hint=Hint.NAME_OTHER_LOG)
    if name in ("SQLITE_FULL", "ENOSPC", "EDQUOT") or (name in ("SQLITE_IOERR", "EIO") and _is_full(path)):
        return Unwritable(
            f"the disk with {path} is full; make room and run the command again, nothing recorded is lost"
        )
    if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return LogError(
            f"{path} is being written by another process, such as a restore or an SQL shell ({reason}); end it, or wait, "
            "and try again"
        )
    if name in ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "EROFS", "EACCES", "EPERM"):
        return Unwritable(f"{path} cannot be written ({reason}); {_advice(path)}", hint=Hint.NAME_OTHER_LOG)
    if name in ("SQLITE_IOERR", "EIO", "EFBIG"):
        return Unwritable(
            f"the system cannot read or write {path} ({reason}); check whether its disk is full, over a limit or "
            "failing, and run the command again",
            hint=Hint.VERIFY_LOG,
        )
    return LogError(f"{path}: {reason}")


def _cause(error: BaseException) -> tuple[str, str]:
    """The message of SQLite or the system, unwrapped, and its error name; for SQLite the primary one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (sqlite3.Error, OSError)):
        cause = cause.__cause__
    if isinstance(cause, OSError):
        return cause.strerror or str(cause), errno.errorcode.get(cause.errno or 0, "")
    detailed: str = getattr(cause, "sqlite_errorname", "")
    return str(cause or error), "_".join(detailed.split("_")[:2])


def _is_full(path: Path) -> bool:
    """Whether the disk lacks space for SQLite's files beside the log; SQLite reports that only as an I/O error."""
    folder = path.resolve().parent
    if not folder.exists():
        return False
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < ROOM_BYTES


def _advice(path: Path) -> str:
    """Why the log cannot be written, where that is known, and what to do."""
    folder = path.resolve().parent
    if folder.exists() and os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "its file system is read-only, so copy the log and the files beside it to another"
    closed = next((place for place in (path, folder) if place.exists() and not os.access(place, os.W_OK)), None)
    return "check its permissions" if closed is None else f"this user may not write {closed}, so check its permissions"
