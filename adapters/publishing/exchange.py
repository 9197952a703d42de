"""Pushing an adapter to a registry, and pulling it back: what comes is believed only if it has the hash in the log."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...domain.errors import DamagedWeights, RegistryTaken
from ...domain.ports import Publication, PublishedAdapters, WeightRegistry
from ..registry.local import SUFFIXES, SUMS

LONGEST_SUMS = 1_000_000
"""Bytes of ``SHA256SUMS`` that are read; chosen: an adapter has some three files."""


def push(registry: PublishedAdapters, adapter: Publication, folder: Path) -> bool:
    """Publish the adapter with the files of the folder; False where it was there already.

    Raises ``DamagedWeights`` for a folder with other files than safetensors and JSON, and as ``PublishedAdapters.push``.
    """
    try:
        sums = (folder / SUMS).read_bytes()
    except OSError as error:
        raise DamagedWeights(f"the weights of {adapter.name} have no {SUMS} in {folder}: {error.strerror}") from error
    for name in sums_by_name(sums):
        check_name(name)
    return registry.push(adapter, folder)


def pull(registry: PublishedAdapters, store: WeightRegistry, name: str, hash: str, folder: Path) -> Path:
    """The folder of the adapter's weights in the store, after they came from the registry, every byte verified.

    ``hash`` is the one in the log. Files arrive in a folder of ``folder``, which is removed. Raises ``DamagedWeights`` where
    the registry has other bytes, ``RegistryTaken`` where it has other weights under the name, and ``RegistryError``.
    """
    found = registry.find(name)
    if found not in (None, hash):
        raise RegistryTaken(f"{registry.place} has other weights as {name}: {found}, and the log has {hash}")
    with _aside(folder) as incoming:
        sums = _read_sums(registry, name, hash)
        for file, digest in sums_by_name(sums).items():
            check_name(file)
            if _copy(registry.read(name, hash, file), incoming / file) != digest:
                raise _damaged(registry, name, file)
        stored = store.put(incoming)
    if stored.hash != hash:
        raise _damaged(registry, name, SUMS)
    return store.path(hash)


def sums_by_name(sums: bytes) -> dict[str, str]:
    """The digest of each file in the text of ``SHA256SUMS``. Raises ``DamagedWeights``."""
    try:
        rows = [line.split("  ", 1) for line in sums.decode().splitlines()]
        return {name: digest for digest, name in rows}
    except ValueError:
        raise DamagedWeights(f"{SUMS} has lines of another form than sha256sum's") from None


def check_name(file: str) -> None:
    """Raise ``DamagedWeights`` for a file that is not in the folder itself, or neither safetensors nor JSON."""
    if file != Path(file).name or file.startswith(".") or not file.endswith(SUFFIXES):
        raise DamagedWeights(f"the file {file!r} is refused; an adapter has files {' and '.join(SUFFIXES)} alone")


def _read_sums(registry: PublishedAdapters, name: str, hash: str) -> bytes:
    sums = b""
    for piece in registry.read(name, hash, SUMS):
        sums += piece
        if len(sums) > LONGEST_SUMS:
            break
    if f"sha256:{hashlib.sha256(sums).hexdigest()}" != hash:
        raise _damaged(registry, name, SUMS)
    return sums


def _copy(pieces: Iterator[bytes], file: Path) -> str:
    """Write the file; its SHA-256, hex."""
    digest = hashlib.sha256()
    with file.open("wb") as stream:
        for piece in pieces:
            digest.update(piece)
            stream.write(piece)
    return digest.hexdigest()


@contextmanager
def _aside(parent: Path) -> Iterator[Path]:
    """A new folder, removed when the block ends."""
    incoming = parent / f".incoming-{uuid.uuid4().hex}"
    incoming.mkdir(parents=True)
    try:
        yield incoming
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _damaged(registry: PublishedAdapters, name: str, file: str) -> DamagedWeights:
    return DamagedWeights(
        f"{file} of {name} in {registry.place} differs from what the log has; nothing was stored. Restore it there, or push "
        "the adapter to another registry"
    )
