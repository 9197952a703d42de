"""The port of what is known of adapters at endpoints: whether each one applies an adapter, since its last start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .model import Proof


@dataclass(frozen=True)
class Served:
    """What an endpoint does with an adapter: the proof's outcome there, or why there is no proof."""

    adapter: str
    weights: str
    """The hash of the adapter's weights."""
    endpoint: str
    """Its base URL."""
    boot: str
    """The time of its start, as it tells it; empty where it does not."""
    proof: Proof | None
    """None where the endpoint does not load the adapter."""
    problem: str = ""
    """Why it gets no traffic of the adapter; empty where it does."""

    @property
    def is_applied(self) -> bool:
        """Whether the endpoint may get traffic of the adapter."""
        return self.proof is not None and self.proof.is_applied


class ServedRecord(Protocol):
    """The record of what endpoints do with adapters. A proof holds until the endpoint starts again."""

    def find(self, adapter: str, endpoint: str, boot: str) -> Served | None:
        """What was recorded for this start of the endpoint; None where nothing was."""
        ...

    def add(self, served: Served) -> None:
        """Record it, durably, before the endpoint gets traffic of the adapter."""
        ...

    def name_there(self, adapter: str) -> str:
        """The adapter's name at its endpoint: that of the model that was tuned there, else its own."""
        return adapter


class NotRecorded(ServedRecord):
    """No record: each process proves by itself."""

    def find(self, adapter: str, endpoint: str, boot: str) -> Served | None:
        """Nothing is known."""
        return None

    def add(self, served: Served) -> None:
        """Nothing is kept."""
