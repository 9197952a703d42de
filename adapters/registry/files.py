"""Files written whole, and hashes of files: those of large ones are remembered, so that a base model of many gigabytes is
read once and not at every start."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

LARGE = 256_000_000
"""Bytes from which a file's hash is remembered; chosen: it takes a second or so to compute."""


def hash_file(file: Path) -> str:
    """The file's sha256, in hex. A remembered one holds while path, size and both times of change are the same."""
    stat = file.stat()
    if stat.st_size < LARGE:
        return _read(file)
    memory = _memory()
    known = _load(memory)
    key = f"{file.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
    if key not in known:
        # Of a file that was changed, the older hash is forgotten.
        known = {other: hash for other, hash in known.items() if not other.startswith(f"{file.resolve()}:")}
        known[key] = _read(file)
        _save(memory, known)
    return known[key]


def write_atomically(file: Path, text: str) -> None:
    """Write the file so that it has the whole text or does not change."""
    aside = file.with_name(f".{file.name}.aside")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def sync(path: Path) -> None:
    """Bring a file, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _memory() -> Path:
    """Where hashes are remembered: the user's cache, by the XDG base directory specification."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "grokputer" / "file-hashes.json"


def _load(memory: Path) -> dict[str, str]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _save(memory: Path, known: dict[str, str]) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memory, json.dumps(known, indent=1))
    except OSError:
        return  # Then it is computed again next time.
