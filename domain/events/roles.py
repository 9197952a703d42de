"""The events of a role: breaches of its ratings, and its improvement cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RoleEvent(Event):
    AGGREGATE = "RoleImprovement"
    role: str


@fact("RatingThresholdBreached")
class RatingThresholdBreached(RoleEvent):
    VERSION = 2

    adapter: str | None
    """The adapter version that received the ratings; None for the bare base."""
    mean: float
    """Mean of the window, in [1, 5]."""
    count: int
    window: int
    threshold: float
    first_position: int
    """Log position of the window's first rating."""
    last_position: int
    total: int
    """All ratings of this adapter version so far, for the cooldown."""
    rule: str
    """``sequential`` or ``threshold``. Since version 2."""
    message: str
    """The rule's verdict with its numbers; empty before version 2."""
    numbers: dict[str, Any]
    """The numbers behind the verdict. Since version 2."""


@fact("TriggerSuppressed")
class TriggerSuppressed(RoleEvent):
    adapter: str | None
    mean: float
    count: int
    reason: str
    """``cycle in flight`` or ``cooldown``."""


@fact("CycleOpened")
class CycleOpened(RoleEvent):
    """A person requested a training without a breach."""

    WORDS = ("actor", "reason")

    adapter: str | None
    reason: str


@fact("CycleClosed")
class CycleClosed(RoleEvent):
    QUOTES = ("detail",)

    outcome: str
    """``promoted``, ``rolled back``, ``rejected``, ``declined``, ``failed``."""
    detail: str
    total: int
    """Ratings that the adapter version live before had received by then."""
