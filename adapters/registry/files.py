"""Atomic file writes, and hashes of files. Hashes of large files are cached, so that a base model of many gigabytes is
not read again at every start."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ...domain.errors import NotPossible

LARGE = 256_000_000
"""Bytes from which a file's hash is cached; chosen: computing it takes about a second."""


def require_new(file: Path) -> None:
    """Raise ``NotPossible`` where the file exists."""
    if file.exists():
        raise NotPossible(f"{file} exists already; give another name")


def hash_file(file: Path) -> str:
    """The file's SHA-256, in hex. A cached hash is valid while path, size and both change times stay the same."""
    stat = file.stat()
    if stat.st_size < LARGE:
        return _read(file)
    memory = _memory()
    known = _load(memory)
    key = f"{file.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
    if key not in known:
        # Drop the older hash of a changed file.
        known = {other: hash for other, hash in known.items() if not other.startswith(f"{file.resolve()}:")}
        known[key] = _read(file)
        _save(memory, known)
    return known[key]


def write_atomically(file: Path, text: str) -> None:
    """Write the file so that it has either the whole text or its old content."""
    aside = file.with_name(f".{file.name}.aside")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def sync(path: Path) -> None:
    """Flush a file, or a folder's directory entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _memory() -> Path:
    """The cache file: in the user's cache folder, by the XDG base directory specification."""
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
        return  # Without a cache it is computed again next time.
