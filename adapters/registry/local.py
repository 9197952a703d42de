"""Adapter weights under their own hash: written once, never changed, verified at every load.

Each set of weights is a flat folder ``<root>/<hex>`` with a ``SHA256SUMS`` in the form of ``sha256sum``, whose own
SHA-256 is the folder's name. So weights can be verified by hand: ``cd <root>/<hex> && sha256sum -c SHA256SUMS``.
Weights that could run code when loaded (pickles) are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from pathlib import Path

from ...domain.errors import DamagedWeights
from ...domain.ports import WeightRegistry
from ...domain.ports import WeightsRef as WeightsRef
from .files import sync

SUMS = "SHA256SUMS"
SUFFIXES = (".safetensors", ".json")
"""The allowed files of weights: none of them can run code when loaded."""


class WeightStore(WeightRegistry):
    """Weights in the subfolders of one folder. Any number of processes may add and read at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

    def put(self, directory: Path) -> WeightsRef:
        """Copy the folder's files into the store; return their hash and size. Idempotent.

        A damaged copy of the same weights is replaced. Raises ``DamagedWeights`` for a folder that is empty or holds
        anything but plain files of ``SUFFIXES``.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        incoming = self.root / f".incoming-{uuid.uuid4().hex}"
        try:
            incoming.mkdir()
            for file in _files(directory):
                shutil.copyfile(file, incoming / file.name)
            sums = _sums(incoming)
            (incoming / SUMS).write_bytes(sums)
            _flush(incoming)
            ref = WeightsRef(_hash(sums), sum(file.stat().st_size for file in _files(incoming)))
            self._place(incoming, ref.hash)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        return ref

    def path(self, hash: str) -> Path:
        """The folder of the weights, every byte verified. Raises ``DamagedWeights``."""
        folder = self._folder(hash)
        if not folder.is_dir():
            raise DamagedWeights(f"weights {hash} are not in {self.root}; restore them from a backup or train again")
        damaged = _damaged_file(folder, hash)
        if damaged:
            raise DamagedWeights(
                f"weights {hash} are damaged: {damaged} differs from what was stored; restore {folder} from a backup, add the "
                "adapter again or train a new one"
            )
        return folder

    def has(self, hash: str) -> bool:
        """Whether every file of the weights is in its folder. Quick, because it checks names only; ``path`` verifies."""
        try:
            folder = self._folder(hash)
            sums = (folder / SUMS).read_text(encoding="utf-8").splitlines()
            return all((folder / line.split("  ", 1)[1]).is_file() for line in sums)
        except (OSError, ValueError, IndexError, DamagedWeights):
            return False

    def hashes(self) -> list[str]:
        """The hashes of all stored weights, sorted. File contents are not read."""
        folders = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(
            f"sha256:{folder.name}" for folder in folders if (folder / SUMS).is_file() and _is_digest(folder.name)
        )

    def _folder(self, hash: str) -> Path:
        algorithm, _, digest = hash.partition(":")
        if algorithm != "sha256" or not _is_digest(digest):
            raise DamagedWeights(f"'{hash}' is not a weights hash; it takes sha256: and 64 hexadecimal digits")
        return self.root / digest

    def _place(self, incoming: Path, hash: str) -> None:
        """Make the finished folder visible atomically, unless the same weights are stored already."""
        folder = self._folder(hash)
        if folder.is_dir() and _damaged_file(folder, hash):
            shutil.rmtree(folder, ignore_errors=True)
        # Renaming onto a folder that is not empty fails: another process has stored the same bytes.
        with contextlib.suppress(OSError):
            os.rename(incoming, folder)
        if not folder.is_dir():
            raise DamagedWeights(f"weights {hash} could not be written to {folder}; check whether the disk is full")
        sync(self.root)


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def hash_directory(directory: Path) -> str:
    """The hash that the folder's files have in a store: ``sha256:<hex>``. Raises ``DamagedWeights``."""
    return _hash(_sums(directory))


def _files(directory: Path) -> list[Path]:
    """The folder's plain files without ``SHA256SUMS``, by name."""
    if not directory.is_dir():
        raise DamagedWeights(f"weights folder {directory} does not exist; give a folder with adapter_model.safetensors")
    files = sorted((file for file in directory.iterdir() if file.name != SUMS), key=lambda file: file.name)
    for file in files:
        if file.is_symlink() or not file.is_file() or file.suffix not in SUFFIXES:
            raise DamagedWeights(f"weights file {file} is refused; allowed are plain files {', '.join(SUFFIXES)}")
    if not files:
        raise DamagedWeights(f"weights folder {directory} is empty; give a folder with adapter_model.safetensors")
    return files


def _sums(directory: Path) -> bytes:
    return "".join(f"{_digest(file)}  {file.name}\n" for file in _files(directory)).encode()


def _damaged_file(folder: Path, hash: str) -> str | None:
    """The name of the first file that differs from what was stored; None when none does."""
    try:
        recorded = (folder / SUMS).read_bytes()
    except OSError:
        return SUMS
    if _hash(recorded) != hash:
        return SUMS
    expected = {name: digest for digest, name in (line.split("  ", 1) for line in recorded.decode().splitlines())}
    present = {file.name: file for file in folder.iterdir() if file.name != SUMS}
    for name in sorted(expected | present):
        if (
            name not in expected
            or name not in present
            or not present[name].is_file()
            or _digest(present[name]) != expected[name]
        ):
            return name
    return None


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _flush(directory: Path) -> None:
    """Flush files and folder to the disk, so that the rename never shows a name before its bytes."""
    for file in directory.iterdir():
        sync(file)
    sync(directory)
