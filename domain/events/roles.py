"""The events of a role: its ratings fell, and its improvement cycle."""

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
class BreachSuppressed(RoleEvent):
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
