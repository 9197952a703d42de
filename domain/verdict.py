"""A verdict: a decision with its reason, its sentence and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Times:
    """Durations of a rollout in seconds, by the times of the log's events."""

    baked: float
    """Since its start."""
    at_share: float
    """Since its share was last changed."""
    waited: float
    """Since its start or its last resumption; time while it is paused does not count."""

    @classmethod
    def since_start(cls, seconds: float) -> Times:
        """The times of a rollout that was never paused and kept its first share."""
        return cls(seconds, seconds, seconds)


@dataclass(frozen=True)
class Verdict:
    """A decision with its stable reason, a sentence, and the numbers behind it."""

    verdict: str
    """A ``vocabulary.Decision``; in a recorded verdict, the word of the program that recorded it."""
    reason: str
    message: str
    numbers: dict[str, Any]
    next_share: int | None = None
    """The larger share of the runs, in percent, that a verdict on a canary asks for; None where it asks for none."""
