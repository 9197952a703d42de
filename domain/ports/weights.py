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
    """Adapter weights under their own hash: written once and never changed."""

    @property
    def place(self) -> str:
        """Where the weights lie, in words for people: a folder or a URL, without a secret."""
        ...

    def put(self, directory: Path) -> WeightsRef:
        """Store the folder's files and return their hash; what is already there stays as it is.

        The hash is that of ``adapters/registry/local.py``, whatever the registry. Raises ``DamagedWeights`` for a folder that
        is empty or holds anything but weights.
        """
        ...

    def path(self, hash: str) -> Path:
        """A folder of this machine with the weights, fetched where they lie elsewhere, every byte checked.

        Raises ``DamagedWeights`` where they are not there or not as they were stored.
        """
        ...

    def has(self, hash: str) -> bool:
        """Whether the weights are there. It is quick, so it may look at names alone."""
        ...

    def hashes(self) -> list[str]:
        """The hashes of all weights that are there, sorted."""
        ...
