"""The events of a role: its ratings fell, and its improvement cycle."""

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
    """The adapter version whose ratings these are."""
    mean: float
    """Of the window, in [1, 5]."""
    count: int
    window: int
    threshold: float
    first_position: int
    """Of the window's first rating in the log."""
    last_position: int
    total: int
    """Ratings this adapter version has had in all, for the cooldown."""
    rule: str
    """``sequential`` or ``threshold``. Since version 2."""
    message: str
    """What the rule says, with its numbers; empty where it was stored before version 2."""
    numbers: dict[str, Any]
    """What it rests on. Since version 2."""


@fact("TriggerSuppressed")
class BreachSuppressed(RoleEvent):
    adapter: str | None
    mean: float
    count: int
    reason: str
    """``cycle in flight`` or ``cooldown``."""


@fact("CycleOpened")
class CycleOpened(RoleEvent):
    """A person asked for a training without a breach."""

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
    """Ratings the adapter version live before had had by then."""
