"""The events of a rollout: an adapter serves a share of the traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..vocabulary import NEXT_SHARE
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
    """The adapter that stays live meanwhile; None for the bare base."""
    weight_percent: int
    rule: str
    """The rule that judges it to its end: ``sequential``, ``threshold`` or ``relative``. Empty before version 2: then
    the rule set at each look."""
    terms: dict[str, Any]
    """The terms of the rule ``sequential``, fixed before any outcome; empty for the other rules. Since version 2."""
    unit: str
    """The randomization unit: ``run`` or ``session``. It is assigned to an arm as a whole and counts as one outcome.
    Since version 2."""
    edition: int
    """Edition of the rules that count outcomes (``routing.EDITION``); 1 before version 3."""


@fact("CanaryWeightSet")
class CanaryWeightSet(RolloutEvent):
    VERSION = 3
    WORDS = ("actor", "reason")

    old_percent: int
    weight_percent: int
    reason: str
    """Why a person set this share; empty where it follows from another decision. Since version 2."""
    sent_as: str | None
    """What the decision was sent as, derived from the sender's key and the id of the form or request: sent again it sets
    nothing. None where it has no such id. Since version 3."""


@fact("CanaryAssessed")
class CanaryAssessed(RolloutEvent):
    verdict: str
    """``promote``, ``roll back``, ``hold`` or ``inconclusive``."""
    reason: str
    """A stable word. By the bars: ``healthy``, ``success``, ``rating``, ``health``, ``no data``, ``few stable runs``.
    By evidence: ``no worse``, ``no worse so far``, ``pause``, ``worse``, ``evidence``, ``most runs``, ``time``. By
    either: ``critical``, ``few runs``, ``unrated``, ``bake``."""
    message: str
    numbers: dict[str, Any]
    """Both arms' counts and means, and the bars."""
    up_to: int
    """The log position up to which events count for this verdict."""

    @property
    def next_share(self) -> int | None:
        """The larger share of the runs, in percent, that the verdict asks for; None where it asks for none."""
        share: int | None = self.numbers.get(NEXT_SHARE)
        return share


@fact("RolloutPaused")
class RolloutPaused(RolloutEvent):
    VERSION = 2
    WORDS = ("actor", "reason")

    reason: str
    cause: str
    """``person``, ``undecided`` (no decision in time) or ``approval`` (a step waits for a person); empty before version 2."""


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
    """``canary`` (its canary was healthy), ``person``, or ``forward``: a person made it live after its rollout was
    over. Empty before version 2."""


@fact("AdapterRolledBack")
class AdapterRolledBack(RolloutEvent):
    VERSION = 2
    WORDS = ("actor", "reason")

    stable: str | None
    reason: str
    cause: str
    """``canary`` (its canary was worse or failed), ``person``, or ``comparison``: the adapter that it was compared with
    is no longer live. Empty before version 2."""
