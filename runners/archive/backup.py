"""Backups: a folder with a copy of the log and of its adapters' weights, proven when it is made and again before it is used.

It is laid out as the log and its weights are, so any reading command can be given ``<backup>/events.db``, and ``sha256sum -c
SHA256SUMS`` checks it by hand. Nothing here ever overwrites a backup or deletes a log.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ...adapters.registry.files import sync
from ...adapters.registry.local import SUMS, WeightStore
from ...adapters.registry.lock import Held, hold
from ...domain.errors import DamagedWeights, LogError, NotPossible
from ..store.connection import connect, explain, uri
from ..store.locks import lease, lock_of
from ..store.log import Log, adapters_folder
from ..store.schema import upgrade_tables
from ..store.states import load_state
from .integrity import verify
from .replay import replay

LOG = "events.db"
LEFTOVERS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a log while it is open, and what a process that was killed leaves there."""

ALONE_S = 3.0
"""Seconds to wait until no other process has the log open; chosen: a command that reads ends sooner."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds: its events, its adapters' weights, and the adapters whose weights it lacks."""

    events: int
    weights: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """What was restored, or would be; ``lost`` counts the events that only the replaced log has, None if it cannot be read."""

    backup: Backup
    lost: int | None
    kept: Path | None
    """The log that was there, under its new name; None where there was none."""


def back_up(log: Log, folder: Path, *, with_weights: bool = True) -> Backup:
    """Copy the log as it is at one moment, while others go on writing, and prove the copy; the folder is there in whole or not.

    Raises ``NotPossible`` where the folder exists, ``LogError`` where the copy is not proven.
    """
    if folder.exists():
        raise NotPossible(f"{folder} is there already; a backup never replaces another, give a new name")
    with _unfinished(folder) as aside:
        copy = aside / LOG
        _copy(log.path, copy)
        upgrade_tables(copy)
        try:
            events = prove(copy, mends=True)
        except LogError as error:
            raise LogError(f"{log.path} is not whole, so it was not backed up; its copy says: {error}") from error
        source = WeightStore(adapters_folder(log.path) / "weights")
        stored, missing = _add_weights(copy, source, adapters_folder(copy)) if with_weights else (0, ())
        (aside / SUMS).write_text(_sums(aside), encoding="utf-8")
        for path in [*aside.rglob("*"), aside]:
            sync(path)
        aside.rename(folder)
    sync(folder.resolve().parent)
    return Backup(events, stored, missing)


def prove(file: Path, *, mends: bool = False) -> int:
    """How many events the log holds. Raises ``LogError`` unless it is whole.

    That is: SQLite finds it sound, every event is where and what it was and decodes, every text is the one that was kept, and
    every view follows from the events to the bit. With ``mends`` the views may be behind or differ, and do not after it.
    """
    log = Log.open(file)
    try:
        with closing(sqlite3.connect(file)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        raise explain(file, error) from error
    if found != "ok":
        raise LogError(f"{file} is damaged ({' '.join(found.split())[:200]}); use another backup")
    finding = verify(log)
    if (fault := finding.fault) is not None:
        raise LogError(f"{file}: {fault}; use another backup")
    for _ in log.read():
        pass  # every event decodes
    views = replay(log)
    if mends and not views.is_equal:
        views = replay(log)
    differing = [view for view, is_equal in views.equal.items() if not is_equal]
    log.close()
    lock_of(file).unlink(missing_ok=True)  # nobody else writes to a copy
    if differing:
        raise LogError(
            f"{file}: what is saved of {', '.join(differing)} does not follow from its events; use another backup"
        )
    return finding.head.size


def restore(folder: Path, path: Path, *, force: bool = False, dry_run: bool = False) -> Restored:
    """Put the proven backup in the log's place; the log that was there is kept under another name.

    Raises ``NotPossible`` while a worker or another process has the log open, and, unless ``force`` is given, where the log
    holds events that the backup lacks, or cannot be read; ``LogError`` and ``DamagedWeights`` where the backup is not whole.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise LogError(f"no folder {path.parent} to restore the log to; make it, or give another path with --db")
    _check_sums(folder)
    incoming = path.with_name(f".{path.name}.restoring")
    with lease(Log(path), waits=False):
        _remove(incoming)
        try:
            shutil.copyfile(folder / LOG, incoming)
            events = prove(incoming)
            lost = _count_lost(path, incoming)
            if not dry_run and not force and lost != 0:
                raise NotPossible(_would_lose(path, folder, lost))
            if dry_run:
                return Restored(Backup(events, 0, ()), lost, None)
            source = WeightStore(adapters_folder(folder / LOG) / "weights")
            stored, missing = _add_weights(incoming, source, adapters_folder(path))
            with closing(sqlite3.connect(incoming)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
            sync(incoming)
            with _alone(path, is_readable=lost is not None):
                kept = _swap(path, incoming)
        finally:
            _remove(incoming)
    return Restored(Backup(events, stored, missing), lost, kept)


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A folder beside it to fill; whoever was killed left one of this name, which is emptied. Raises ``NotPossible``."""
    if not folder.resolve().parent.is_dir():
        raise NotPossible(f"no folder {folder.parent} to keep the backup in; make it, or give another name")
    aside = folder.with_name(f".{folder.name}.unfinished")
    lock = aside.with_name(f"{aside.name}.lock")
    try:
        with hold(lock):
            if aside.exists():
                shutil.rmtree(aside)
            aside.mkdir()
            try:
                yield aside
            finally:
                shutil.rmtree(aside, ignore_errors=True)  # where it has its name by now, nothing is left
                lock.unlink(missing_ok=True)
    except Held as holder:
        raise NotPossible(
            f"another process is making the backup {folder} ({holder}); wait until it ends, or give another name"
        ) from None


def _copy(log: Path, copy: Path) -> None:
    """SQLite's online backup: the pages as of one moment, in one go, so that writers neither wait nor make it begin again."""
    try:
        with (
            closing(connect(log, "ro")) as source,
            closing(sqlite3.connect(copy, isolation_level=None)) as target,
        ):
            source.backup(target)
            # A file of its own, which reads from where nothing can be written too.
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise explain(copy, error) from error


def _add_weights(log: Path, source: WeightStore, folder: Path) -> tuple[int, tuple[str, ...]]:
    """Add the weights of the log's adapters to the store in the folder, every byte checked.

    Returns how many sets are there now, and the adapters whose weights are neither there nor, undamaged, in the source.
    """
    store, missing = WeightStore(folder / "weights"), []
    wanted = {name: adapter.weights for name, adapter in load_state(Log.open(log)).registry.adapters.items()}
    for name, hash in wanted.items():
        try:
            store.put(source.path(hash))
        except DamagedWeights:
            try:
                store.path(hash)
            except DamagedWeights:
                missing.append(name)
    return len(set(wanted.values())) - len({wanted[name] for name in missing}), tuple(missing)


def _sums(folder: Path) -> str:
    """One line per file, in the form of ``sha256sum``."""
    files = sorted(it for it in folder.rglob("*") if it.is_file() and it != folder / SUMS)
    return "".join(f"{_digest(it)}  {it.relative_to(folder).as_posix()}\n" for it in files)


def _check_sums(folder: Path) -> None:
    """Raises ``LogError`` unless every file of the backup is what was written."""
    if not (folder / LOG).is_file() or not (folder / SUMS).is_file():
        raise LogError(f"{folder} is not a backup; give a folder that 'grokputer backup' made")
    text = (folder / SUMS).read_text(encoding="utf-8", errors="replace")
    written = [line.partition("  ") for line in text.split("\n") if line]
    for digest, _, name in written:
        file = folder / name
        if not file.is_file() or _digest(file) != digest:
            raise LogError(f"{file} is not what was backed up; use another backup")
    if LOG not in [name for _, _, name in written]:
        raise LogError(f"{folder / SUMS} does not name {LOG}; use another backup")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _count_lost(path: Path, incoming: Path) -> int | None:
    """How many events the log holds from the first one on that the backup has not; None where it cannot be read."""
    if not path.exists():
        return 0
    same = " AND ".join(
        f"it.{name} = other.{name}" for name in ("originator_id", "originator_version", "topic", "state")
    )
    try:
        Log.open(path)
        with closing(connect(path, "ro")) as connection:
            connection.execute("ATTACH ? AS backup", (f"{uri(incoming)}?mode=ro",))
            first = connection.execute(
                "SELECT MIN(it.position) FROM main.stored_events AS it LEFT JOIN backup.stored_events AS other "
                f"ON other.position = it.position WHERE other.position IS NULL OR NOT ({same})"
            ).fetchone()[0]
            rows = connection.execute("SELECT COUNT(*) FROM main.stored_events WHERE position >= ?", (first,))
            return int(rows.fetchone()[0])
    except (sqlite3.Error, LogError):
        return None


def _would_lose(path: Path, folder: Path, lost: int | None) -> str:
    if lost is None:
        return f"{path} cannot be read, so what it holds beyond {folder} is not known; --force replaces it and keeps it aside"
    events = "an event" if lost == 1 else f"{lost} events"
    return (
        f"{path} holds {events} that {folder} lacks; --force replaces it all the same and keeps it under another name"
    )


@contextmanager
def _alone(path: Path, *, is_readable: bool) -> Iterator[None]:
    """Nobody else has the log open, nor can open it, and all that was written to it is in the one file."""
    if not path.exists() or not is_readable:
        yield
        return
    with closing(sqlite3.connect(path, timeout=ALONE_S, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")  # only the last one who has it open may
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise NotPossible(f"{path} is open in another process; end it, and restore again") from None
            raise explain(path, error) from error
        yield


def _swap(path: Path, incoming: Path) -> Path | None:
    """Put the new log in place at once, the old one kept: whenever it is interrupted, one of them is there in whole."""
    for link in path.parent.glob(f"{path.name}.replaced-*"):
        if path.exists() and link.samefile(path):
            link.unlink()  # of a restore that was killed before it replaced anything
    kept = next(it for number in count(1) if not (it := path.with_name(f"{path.name}.replaced-{number}")).exists())
    was_there = path.exists()
    if was_there:
        os.link(path, kept)
    for end in LEFTOVERS:
        if (leftover := path.with_name(path.name + end)).exists():
            leftover.rename(kept.with_name(kept.name + end))
    incoming.replace(path)
    sync(path.parent)
    return kept if was_there else None


def _remove(incoming: Path) -> None:
    for end in ("", *LEFTOVERS):
        incoming.with_name(incoming.name + end).unlink(missing_ok=True)
