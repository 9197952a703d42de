"""Backups: a folder with a copy of the log and of its adapters' weights, verified when it is made and again before it is used.

It has the layout of a log with its weights, so every reading command accepts ``<backup>/events.db``, and ``sha256sum -c
SHA256SUMS`` verifies it by hand. Nothing here ever overwrites a backup or deletes a log.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from ...adapters.registry.files import sync
from ...adapters.registry.local import SUMS, WeightStore
from ...adapters.registry.lock import Held, hold
from ...domain.errors import DamagedWeights, Hint, LogError, NotPossible
from ..store.lease import lease
from ..store.ledger import Ledger
from ..store.log import Log, adapters_folder
from ..store.place import DatabaseUrl, Place, open_store
from ..store.sqlite import files
from ..store.states import load_state
from .integrity import verify
from .jsonl import export_log, import_log
from .replay import replay

LOG = "events.db"


@dataclass(frozen=True)
class Backup:
    """The content of a backup: its events, its adapters' weights, and the adapters whose weights are missing."""

    events: int
    weights: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """The result of a restore or of its dry run; ``lost`` counts the events that only the replaced log has, None if it
    is unreadable."""

    backup: Backup
    lost: int | None
    kept: Path | None
    """The replaced log under its new name; None where there was none."""


def back_up(log: Log, folder: Path, *, with_weights: bool = True) -> Backup:
    """Copy the log as of one moment, while others may write, and verify the copy. The folder is complete or absent.

    Raises ``NotPossible`` where the folder exists, ``LogError`` where the copy fails verification.
    """
    if folder.exists():
        raise NotPossible(f"{folder} exists already; a backup never replaces another, give a new name")
    with _unfinished(folder) as aside:
        copy = aside / LOG
        _copy(log, copy)
        try:
            events = prove(copy, mends=True)
        except LogError as error:
            raise LogError(
                f"{log.label} is damaged, so it was not backed up; the fault of its copy: {error}"
            ) from error
        source = WeightStore(adapters_folder(log.path) / "weights")
        stored, missing = _add_weights(copy, source, adapters_folder(copy)) if with_weights else (0, ())
        (aside / SUMS).write_text(_sums(aside), encoding="utf-8")
        for path in [*aside.rglob("*"), aside]:
            sync(path)
        aside.rename(folder)
    sync(folder.resolve().parent)
    return Backup(events, stored, missing)


def prove(file: Path, *, mends: bool = False) -> int:
    """Verify the log and return its number of events. Raises ``LogError`` for a fault.

    SQLite must find the file sound, every event must be in its place, unchanged and decodable, every text must match
    its key, and every view must equal what follows from the events. With ``mends``, views that are behind or differ are
    rebuilt.
    """
    log = Log.open(file)
    if damage := files.find_damage(file):
        raise LogError(f"{file} is damaged ({damage}); use another backup")
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
    files.remove_lock(file)
    if differing:
        raise LogError(
            f"{file}: the saved {', '.join(differing)} differ from what follows from its events; use another backup"
        )
    return finding.head.size


def restore(folder: Path, place: Place, *, force: bool = False, dry_run: bool = False) -> Restored:
    """Put the verified backup in the log's place; an existing log is kept under another name.

    Into a database it is imported, so that one must not hold a log with events.

    Raises ``NotPossible`` while a worker or another process has the log open. Without ``force``, also where the log is
    unreadable or holds events that the backup lacks. Raises ``LogError`` and ``DamagedWeights`` where the backup is
    damaged.
    """
    if isinstance(place, DatabaseUrl):
        return _restore_into(folder, place, dry_run=dry_run)
    path = place.resolve()
    if not path.parent.is_dir():
        raise LogError(f"no folder {path.parent} for the restored log; make it", hint=Hint.NAME_OTHER_LOG)
    _check_sums(folder)
    incoming = path.with_name(f".{path.name}.restoring")
    with lease(Log(open_store(path)), waits=False):
        files.remove(incoming)
        try:
            files.take_in(folder / LOG, incoming, path)
            events = prove(incoming)
            lost = _count_lost(path, incoming)
            if not dry_run and not force and lost != 0:
                raise NotPossible(_would_lose(path, folder, lost), hint=Hint.FORCE_RESTORE)
            if dry_run:
                return Restored(Backup(events, 0, ()), lost, None)
            source = WeightStore(adapters_folder(folder / LOG) / "weights")
            stored, missing = _add_weights(incoming, source, adapters_folder(path))
            files.stand_up(incoming)
            with files.alone(path, is_readable=lost is not None):
                kept = files.swap(path, incoming)
        finally:
            files.remove(incoming)
    return Restored(Backup(events, stored, missing), lost, kept)


def _restore_into(folder: Path, place: DatabaseUrl, *, dry_run: bool) -> Restored:
    """Import the verified backup into the database, which must be without a log, or have one without events."""
    _check_sums(folder)
    with TemporaryDirectory() as temporary:
        incoming = Path(temporary) / LOG
        files.take_in(folder / LOG, incoming, incoming)
        events = prove(incoming)
        store = open_store(place)
        if not store.is_blank() and (there := Log.open(place).position):
            raise NotPossible(f"{place} holds {there} events; a restore into a database needs an empty one")
        if dry_run:
            return Restored(Backup(events, 0, ()), 0, None)
        with TemporaryFile() as lines:
            export_log(Log.open(incoming), lines)
            lines.seek(0)
            log = Ledger.create(place)
            import_log(log, lines)
        source = WeightStore(adapters_folder(folder / LOG) / "weights")
        stored, missing = _add_weights(incoming, source, adapters_folder(log.path))
    return Restored(Backup(events, stored, missing), 0, None)


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A folder beside it to fill; one that a killed process left is emptied. Raises ``NotPossible``."""
    if not folder.resolve().parent.is_dir():
        raise NotPossible(f"no folder {folder.parent} for the backup; make it, or give another name")
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
                shutil.rmtree(aside, ignore_errors=True)  # after the rename there is nothing to remove
                lock.unlink(missing_ok=True)
    except Held as holder:
        raise NotPossible(
            f"another process is making the backup {folder} ({holder}); wait until it ends, or give another name"
        ) from None


def _copy(log: Log, copy: Path) -> None:
    """Copy the log as of one moment to a file, which can be read where nothing can be written. Raises ``LogError``."""
    if log.database.file is not None:
        files.copy_log(log.database.file, copy)
        open_store(copy).upgrade()
        return
    with TemporaryFile() as lines:
        export_log(log, lines)
        lines.seek(0)
        copied = Ledger.create(copy)
        import_log(copied, lines)
        copied.close()
    files.lay_down(copy)


def _add_weights(log: Path, source: WeightStore, folder: Path) -> tuple[int, tuple[str, ...]]:
    """Add the weights of the log's adapters to the store in the folder, every byte verified.

    Returns the number of sets there, and the adapters whose weights are neither there nor, undamaged, in the source.
    """
    store, missing = WeightStore(folder / "weights"), []
    adapters = load_state(Log.open(log)).registry.adapters
    hashes = {name: adapter.weights for name, adapter in adapters.items() if not adapter.is_tuned}
    for name, hash in hashes.items():
        try:
            store.put(source.path(hash))
        except DamagedWeights:
            try:
                store.path(hash)
            except DamagedWeights:
                missing.append(name)
    return len(set(hashes.values())) - len({hashes[name] for name in missing}), tuple(missing)


def _sums(folder: Path) -> str:
    """One line per file, in the form of ``sha256sum``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SUMS)
    return "".join(f"{_digest(file)}  {file.relative_to(folder).as_posix()}\n" for file in files)


def _check_sums(folder: Path) -> None:
    """Raise ``LogError`` unless every file of the backup is as written."""
    if not (folder / LOG).is_file() or not (folder / SUMS).is_file():
        raise LogError(f"{folder} is not a backup", hint=Hint.GIVE_BACKUP)
    text = (folder / SUMS).read_text(encoding="utf-8", errors="replace")
    recorded = [line.partition("  ") for line in text.split("\n") if line]
    for digest, _, name in recorded:
        file = folder / name
        if not file.is_file() or _digest(file) != digest:
            raise LogError(f"{file} differs from what was backed up; use another backup")
    if LOG not in [name for _, _, name in recorded]:
        raise LogError(f"{folder / SUMS} does not name {LOG}; use another backup")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _count_lost(path: Path, incoming: Path) -> int | None:
    """Number of events of the log from the first one that the backup lacks; None where the log is unreadable."""
    if not path.exists():
        return 0
    try:
        Log.open(path)
        return files.count_lost(path, incoming)
    except (*files.ERRORS, LogError):
        return None


def _would_lose(path: Path, folder: Path, lost: int | None) -> str:
    if lost is None:
        return f"{path} cannot be read, so it may hold events that {folder} lacks"
    events = "an event" if lost == 1 else f"{lost} events"
    return f"{path} holds {events} that {folder} lacks"
