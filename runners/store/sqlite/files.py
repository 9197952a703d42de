"""A log's file as a whole: a copy of one moment, its replacement by another, and the removal of what deletions left."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from ....adapters.registry.files import sync
from ....domain.errors import LogError, NotPossible
from .connection import INDEX, JOURNAL, WAL, connect, create_private, explain, mode_beside, uri
from .locks import lock_of

LEFTOVERS = (WAL, INDEX, JOURNAL)
"""What a killed process leaves beside an open log."""

ALONE_S = 3.0
"""Seconds to wait until no other process has the log open; chosen: a reading command ends sooner."""

READERS_S = 5.0
"""Seconds to wait until no reader needs the write-ahead log; chosen: a reading command ends sooner."""


ERRORS = (sqlite3.Error,)
"""The errors of SQLite."""


def find_damage(file: Path) -> str:
    """What SQLite finds damaged in the file, at most 200 letters; empty where it is sound. Raises ``LogError``."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            result: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        raise explain(file, error) from error
    return "" if result == "ok" else " ".join(result.split())[:200]


TRIGGERS = ("log_keeps_events", "log_loses_nothing", "log_replaces_nothing")
"""What keeps the log append-only."""


def examine(file: Path) -> Iterator[tuple[str, str, str]]:
    """Whether the file is sound and its journal shared, and whether its triggers are there. Raises ``LogError``."""
    try:
        with closing(connect(file, "ro")) as connection:
            problems = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        with file.open("rb") as stream:
            # SQLite, "File Format", 1.3.3; a log as it lies has no journal to ask
            is_wal = stream.read(20)[18:] == b"\x02\x02"
    except sqlite3.Error as error:
        raise explain(file, error) from error
    if problems != ["ok"]:
        yield "log", "fail", f"{file} is damaged ({problems[0]}); restore it from a backup"
    elif not is_wal:
        no_wal = "sound, but its journal is not wal, so readers wait for writers; run PRAGMA journal_mode = WAL on it"
        yield "log", "warn", no_wal
    else:
        yield "log", "ok", f"{file} is sound, journal wal"
    if missing := [name for name in TRIGGERS if name not in there]:
        wrong = f"missing: {', '.join(missing)}; the log could be changed, restore it from a backup"
        yield "guards", "fail", wrong
    else:
        yield "guards", "ok", "the log refuses changes and deletions"


def copy_log(log: Path, copy: Path) -> None:
    """SQLite's online backup: the pages as of one moment, in one pass, so that writers neither wait nor restart it.

    Raises ``LogError``.
    """
    try:
        create_private(copy)
        with (
            closing(connect(log, "ro")) as source,
            closing(sqlite3.connect(copy, isolation_level=None)) as target,
        ):
            source.backup(target)
        lay_down(copy)
        copy.chmod(mode_beside(log))
    except (sqlite3.Error, OSError) as error:
        raise explain(copy, error) from error


def lay_down(file: Path) -> None:
    """Make the log a single file, which can be read where nothing can be written. Raises ``sqlite3.Error``."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def take_in(file: Path, incoming: Path, place: Path) -> None:
    """Copy a file to ``incoming``, as the log that will be at the place. Raises ``OSError``."""
    create_private(incoming)
    shutil.copyfile(file, incoming)
    incoming.chmod(mode_beside(place if place.exists() else file))


def stand_up(file: Path) -> None:
    """Make the log one that readers and writers share, and sync it. Raises ``sqlite3.Error``, ``OSError``."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    sync(file)


def count_lost(path: Path, incoming: Path) -> int:
    """Number of events of the log at the path from the first one that the incoming one lacks. Raises ``sqlite3.Error``."""
    same = " AND ".join(
        f"own.{name} = other.{name}" for name in ("originator_id", "originator_version", "topic", "state")
    )
    with closing(connect(path, "ro")) as connection:
        connection.execute("ATTACH ? AS backup", (f"{uri(incoming)}?mode=ro",))
        first = connection.execute(
            "SELECT MIN(own.position) FROM main.stored_events AS own LEFT JOIN backup.stored_events AS other "
            f"ON other.position = own.position WHERE other.position IS NULL OR NOT ({same})"
        ).fetchone()[0]
        rows = connection.execute("SELECT COUNT(*) FROM main.stored_events WHERE position >= ?", (first,))
        return int(rows.fetchone()[0])


@contextmanager
def alone(path: Path, *, is_readable: bool) -> Iterator[None]:
    """No other process has the log open or can open it, and everything written is in the one file."""
    if not path.exists() or not is_readable:
        yield
        return
    with closing(sqlite3.connect(path, timeout=ALONE_S, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")  # possible only for the last process that has it open
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise NotPossible(f"{path} is open in another process; end it, and restore again") from None
            raise explain(path, error) from error
        yield


def swap(path: Path, incoming: Path) -> Path | None:
    """Put the new log in place atomically and keep the old one: after any interruption one of them is complete."""
    for link in path.parent.glob(f"{path.name}.replaced-*"):
        if path.exists() and link.samefile(path):
            link.unlink()  # of a restore that was killed before the replacement
    names = (path.with_name(f"{path.name}.replaced-{number}") for number in count(1))
    kept = next(name for name in names if not name.exists())
    had_log = path.exists()
    if had_log:
        os.link(path, kept)
    for end in LEFTOVERS:
        if (leftover := path.with_name(path.name + end)).exists():
            leftover.rename(kept.with_name(kept.name + end))
    incoming.replace(path)
    sync(path.parent)
    return kept if had_log else None


def remove(incoming: Path) -> None:
    """Remove the file and what SQLite keeps beside it."""
    for end in ("", *LEFTOVERS):
        incoming.with_name(incoming.name + end).unlink(missing_ok=True)


def remove_lock(copy: Path) -> None:
    """Remove the write lock beside a copy, to which no other process writes."""
    lock_of(copy).unlink(missing_ok=True)


def rid_of_traces(path: Path) -> None:
    """Rewrite the log's file and empty its write-ahead log, so that no page holds a byte of deleted texts.

    Raises ``LogError`` while another process reads, and without space for a second copy: the texts are deleted then,
    but bytes of them may remain in the files.
    """
    warning = f"the words are erased, but bytes of them may remain in the files of {path}"
    try:
        with closing(connect(path)) as connection:
            connection.execute("VACUUM")
            connection.execute(f"PRAGMA busy_timeout = {round(READERS_S * 1000)}")
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise LogError(f"{warning}: another process reads it; end it and repeat the erasure")
    except sqlite3.Error as error:
        raise LogError(f"{warning} ({error}); make room for a second copy of the log and repeat the erasure") from error
