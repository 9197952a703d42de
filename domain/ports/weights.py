"""The ports of adapter weights: where runs take them from, and where they are published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class WeightsRef:
    """Stored weights: ``hash`` is ``sha256:<hex>``, ``size`` is in bytes."""

    hash: str
    size: int


class WeightRegistry(Protocol):
    """Storage of adapter weights by their hash: written once, never changed."""

    @property
    def place(self) -> str:
        """Where the weights are, in words for people: a folder or a URL, without a secret."""
        ...

    def put(self, directory: Path) -> WeightsRef:
        """Store the folder's files; return their hash and size. Idempotent.

        The hash is computed as in ``adapters/registry/local.py``, whatever the registry. Raises ``DamagedWeights`` for
        a folder that is empty or holds anything but weights.
        """
        ...

    def path(self, hash: str) -> Path:
        """A local folder with the weights and their ``SHA256SUMS``, downloaded where necessary, every byte verified.

        Raises ``DamagedWeights`` where they are missing or differ from what was stored.
        """
        ...

    def has(self, hash: str) -> bool:
        """Whether the weights are stored. Quick, so it may check names alone."""
        ...

    def hashes(self) -> list[str]:
        """The hashes of all stored weights, sorted."""
        ...


@dataclass(frozen=True)
class Publication:
    """An adapter as it is published."""

    name: str
    weights: str
    """The hash of its weights."""
    facts: Mapping[str, str | None]
    """What else the log has of it: its role, base, dataset and so on. The same at every push."""
    card: str
    """Its model card, Markdown."""


class PublishedAdapters(Protocol):
    """A registry outside this machine that adapters are pushed to and pulled from. Nothing in it is ever replaced."""

    @property
    def place(self) -> str:
        """Its URL or folder, without a secret."""
        ...

    def push(self, adapter: Publication, folder: Path) -> bool:
        """Publish the adapter with the files of the folder, ``SHA256SUMS`` among them; False where it was there already.

        It can be found by its name only once it is whole. Several that push the same adapter at once push one. Raises
        ``RegistryTaken`` where the name or the hash is there with other content, and ``RegistryError``.
        """
        ...

    def find(self, name: str) -> str | None:
        """The hash of the weights under this name; None where there are none. Raises ``RegistryError``."""
        ...

    def read(self, name: str, hash: str, file: str) -> Iterator[bytes]:
        """The bytes of one file of the adapter, in pieces, as they are there: nothing is verified.

        Raises ``RegistryError``, also where there is no such file.
        """
        ...
