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
    VERSION = 3

    weights: str
    """``sha256:<hex>`` of the adapter's files."""
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
