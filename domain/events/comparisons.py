"""The events of a comparison of two adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class ComparisonEvent(Event):
    AGGREGATE = "Comparison"
    role: str
    """The role whose steps the two adapters make."""
    a: str | None
    """The adapter to compare with; None for the bare base."""
    b: str | None
    """The adapter that may replace it; None for the bare base."""


@fact("ComparisonStarted")
class ComparisonStarted(ComparisonEvent):
    base: str
    """The base model: name or path as set, and its revision or hash after an ``@``."""
    environment: str
    tasks: tuple[str, ...]
    episodes: int
    """Pages of each task, each done by both arms: the task's pairs."""
    seed: int
    """Seed of each task's first page; the others count up from it."""
    reviewer: str
    """The reviewer that rates every run beside people: ``module:object``, or empty for the environment's own."""
    bars: dict[str, Any]
    """The bars for B, set before the first run: ``stars``, ``points``, ``latency_ms``, and ``minimum`` pairs."""
    played_before: int
    """Number of these pages that the log already had runs of: an adapter may have been trained on them."""


@fact("ComparisonConcluded")
class ComparisonConcluded(ComparisonEvent):
    verdict: str
    """``go``, ``no-go`` or ``inconclusive``."""
    reason: str
    """A stable word: ``better``; ``worse``, ``slower``, ``no gain``; ``few pairs``, ``undecided``, ``latency``."""
    message: str
    numbers: dict[str, Any]
    """For each metric both arms' means, their difference and its interval, in all and by task; and the bars."""
    up_to: int
    """The log position up to which ratings were read."""
