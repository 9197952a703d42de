"""Locks between processes: a file that one process at a time holds; the system releases it when that process ends.

The holder writes its identity into the file, so that a waiting process can name it.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

POLL_S = 0.1
"""Seconds between two attempts of ``hold``; chosen: the guarded work takes seconds to hours."""

WITHOUT_LIMIT = -1.0
"""For ``hold``: wait without a limit."""

_ENTRY_BYTES = 200
"""Length of a holder's entry, always the same, so that no part of an earlier entry remains; chosen."""


class Held(Exception):
    """Another process holds the lock; the message names it."""


@contextmanager
def hold(file: Path, wait_s: float = 0.0, *, mode: int = 0o644) -> Iterator[None]:
    """Hold the lock on the file until the block ends; the file is created where it is missing, with these permissions.

    Waits at most ``wait_s`` seconds. Raises ``Held``, and ``OSError`` where the file cannot be created.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(file.resolve(), timeout=wait_s, mode=mode)
    try:
        lock.acquire(poll_interval=POLL_S)
    except Timeout:
        raise Held(read_holder(file)) from None
    try:
        with file.open("r+b") as entry:
            write_holder(entry.fileno(), holder_entry())
        yield
    finally:
        with suppress(OSError):
            os.truncate(file, 0)  # the lock is free from here on
        lock.release()


def holder_entry() -> bytes:
    """The entry of this process for a lock file. The file's own modification time is the time of locking."""
    entry = f"{os.getpid()} ({_command()}) on {platform.node()}".encode(errors="replace")
    return entry[: _ENTRY_BYTES - 1].ljust(_ENTRY_BYTES - 1) + b"\n"


def write_holder(descriptor: int, entry: bytes) -> None:
    """Write the entry into the open lock file."""
    with suppress(OSError):  # a full disk: the lock is held all the same
        os.pwrite(descriptor, entry, 0)


def read_holder(file: Path) -> str:
    """The holder of the lock, for a message: ``process 4711 (grokputer work) on …, since … UTC``.

    The process may have ended since; an empty file gives ``another process``.
    """
    try:
        entry = file.read_bytes()[:_ENTRY_BYTES].decode(errors="replace")
        since = f", since {datetime.fromtimestamp(file.stat().st_mtime, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except OSError:
        entry = since = ""
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in entry).split())
    return f"process {shown}{since}" if shown else "another process"


def read_process(file: Path) -> int | None:
    """The id of the process that holds the lock; None where the file names none, or that process has ended."""
    try:
        process = int(file.read_text(encoding="utf-8").split()[0])
        os.kill(process, 0)
    except PermissionError:
        return process  # another user's process
    except (OSError, ValueError, IndexError, OverflowError):
        return None
    return process


def _command() -> str:
    """The program and its subcommand. Other arguments may be private text, which must not stay in a file."""
    program, *arguments = [Path(sys.argv[0] if sys.argv else "").name or "python", *sys.argv[1:2]]
    is_ours = program.startswith("grokputer") and arguments and re.fullmatch("[a-z-]{1,20}", arguments[0])
    return f"{program} {arguments[0]}" if is_ours else program
