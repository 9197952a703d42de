"""Checkpoints of a training: the folders ``checkpoint-N`` of its job, each used only while every byte is as it was written.

Each holds a file ``complete`` in the form of ``sha256sum``, written last: first the other files are brought to the disk. So a
checkpoint that a kill or a power cut left in pieces, or that was changed later, is told from a whole one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ..registry.files import sync, write_atomically

COMPLETE = "complete"
"""The file that says that the checkpoint is whole, and the SHA-256 of its other files."""


def seal(checkpoint: Path) -> None:
    """Bring the checkpoint's files to the disk, then say that it is whole."""
    files = _files(checkpoint)
    for file in files.values():
        sync(file)
    sync(checkpoint)
    write_atomically(checkpoint / COMPLETE, "".join(f"{_hash(file)}  {name}\n" for name, file in files.items()))
    sync(checkpoint)
    sync(checkpoint.parent)


def newest_whole(job: Path, say: Callable[[str], None] = lambda line: None) -> Path | None:
    """The newest whole checkpoint of the job, None where there is none.

    Newer ones, which are in pieces or were changed, are removed; one line each says why.
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
        say(f"{checkpoint.name} cannot be used: {fault}; the training goes on from {place}")
    return newest


def find_fault(checkpoint: Path) -> str:
    """Why the checkpoint is not as it was written, empty where it is."""
    try:
        lines = (checkpoint / COMPLETE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return "it was not written to its end"
    except (OSError, ValueError):
        return f"its file {COMPLETE} cannot be read"
    written = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = _files(checkpoint)
    if not written:
        return "nothing says what its files were"
    for name in sorted(written | files):
        if name not in files:
            return f"{name} is missing"
        if name not in written or _hash(files[name]) != written[name]:
            return f"{name} is not what was written"
    return ""


def _files(checkpoint: Path) -> dict[str, Path]:
    """The files by their names in the checkpoint, without the one that says that it is whole."""
    found = {file.relative_to(checkpoint).as_posix(): file for file in checkpoint.rglob("*") if not file.is_dir()}
    return {name: file for name, file in sorted(found.items()) if name not in (COMPLETE, f".{COMPLETE}.aside")}


def _step(checkpoint: Path) -> int:
    step = checkpoint.name.removeprefix("checkpoint-")
    return int(step) if step.isdecimal() else 0


def _hash(file: Path) -> str:
    """Read each time: a remembered hash would not notice a disk that lost a bit."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "unreadable"
