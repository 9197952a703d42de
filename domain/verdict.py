"""A verdict: a decision with its reason, its sentence and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Times:
    """The seconds that a rollout has had, as the log's events tell them."""

    baked: float
    """Since its start."""
    at_share: float
    """Since its share was last changed."""
    waited: float
    """Since its start, or since it was resumed; none passes while it is paused."""

    @classmethod
    def since_start(cls, seconds: float) -> Times:
        """Those of a rollout that was never paused nor given another share."""
        return cls(seconds, seconds, seconds)


@dataclass(frozen=True)
class Verdict:
    """A decision with its stable reason, its sentence and the numbers it rests on."""

    verdict: str
    """A ``vocabulary.Decision``; of a recorded verdict, what the program that recorded it called so."""
    reason: str
    message: str
    numbers: dict[str, Any]
