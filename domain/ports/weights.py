"""The port of a registry of adapter weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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
        """A local folder with the weights, downloaded where necessary, every byte verified.

        Raises ``DamagedWeights`` where they are missing or differ from what was stored.
        """
        ...

    def has(self, hash: str) -> bool:
        """Whether the weights are stored. Quick, so it may check names alone."""
        ...

    def hashes(self) -> list[str]:
        """The hashes of all stored weights, sorted."""
        ...
