"""The events of a training job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .adapters import AdapterEvent as AdapterEvent
from .adapters import AdapterRegistered as AdapterRegistered
from .adapters import AdapterRejected as AdapterRejected
from .adapters import AdapterVerified as AdapterVerified
from .adapters import GateJudged as GateJudged
from .alerts import AlertDelivered as AlertDelivered
from .alerts import AlertDeliveryFailed as AlertDeliveryFailed
from .alerts import AlertEvent as AlertEvent
from .alerts import AlertRaised as AlertRaised
from .alerts import DeliveryEvent as DeliveryEvent
from .base import EVENTS as EVENTS
from .base import Event as Event
from .base import Timestamped as Timestamped
from .base import fact as fact
from .comparisons import ComparisonConcluded as ComparisonConcluded
from .comparisons import ComparisonEvent as ComparisonEvent
from .comparisons import ComparisonStarted as ComparisonStarted
from .erasures import ContentErased as ContentErased
from .examples import ExamplesImported as ExamplesImported
from .examples import ExamplesSynthesized as ExamplesSynthesized
from .roles import BreachSuppressed as BreachSuppressed
from .roles import CycleClosed as CycleClosed
from .roles import CycleOpened as CycleOpened
from .roles import RatingThresholdBreached as RatingThresholdBreached
from .roles import RoleEvent as RoleEvent
from .rollouts import AdapterPromoted as AdapterPromoted
from .rollouts import AdapterRolledBack as AdapterRolledBack
from .rollouts import CanaryAssessed as CanaryAssessed
from .rollouts import CanaryWeightSet as CanaryWeightSet
from .rollouts import RolloutEvent as RolloutEvent
from .rollouts import RolloutPaused as RolloutPaused
from .rollouts import RolloutResumed as RolloutResumed
from .rollouts import RolloutStarted as RolloutStarted
from .runs import Assignment as Assignment
from .runs import RunEvent as RunEvent
from .runs import StepTaken as StepTaken
from .runs import TaskCorrected as TaskCorrected
from .runs import TaskFailed as TaskFailed
from .runs import TaskRated as TaskRated
from .runs import TaskStarted as TaskStarted
from .runs import TaskSucceeded as TaskSucceeded


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
    """The adapter live when it was requested."""
    recipe: dict[str, Any]
    """The whole resolved recipe."""
    minimum_examples: int
    below_stars: int
    """Runs rated under this are the ones to learn from."""
    retries: int
    """Sampled attempts at each failed task that nobody corrected."""


@fact("DatasetBuilt")
class DatasetBuilt(TrainingEvent):
    TEXTS = ("manifest",)

    dataset: str
    """Hash of the examples."""
    manifest: str
    """Content key: for each example its source, run, step, instance and hash, and what is held out."""
    examples: int
    by_source: dict[str, int]
    runs: int
    up_to: int
    """The log position up to which runs were looked at."""


@fact("TrainingStarted")
class TrainingStarted(TrainingEvent):
    attempt: int
    """From 1; a training that was interrupted is started again and goes on from its last checkpoint."""


@fact("TrainingProgressed")
class TrainingProgressed(TrainingEvent):
    step: int
    steps: int
    loss: float


@fact("TrainingCompleted")
class TrainingCompleted(TrainingEvent):
    weights: str
    """``sha256:<hex>`` of the adapter's files."""
    base_hash: str
    config_hash: str
    dataset: str
    steps: int
    tokens: int
    """Of one epoch, prompts and answers."""
    examples: int
    """That were trained on."""
    left_out: int
    """That were longer than the recipe allows."""
    final_loss: float
    duration_s: float
    """Of the attempt that finished it."""
    peak_memory_bytes: int
    device: str
    versions: dict[str, str]


@fact("TrainingDeclined")
class TrainingDeclined(TrainingEvent):
    VERSION = 2

    reason: str
    examples: int
    minimum: int
    up_to: int
    """The log position up to which runs were looked at; 0 where it was stored before version 2."""


@fact("TrainingFailed")
class TrainingFailed(TrainingEvent):
    reason: str
