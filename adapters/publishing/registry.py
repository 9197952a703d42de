"""A registry of adapters in a store of objects: weights under their hash, and an index of names.

| key | object |
|---|---|
| ``weights/<hex>/<file>`` | the files of the weights, of which ``SHA256SUMS`` comes last: without it they are not whole |
| ``adapters/<name>.md`` | the model card |
| ``adapters/<name>.json`` | the name: the hash of its weights, and what else the log has of it; it comes after all others |

No object is ever replaced, so a name means the same weights for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from ...domain.errors import RegistryError, RegistryTaken
from ...domain.ports import Publication, PublishedAdapters
from ..registry.local import SUMS
from .objects import Objects

LONGEST_RECORD = 1_000_000
"""Bytes of a name's record that are read; chosen: it has some ten facts."""


class ObjectRegistry(PublishedAdapters):
    """Adapters in a folder or a bucket."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    @property
    def place(self) -> str:
        """The URL or the folder."""
        return self._objects.place

    def push(self, adapter: Publication, folder: Path) -> bool:
        """As ``PublishedAdapters``."""
        found = self.find(adapter.name)
        if found not in (None, adapter.weights):
            raise self._taken(adapter, str(found))
        if found is not None:
            return False
        key = _folder_of(adapter.weights)
        files = sorted(folder.iterdir(), key=lambda file: (file.name == SUMS, file.name))
        for file in files:
            self._create(f"{key}/{file.name}", file.read_bytes())
        self._objects.create(f"adapters/{adapter.name}.md", adapter.card.encode())
        record = {"adapter": adapter.name, "weights": adapter.weights, **adapter.facts}
        is_new = self._objects.create(_record_of(adapter.name), f"{json.dumps(record, indent=1)}\n".encode())
        if not is_new and (other := self.find(adapter.name)) != adapter.weights:  # pushed by another log meanwhile
            raise self._taken(adapter, str(other))
        return is_new

    def find(self, name: str) -> str | None:
        """As ``PublishedAdapters``."""
        pieces = self._objects.read(_record_of(name))
        if pieces is None:
            return None
        text = b""
        for piece in pieces:
            text += piece
            if len(text) > LONGEST_RECORD:
                break
        try:
            return str(json.loads(text)["weights"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise RegistryError(
                f"the registry {self.place} has a record of {name} that is none: {_record_of(name)}"
            ) from None

    def read(self, name: str, hash: str, file: str) -> Iterator[bytes]:
        """As ``PublishedAdapters``. The hash alone says where the file is."""
        pieces = self._objects.read(f"{_folder_of(hash)}/{file}")
        if pieces is None:
            raise RegistryError(f"the registry {self.place} has no {file} of {name}, weights {hash}")
        return pieces

    def _create(self, key: str, content: bytes) -> None:
        """Store the object. One that a killed push has left must be the same."""
        if self._objects.create(key, content):
            return
        digest = hashlib.sha256()
        for piece in self._objects.read(key) or ():
            digest.update(piece)
        if digest.digest() != hashlib.sha256(content).digest():
            raise RegistryTaken(f"the registry {self.place} has other bytes as {key}; remove them there and push again")

    def _taken(self, adapter: Publication, found: str) -> RegistryTaken:
        return RegistryTaken(
            f"the registry {self.place} has another adapter as {adapter.name}: its weights are {found}, those of this log "
            f"{adapter.weights}; set registry.url to a place of this log's own"
        )


def _folder_of(hash: str) -> str:
    return f"weights/{hash.removeprefix('sha256:')}"


def _record_of(name: str) -> str:
    return f"adapters/{name}.json"
