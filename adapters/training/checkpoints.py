"""Checkpoints of a training: the folders ``checkpoint-N`` of its job; each is used only if every byte is as written.

Each holds a file ``complete`` in the form of ``sha256sum``. It is written last, after the other files are on the disk.
So a checkpoint that a kill or a power cut left incomplete, or that was changed later, is recognised.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ..registry.files import sync, write_atomically

COMPLETE = "complete"
"""The file that marks a checkpoint as complete, with the SHA-256 of its other files."""


def seal(checkpoint: Path) -> None:
    """Flush the checkpoint's files to the disk, then mark it as complete."""
    files = _files(checkpoint)
    for file in files.values():
        sync(file)
    sync(checkpoint)
    write_atomically(checkpoint / COMPLETE, "".join(f"{_hash(file)}  {name}\n" for name, file in files.items()))
    sync(checkpoint)
    sync(checkpoint.parent)


def newest_whole(job: Path, say: Callable[[str], None] = lambda line: None) -> Path | None:
    """The newest complete checkpoint of the job; None where there is none.

    Newer ones, incomplete or changed, are removed; ``say`` gets one line with the reason for each.
    """
    faults = []
    newest = None
    for checkpoint in sorted(job.glob("checkpoint-*"), key=_step, reverse=True):
        fault = find_fault(checkpoint)
        if not fault:
            newest = checkpoint
            break
        faults.append((checkpoint, fault))
    place = newest.name if newest is not None else "the beginning"
    for checkpoint, fault in faults:
        shutil.rmtree(checkpoint, ignore_errors=True)
        say(f"{checkpoint.name} cannot be used: {fault}; the training continues from {place}")
    return newest


def find_fault(checkpoint: Path) -> str:
    """Why the checkpoint differs from what was written; empty where it does not."""
    try:
        lines = (checkpoint / COMPLETE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return "it is incomplete"
    except (OSError, ValueError):
        return f"its file {COMPLETE} cannot be read"
    recorded = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = _files(checkpoint)
    if not recorded:
        return "its list of files is empty"
    for name in sorted(recorded | files):
        if name not in files:
            return f"{name} is missing"
        if name not in recorded or _hash(files[name]) != recorded[name]:
            return f"{name} was changed"
    return ""


def _files(checkpoint: Path) -> dict[str, Path]:
    """The files by their names in the checkpoint, without the marker."""
    files = {file.relative_to(checkpoint).as_posix(): file for file in checkpoint.rglob("*") if not file.is_dir()}
    return {name: file for name, file in sorted(files.items()) if name not in (COMPLETE, f".{COMPLETE}.aside")}


def _step(checkpoint: Path) -> int:
    step = checkpoint.name.removeprefix("checkpoint-")
    return int(step) if step.isdecimal() else 0


def _hash(file: Path) -> str:
    """Never cached: a cached hash would not notice a disk that lost a bit."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "unreadable"
