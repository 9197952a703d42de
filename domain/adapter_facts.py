"""The facts of an adapter, from its weights to the end of its rollout; see ``events.py``, where every fact is had from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .fact import Event, fact

# --- Adapter --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class AdapterEvent(Event):
    AGGREGATE = "Adapter"
    role: str
    adapter: str
    """Its name, ``lora-v<N>``."""


@fact("AdapterRegistered")
class AdapterRegistered(AdapterEvent):
    weights: str
    dataset: str
    base: str
    base_hash: str
    config_hash: str
    parent: str | None
    training: str
    """The training job's id, hex."""


@fact("AdapterEvaluated")
class AdapterEvaluated(AdapterEvent):
    """The proof that serving applies the adapter: other outputs than the base's, the trainer's own to within rounding."""

    prompts: int
    effect: float
    """Root mean square difference of the served adapter's logits from the served base's, on the fixed prompts."""
    error: float
    """The same of the served adapter's from the trainer's own."""
    rounding: float
    """The same of the served base's from the trainer's base: what rounding alone makes."""
    max_difference: float
    """Largest difference of one logit between served and trained."""


@fact("HeldOutJudged")
class HeldOutJudged(AdapterEvent):
    """The gate before traffic: the proven adapter and its parent on instances that nobody trained on."""

    TEXTS = ("measured",)

    parent: str | None
    """The adapter it was held against, None for the bare base."""
    verdict: str
    """``pass`` or ``reject``."""
    reason: str
    """A stable word: ``better``, ``no gain``, ``lost``, ``too few``, ``nothing held out``, ``off``."""
    message: str
    numbers: dict[str, Any]
    """``failed`` and ``worked``: for each, instances and both arms' successes (``runs``) and mean losses in nats per token
    (``losses``); ``margin`` and ``minimum``, the bars they were held against."""
    measured: str
    """Content key: for each instance how it once ended, and the runs or the losses of both arms, JSON."""
    up_to: int
    """The log position up to which the dataset looked at runs, and the held-out instances come from."""


@fact("AdapterRejected")
class AdapterRejected(AdapterEvent):
    VERSION = 2

    reason: str
    numbers: dict[str, Any]
    """What it was refused on: those of the proof or of the gate; empty where it could not be served at all.
    Since version 2."""


# --- Rollout --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RolloutEvent(Event):
    AGGREGATE = "Rollout"
    role: str
    adapter: str


@fact("RolloutStarted")
class RolloutStarted(RolloutEvent):
    VERSION = 2

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


@fact("CanaryWeightSet")
class CanaryWeightSet(RolloutEvent):
    old_percent: int
    weight_percent: int


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
    reason: str


@fact("RolloutResumed")
class RolloutResumed(RolloutEvent):
    reason: str


@fact("AdapterPromoted")
class AdapterPromoted(RolloutEvent):
    replaced: str | None
    reason: str


@fact("AdapterRolledBack")
class AdapterRolledBack(RolloutEvent):
    stable: str | None
    reason: str
