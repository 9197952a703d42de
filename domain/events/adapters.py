"""The facts of an adapter, from its weights to the end of its rollout; see ``events.py``, where every fact is had from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Event, fact

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
class AdapterVerified(AdapterEvent):
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
class GateJudged(AdapterEvent):
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


@fact("WeightsMissed")
class WeightsMissed(AdapterEvent):
    """The adapter serves runs, and its weights were not in their folder any more."""

    weights: str
    serves: str
    """What it serves as: ``live`` or ``canary``."""


@fact("WeightsFound")
class WeightsFound(AdapterEvent):
    """Weights that were missed are in their folder again."""

    weights: str


# --- Rollout --------------------------------------------------------------------------------------------------------
