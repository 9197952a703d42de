"""Every fact the log can hold: all are had from here; those of adapters, alerts, comparisons and example sets have own pages.

A fact is past tense, frozen, JSON-plain and self-sufficient: an auditor reads one without today's configuration. A topic
is never renamed and a field never changes its meaning; a new meaning is a new ``VERSION`` and an upcaster.
Tasks in words, prompts, answers, comments and corrections are not in here but in the content store, under the key that the
fact carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from .adapter_facts import AdapterEvaluated as AdapterEvaluated
from .adapter_facts import AdapterEvent as AdapterEvent
from .adapter_facts import AdapterPromoted as AdapterPromoted
from .adapter_facts import AdapterRegistered as AdapterRegistered
from .adapter_facts import AdapterRejected as AdapterRejected
from .adapter_facts import AdapterRolledBack as AdapterRolledBack
from .adapter_facts import CanaryAssessed as CanaryAssessed
from .adapter_facts import CanaryWeightSet as CanaryWeightSet
from .adapter_facts import HeldOutJudged as HeldOutJudged
from .adapter_facts import RolloutEvent as RolloutEvent
from .adapter_facts import RolloutPaused as RolloutPaused
from .adapter_facts import RolloutResumed as RolloutResumed
from .adapter_facts import RolloutStarted as RolloutStarted
from .alert_facts import AlertDelivered as AlertDelivered
from .alert_facts import AlertDeliveryFailed as AlertDeliveryFailed
from .alert_facts import AlertEvent as AlertEvent
from .alert_facts import AlertRaised as AlertRaised
from .alert_facts import DeliveryEvent as DeliveryEvent
from .comparison_facts import ComparisonConcluded as ComparisonConcluded
from .comparison_facts import ComparisonEvent as ComparisonEvent
from .comparison_facts import ComparisonStarted as ComparisonStarted
from .erasure_facts import ContentErased as ContentErased
from .example_facts import ExamplesImported as ExamplesImported
from .example_facts import ExamplesSynthesized as ExamplesSynthesized
from .fact import EVENTS as EVENTS
from .fact import Event as Event
from .fact import Passing as Passing
from .fact import fact as fact

# --- TaskRun: one task, done once ----------------------------------------------------------------------------------


class Lane(TypedDict):
    """Where the steps of one role in a run go; the fields are those of ``RunEvent``."""

    role: str
    arm: str
    adapter: str | None
    """None where the role has no adapter of its own: then the run's own lane makes its steps."""
    rollout: str | None


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RunEvent(Event):
    """A fact of a run. Its roles, arms and adapters stand in every fact that is counted, so counting needs no join."""

    AGGREGATE = "TaskRun"
    VERSION = 3

    role: str
    """The run's own, which begins it."""
    arm: str
    """``stable`` or ``canary``; ``pinned`` for a run with an adapter chosen by hand, which counts for neither."""
    adapter: str | None
    """The adapter's name, None for the bare base."""
    rollout: str | None
    """The rollout in force when the run began, as hex id."""
    others: tuple[Lane, ...]
    """The lanes of the other roles that made a step; at the start, of those that may make one. Since version 2."""
    session: str | None
    """The conversation that it is part of, if any. Since version 3 in every fact of a run, before in its start alone."""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The run's own lane and those of the other roles."""
        own: Lane = {"role": self.role, "arm": self.arm, "adapter": self.adapter, "rollout": self.rollout}
        return (own, *self.others)


@fact("TaskStarted")
class TaskStarted(RunEvent):
    TEXTS = ("task",)

    environment: str
    task: str
    """The environment's task name; for ``chat`` the content key of the words."""
    seed: int
    base: str
    """The base model: name or path as set, and its revision or hash after an ``@``."""
    policy: dict[str, Any]
    """The settings that shaped the run: maximum steps, traffic share, temperature."""


@fact("StepTaken")
class StepTaken(Event):
    AGGREGATE = "TaskRun"
    VERSION = 2
    TEXTS = ("prompt", "answer")

    step: int
    """From 1."""
    role: str
    """Who made it; empty where it was stored before version 2: then the run's own role did."""
    prompt: str
    """Content key of the messages, JSON."""
    answer: str
    """Content key of what the model answered."""
    error: str
    """Why the environment could not carry the action out; empty when it could."""
    model_ms: int
    environment_ms: int
    prompt_tokens: int
    completion_tokens: int


@fact("TaskSucceeded")
class TaskSucceeded(RunEvent):
    steps: int
    duration_ms: int
    reward: float
    implicit_stars: int
    """The implicit rating, 3-5: its own series, never mixed with people's."""


@fact("TaskFailed")
class TaskFailed(RunEvent):
    steps: int
    duration_ms: int
    reward: float
    implicit_stars: int
    reason: str
    """``wrong`` (the task says so), ``timeout`` (out of steps), ``error`` (a fault of the model or its weights: critical),
    ``environment`` (the computer to use was lost: counted for neither arm)."""
    detail: str
    fault: str | None
    """The role that it is known to have failed by: the only one that made a step, or whose turn it was when the model or its
    weights failed; None where that is not known, or nobody's fault. Since version 2."""


@fact("TaskRated")
class TaskRated(RunEvent):
    TEXTS = ("comment",)

    stars: int
    """1-5."""
    source: str
    """``human`` or ``reviewer``."""
    issues: tuple[str, ...]
    comment: str | None
    """Content key."""
    step: int | None
    """The step that went wrong, where it was named. Since version 2."""
    fault: str | None
    """The role that a low rating is attributed to; None for a good one, and where nobody knows. Since version 2."""


@fact("TaskCorrected")
class TaskCorrected(RunEvent):
    TEXTS = ("correction",)

    source: str
    """``human``, ``reviewer`` (a scripted demonstration), ``retry`` (an own success), ``teacher``."""
    correction: str
    """Content key of the steps: JSON list of ``{"messages": [...], "completion": "..."}``."""
    steps: int
    is_verified: bool
    """Whether the correction was carried out in the environment and succeeded."""


# --- RoleImprovement: one per role ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RoleEvent(Event):
    AGGREGATE = "RoleImprovement"
    role: str


@fact("RatingThresholdBreached")
class RatingThresholdBreached(RoleEvent):
    VERSION = 2

    adapter: str | None
    """The adapter version whose ratings these are."""
    mean: float
    """Of the window, in [1, 5]."""
    count: int
    window: int
    threshold: float
    first_position: int
    """Of the window's first rating in the log."""
    last_position: int
    total: int
    """Ratings this adapter version has had in all, for the cooldown."""
    rule: str
    """``sequential`` or ``threshold``. Since version 2."""
    message: str
    """What the rule says, with its numbers; empty where it was stored before version 2."""
    numbers: dict[str, Any]
    """What it rests on. Since version 2."""


@fact("TriggerSuppressed")
class TriggerSuppressed(RoleEvent):
    adapter: str | None
    mean: float
    count: int
    reason: str
    """``cycle in flight`` or ``cooldown``."""


@fact("CycleOpened")
class CycleOpened(RoleEvent):
    """A person asked for a training without a breach."""

    adapter: str | None
    reason: str


@fact("CycleClosed")
class CycleClosed(RoleEvent):
    outcome: str
    """``promoted``, ``rolled back``, ``rejected``, ``declined``, ``failed``."""
    detail: str
    total: int
    """Ratings the adapter version live before had had by then."""


# --- TrainingJob ----------------------------------------------------------------------------------------------------


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


# --- Schedule -------------------------------------------------------------------------------------------------------


@fact("ScheduleKept")
class ScheduleKept(Event):
    """It was time to look at the ratings of all roles and at all canaries, though nothing happened to them."""

    AGGREGATE = "Schedule"
    reason: str


# --- Settings -------------------------------------------------------------------------------------------------------


@fact("PolicyChanged")
class PolicyChanged(Event):
    AGGREGATE = "Settings"
    key: str
    old: Any
    new: Any
    reason: str


SCHEMA = sum(kind.VERSION for kind in EVENTS.values())
"""What this program can read, as one number: it grows with every new fact and every new version of one. A view that was
computed by a program of another schema may rest on facts that this one does not know."""
