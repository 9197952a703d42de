"""The events of an adapter: registration, proof, gate, rejection, missing weights, and its copy in a registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class AdapterEvent(Event):
    AGGREGATE = "Adapter"
    role: str
    adapter: str
    """Its name, ``lora-v<N>``."""


@fact("AdapterRegistered")
class AdapterRegistered(AdapterEvent):
    VERSION = 2

    weights: str
    """As in ``TrainingCompleted``."""
    dataset: str
    base: str
    base_hash: str
    config_hash: str
    parent: str | None
    training: str
    """The training job's id, hex."""
    endpoint: str
    """The base URL of the endpoint that keeps it as a model; empty for weights of our own, and before version 2."""
    model: str
    """That model's name there; empty likewise."""


@fact("AdapterEvaluated")
class AdapterEvaluated(AdapterEvent):
    """The proof that serving applies the adapter: its outputs differ from the base's, and equal the trainer's within
    rounding."""

    prompts: int
    effect: float
    """Root mean square difference between the logits of the served adapter and the served base, on the fixed prompts."""
    error: float
    """Root mean square difference between the logits of the served adapter and the trainer's adapter."""
    rounding: float
    """Root mean square difference between the logits of the served base and the trainer's base: the effect of rounding
    alone."""
    max_difference: float
    """Largest difference of one logit between served and trained adapter."""


@fact("AdapterAnswered")
class AdapterAnswered(AdapterEvent):
    """A model that an endpoint tuned answers there by its name, otherwise than its base does.

    This is less than ``AdapterEvaluated``: the endpoint shows neither weights nor logits, so nothing shows that the answers
    are those of what it trained.
    """

    endpoint: str
    model: str
    prompts: int
    """Prompts that the model and its base answered, greedily: invented ones, and lessons of the dataset."""
    differ: int
    """Prompts that it answers otherwise than its base."""
    unsteady: int
    """Prompts that the base answers otherwise when it is asked again: ``differ`` is more than this."""
    lessons: int
    """Prompts whose right answer was trained on."""
    learnt: int
    """Lessons that it answers as trained."""
    known: int
    """Lessons that the base answers so too."""


@fact("HeldOutJudged")
class HeldOutJudged(AdapterEvent):
    """The gate's verdict before any traffic: the proven adapter against its parent, on instances that were never trained on."""

    TEXTS = ("measured",)

    parent: str | None
    """The adapter that it was compared with; None for the bare base."""
    verdict: str
    """``pass`` or ``reject``."""
    reason: str
    """A stable word: ``better``, ``no gain``, ``lost``, ``too few``, ``nothing held out``, ``off``."""
    message: str
    numbers: dict[str, Any]
    """``failed`` and ``worked``: for each, the instances, both arms' successes (``runs``) and mean losses in nats per
    token (``losses``). ``margin`` and ``minimum``: the bars."""
    measured: str
    """Content key: for each instance its original outcome, and the runs or the losses of both arms, JSON."""
    up_to: int
    """The log position up to which runs were read for the dataset and the held-out instances."""


@fact("AdapterRejected")
class AdapterRejected(AdapterEvent):
    VERSION = 2

    reason: str
    numbers: dict[str, Any]
    """The numbers of the proof or of the gate behind the rejection; empty where the adapter could not be served. Since
    version 2."""


@fact("WeightsMissed")
class WeightsMissed(AdapterEvent):
    """The adapter serves runs, and its weights are missing from their folder."""

    weights: str
    serves: str
    """``live`` or ``canary``."""


@fact("WeightsFound")
class WeightsFound(AdapterEvent):
    """Missing weights are in their folder again."""

    weights: str


@fact("AdapterPushed")
class AdapterPushed(AdapterEvent):
    """The weights are whole in the registry of the setting ``registry.url``."""

    weights: str
    registry: str
    """Its URL or folder, without a secret."""


@fact("AdapterPushFailed")
class AdapterPushFailed(AdapterEvent):
    """The weights could not be pushed to the registry several times in a row. They are pushed again until they are there."""

    weights: str
    registry: str
    """As in ``AdapterPushed``."""
    reason: str


@fact("AdapterServed")
class AdapterServed(AdapterEvent):
    """An endpoint was proven to apply the adapter, since its last start. It may get traffic of the adapter."""

    weights: str
    """The hash of the weights, whose digits are the adapter's name there."""
    endpoint: str
    """The endpoint's base URL."""
    boot: str
    """When the endpoint's process began, as it tells it; empty where it does not."""
    prompts: int
    effect: float
    """As in ``AdapterEvaluated``, like the figures after it, from log-probabilities less their mean."""
    error: float
    rounding: float
    max_difference: float


@fact("AdapterUnserved")
class AdapterUnserved(AdapterEvent):
    """An endpoint does not load the adapter, or does not apply it as it was trained. It gets no traffic of the adapter until
    its next start."""

    VERSION = 2

    weights: str
    endpoint: str
    boot: str
    reason: str
    numbers: dict[str, Any]
    """The numbers of the proof; empty where the adapter was not loaded."""
    serves: str
    """What the adapter was then: ``live`` or ``canary``; empty where it got no runs. Since version 2; before, always empty."""
