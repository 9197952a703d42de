"""The events of a rollout: an adapter on a share of the traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RolloutEvent(Event):
    AGGREGATE = "Rollout"
    role: str
    adapter: str


@fact("RolloutStarted")
class RolloutStarted(RolloutEvent):
    VERSION = 3

    stable: str | None
    """The adapter that is live meanwhile; None for the bare base."""
    weight_percent: int
    rule: str
    """What it is judged by to its end: ``sequential``, ``threshold`` or ``relative``; empty where it was stored before version
    2: then by the rule that was set at each look."""
    terms: dict[str, Any]
    """The figures of the rule ``sequential``, fixed before any outcome is seen; empty for the others. Since version 2."""
    unit: str
    """``run`` or ``session``: what is drawn for an arm and is one outcome. Since version 2."""
    edition: int
    """Of the rules by which outcomes are counted (``routing.EDITION``); 1 where it was stored before version 3."""


@fact("CanaryWeightSet")
class CanaryWeightSet(RolloutEvent):
    VERSION = 2
    WORDS = ("actor", "reason")

    old_percent: int
    weight_percent: int
    reason: str
    """Why a person set this share; empty where the share follows from another decision. Since version 2."""


@fact("CanaryAssessed")
class CanaryAssessed(RolloutEvent):
    verdict: str
    """``promote``, ``roll back``, ``hold`` or ``inconclusive``."""
    reason: str
    """A stable word. By the bars: ``healthy``, ``success``, ``rating``, ``health``, ``no data``, ``few stable runs``; by
    evidence: ``no worse``, ``no worse so far``, ``pause``, ``worse``, ``evidence``, ``most runs``, ``time``; by either:
    ``critical``, ``few runs``, ``unrated``, ``bake``."""
    message: str
    numbers: dict[str, Any]
    """Both arms' counts and means and the bars they were held against."""
    up_to: int
    """The log position of the event that was looked after: everything up to it counts, and nothing later."""


@fact("RolloutPaused")
class RolloutPaused(RolloutEvent):
    VERSION = 2
    WORDS = ("actor", "reason")

    reason: str
    cause: str
    """``person``, ``undecided`` (its canary showed nothing in time) or ``approval`` (a step waits for a person); empty where
    it was stored before version 2."""


@fact("RolloutResumed")
class RolloutResumed(RolloutEvent):
    WORDS = ("actor", "reason")

    reason: str


@fact("AdapterPromoted")
class AdapterPromoted(RolloutEvent):
    VERSION = 2
    WORDS = ("actor", "reason")

    replaced: str | None
    reason: str
    cause: str
    """``canary`` (its canary was healthy), ``person``, or ``forward``: a person made it live after its rollout was over.
    Empty where it was stored before version 2."""


@fact("AdapterRolledBack")
class AdapterRolledBack(RolloutEvent):
    VERSION = 2
    WORDS = ("actor", "reason")

    stable: str | None
    reason: str
    cause: str
    """``canary`` (its canary was worse or failed), ``person``, or ``comparison``: what it was compared with is not live any
    more. Empty where it was stored before version 2."""
