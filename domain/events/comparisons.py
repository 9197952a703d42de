"""The facts of a comparison of two adapters. ``events.py`` has them on its page with all the others."""

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
    """The adapter that the other is held against; None for the bare base."""
    b: str | None
    """The adapter that may take its place; None for the bare base."""


@fact("ComparisonStarted")
class ComparisonStarted(ComparisonEvent):
    base: str
    """The base model: name or path as set, and its revision or hash after an ``@``."""
    environment: str
    tasks: tuple[str, ...]
    episodes: int
    """Pages of each task, each done by both arms: pairs of a task."""
    seed: int
    """Of each task's first page; the others' follow."""
    reviewer: str
    """Who rates every run besides people: ``module:object``, or empty for the environment's own."""
    bars: dict[str, Any]
    """What B must show, set before the first run: ``stars``, ``points``, ``latency_ms``, and the ``minimum`` of pairs."""
    played_before: int
    """How many of the pages the log had runs of already: an adapter may have been trained on them."""


@fact("ComparisonConcluded")
class ComparisonConcluded(ComparisonEvent):
    verdict: str
    """``go``, ``no-go`` or ``inconclusive``."""
    reason: str
    """A stable word: ``better``; ``worse``, ``slower``, ``no gain``; ``few pairs``, ``undecided``, ``latency``."""
    message: str
    numbers: dict[str, Any]
    """Of each figure both arms' means, their difference and its interval, in all and task by task; and the bars."""
    up_to: int
    """The log position up to which ratings were looked at."""
