"""The improvement process: which commands follow from an event. Pure: it reads what is known and answers with commands.

    rating -> breach -> training -> adapter -> proof -> gate -> rollout -> verdict -> promotion or rollback -> cycle closed

Every command's target has an id derived from its cause, so reacting twice to one event does a thing once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from .adapter import adapter_id, adapter_name
from .alert import Notice, alert_id, low_mean, notice_of
from .breach import Window, is_breach
from .events import (
    AdapterEvaluated,
    AdapterPromoted,
    AdapterRejected,
    AdapterRolledBack,
    CanaryAssessed,
    CycleOpened,
    Event,
    HeldOutJudged,
    RatingThresholdBreached,
    TaskRated,
    TrainingCompleted,
    TrainingDeclined,
    TrainingFailed,
)
from .rollout import rollout_id
from .routing import Traffic
from .settings import Policy
from .training import training_id


class Knowledge(Protocol):
    """What is known at the event's own position; the process asks for nothing later and nothing else."""

    @property
    def policy(self) -> Policy:
        """The settings in force."""
        ...

    def window(self, role: str) -> Window:
        """The ratings of the role's live adapter."""
        ...

    def traffic(self, role: str) -> Traffic:
        """Where the role's runs go."""
        ...

    def has_fallen(self, role: str) -> bool:
        """Whether the mean of the role's window fell under ``alert.mean`` with this very event."""
        ...

    @property
    def trainings_completed(self) -> int:
        """How many trainings have ended with weights, this one included."""
        ...


@dataclass(frozen=True)
class LookAtRatings:
    """Let the role judge its window."""

    window: Window


@dataclass(frozen=True)
class RequestTraining:
    """Ask for the one training of a cycle."""

    training: UUID
    role: str
    parent: str | None


@dataclass(frozen=True)
class RegisterAdapter:
    """Give a completed training's weights a name."""

    adapter: UUID
    name: str
    completed: TrainingCompleted


@dataclass(frozen=True)
class RejectAdapter:
    """Refuse an adapter before any traffic."""

    adapter: UUID
    reason: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class StartRollout:
    """Send a share of the role's runs to an adapter that has passed the gate."""

    rollout: UUID
    role: str
    adapter: str
    stable: str | None
    weight_percent: int


@dataclass(frozen=True)
class PromoteAdapter:
    """Give the canary all the traffic."""

    rollout: UUID
    reason: str


@dataclass(frozen=True)
class RollBackAdapter:
    """Give all the traffic back to the stable arm."""

    rollout: UUID
    reason: str


@dataclass(frozen=True)
class PauseRollout:
    """Leave the decision to a person."""

    rollout: UUID
    reason: str


@dataclass(frozen=True)
class RaiseAlert:
    """Tell people what they must hear of."""

    alert: UUID
    notice: Notice


@dataclass(frozen=True)
class CloseCycle:
    """End the role's cycle with what came of it."""

    role: str
    outcome: str
    detail: str
    total: int


Command = (
    LookAtRatings
    | RequestTraining
    | RegisterAdapter
    | RejectAdapter
    | StartRollout
    | PromoteAdapter
    | RollBackAdapter
    | PauseRollout
    | RaiseAlert
    | CloseCycle
)


def react(event: Event, known: Knowledge) -> list[Command]:
    """The commands that follow from the event. Most events lead to none."""
    return [*_tell(event, known), *_go_on(event, known)]


def _tell(event: Event, known: Knowledge) -> list[RaiseAlert]:
    """What people must hear of it."""
    notices = [notice] if (notice := notice_of(event)) is not None else []
    if isinstance(event, TaskRated):
        fallen = [lane["role"] for lane in event.lanes if known.has_fallen(lane["role"])]
        notices += [low_mean(known.window(role), known.policy) for role in fallen]
    return [RaiseAlert(alert_id(event.reference, it.kind, it.role), it) for it in notices]


def _go_on(event: Event, known: Knowledge) -> list[Command]:
    """What it leads to in the cycle."""
    match event:
        case TaskRated():
            windows = [known.window(lane["role"]) for lane in event.lanes]
            return [LookAtRatings(window) for window in windows if is_breach(window, known.policy)]
        case RatingThresholdBreached() | CycleOpened():
            return [RequestTraining(training_id(event.reference), event.role, known.traffic(event.role).stable)]
        case TrainingCompleted():
            name = adapter_name(known.trainings_completed)
            return [RegisterAdapter(adapter_id(event.originator_id), name, event)]
        case TrainingDeclined():
            return [_close(event.role, "declined", event.reason, known)]
        case TrainingFailed():
            return [_close(event.role, "failed", event.reason, known)]
        case AdapterRejected():
            return [_close(event.role, "rejected", event.reason, known)]
        case AdapterEvaluated():
            # With the gate on, the worker finds the proven adapter in the log and judges it first.
            return [] if known.policy.get("gate.enabled", event.role) else [_roll_out(event, known)]
        case HeldOutJudged():
            if event.verdict == "reject":
                return [RejectAdapter(event.originator_id, f"{event.reason}: {event.message}", event.numbers)]
            return [_roll_out(event, known)]
        case CanaryAssessed():
            return _follow(event)
        case AdapterPromoted():
            return [_close(event.role, "promoted", f"{event.adapter}: {event.reason}", known)]
        case AdapterRolledBack():
            return [_close(event.role, "rolled back", f"{event.adapter}: {event.reason}", known)]
    return []


def _roll_out(event: AdapterEvaluated | HeldOutJudged, known: Knowledge) -> StartRollout:
    weight = known.policy.get("canary.weight_percent", event.role)
    stable = known.traffic(event.role).stable
    return StartRollout(rollout_id(event.originator_id), event.role, event.adapter, stable, weight)


def _follow(event: CanaryAssessed) -> list[Command]:
    match event.verdict:
        case "promote":
            return [PromoteAdapter(event.originator_id, event.message)]
        case "roll back":
            return [RollBackAdapter(event.originator_id, event.message)]
        case "inconclusive":
            return [PauseRollout(event.originator_id, event.message)]
    return []


def _close(role: str, outcome: str, detail: str, known: Knowledge) -> CloseCycle:
    return CloseCycle(role, outcome, detail, known.window(role).total)
