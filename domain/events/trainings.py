"""The events of a training job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class TrainingEvent(Event):
    AGGREGATE = "TrainingJob"
    role: str


@fact("TrainingRequested")
class TrainingRequested(TrainingEvent):
    base: str
    """The base model as set: ``embedded``, a path or a Hugging Face name."""
    revision: str | None
    parent: str | None
    """The adapter that was live at the request; None for the bare base."""
    recipe: dict[str, Any]
    """The recipe by the settings, with all its figures. ``TrainingStarted`` has what the base's size changed of it."""
    minimum_examples: int
    below_stars: int
    """Runs rated under this are learnt from."""
    retries: int
    """Sampled attempts at each failed task without a correction."""


@fact("DatasetBuilt")
class DatasetBuilt(TrainingEvent):
    TEXTS = ("manifest",)

    dataset: str
    """Hash of the examples."""
    manifest: str
    """Content key: for each example its source, run, step, instance and hash; and the held-out instances."""
    examples: int
    by_source: dict[str, int]
    runs: int
    up_to: int
    """The log position up to which runs were read."""


@fact("TrainingStarted")
class TrainingStarted(TrainingEvent):
    VERSION = 3

    attempt: int
    """From 1; an interrupted training starts again and continues from its last checkpoint."""
    adjusted: dict[str, Any]
    """Figures of the requested recipe that the base's size changed. Empty before version 2."""
    choices: list[str]
    """The base's size, and a reason for each figure that it decides. Empty before version 2."""
    launcher: str
    """Where the attempt runs, as ``training.launcher`` says it. Empty before version 3: on this machine."""
    job: str
    """The attempt's name there, made of the training's id and the attempt. Empty before version 3."""


@fact("AttemptInterrupted")
class AttemptInterrupted(TrainingEvent):
    """An attempt ended from outside without a result: killed or lost. The next one continues from its last checkpoint."""

    attempt: int
    reason: str


@fact("TrainingPending")
class TrainingPending(TrainingEvent):
    """The attempt's job has waited long for a place to run."""

    attempt: int
    job: str
    reason: str


@fact("DatasetSent")
class DatasetSent(TrainingEvent):
    """The dataset leaves for an endpoint that tunes models. Recorded before the first byte does."""

    endpoint: str
    """Its base URL."""
    file: str
    """The name that the file gets there, made of the training's id. The endpoint gives it an id of its own."""
    size: int
    """Bytes."""
    examples: int


@fact("TuningSubmitted")
class TuningSubmitted(TrainingEvent):
    """The endpoint has taken the attempt as a job of its own."""

    attempt: int
    endpoint: str
    model: str
    """The model that is tuned, as it is named there."""
    file: str
    """The id of the dataset's file there."""
    tuning: str
    """The id of the job there."""


@fact("SentDatasetDeleted")
class SentDatasetDeleted(TrainingEvent):
    """The endpoint has deleted the dataset's file: somebody whose words were in it was forgotten."""

    endpoint: str
    file: str
    """As in ``TuningSubmitted``."""


@fact("TrainingHeld")
class TrainingHeld(TrainingEvent):
    """Its estimated cost is over ``training.max_cost`` or unknown, so it waits for a person."""

    reason: str
    numbers: dict[str, Any]
    """``money`` and ``duration_s`` of the estimate, None where they are unknown; ``max_cost``, ``currency``, and
    ``basis``: how the estimate was made."""


@fact("TrainingApproved")
class TrainingApproved(TrainingEvent):
    """A person lets the training run whatever it costs."""

    WORDS = ("actor", "reason")

    reason: str


@fact("TrainingProgressed")
class TrainingProgressed(TrainingEvent):
    step: int
    steps: int
    loss: float


@fact("TrainingCompleted")
class TrainingCompleted(TrainingEvent):
    VERSION = 4

    weights: str
    """``sha256:<hex>`` of the adapter's files; ``tuned:<hex>`` of a model that stays at its endpoint, by endpoint, name and
    dataset."""
    base_hash: str
    config_hash: str
    dataset: str
    steps: int
    tokens: int
    """Tokens of one epoch, prompts and answers."""
    examples: int
    """Examples that were trained on."""
    left_out: int
    """Examples that were too long for the recipe, or refused by the model's chat template."""
    final_loss: float
    duration_s: float
    """Duration of the attempt that finished it."""
    peak_memory_bytes: int
    device: str
    versions: dict[str, str]
    reasons: dict[str, int]
    """Examples left out, by reason: ``too long``, ``refused by the chat template``. Empty before version 2."""
    precision: str
    """``bf16``, or ``fp16 with loss scaling`` on a GPU without bf16. Empty before version 3."""
    endpoint: str
    """The base URL of the endpoint that tuned the model and keeps it. Empty for weights of our own, and before version 4."""
    model: str
    """The tuned model's name there; empty likewise."""
    billed_tokens: int
    """Tokens that the endpoint says it trained on, in all epochs; 0 where it does not say. 0 before version 4."""


@fact("TrainingDeclined")
class TrainingDeclined(TrainingEvent):
    VERSION = 2

    reason: str
    examples: int
    minimum: int
    up_to: int
    """The log position up to which runs were read; 0 before version 2."""


@fact("TrainingFailed")
class TrainingFailed(TrainingEvent):
    WORDS = ("actor", "reason")

    reason: str
    """One line; with a person's own words where a person cancelled it."""
