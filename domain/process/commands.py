"""The commands of the improvement process. The id of each command's target is derived from its cause, so commands are
idempotent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..aggregates.alert import Notice
from ..events import TrainingCompleted
from ..rules.breach import Window
from ..verdict import Verdict
from ..vocabulary import CycleOutcome, RolloutCause, Rule, Unit


@dataclass(frozen=True)
class LookAtRatings:
    """Judge the role's window of ratings."""

    window: Window


@dataclass(frozen=True)
class RequestTraining:
    """Request the one training of a cycle."""

    training: UUID
    role: str
    parent: str | None


@dataclass(frozen=True)
class RegisterAdapter:
    """Register the weights of a completed training under a name."""

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
    """Give an adapter that has passed the gate a share of the role's runs."""

    rollout: UUID
    role: str
    adapter: str
    stable: str | None
    weight_percent: int
    rule: Rule | str
    terms: dict[str, Any]
    unit: Unit | str
    edition: int


@dataclass(frozen=True)
class RecordVerdict:
    """Record a verdict on the canary; ``up_to`` is the log position of the event that it was made after."""

    rollout: UUID
    verdict: Verdict
    up_to: int


@dataclass(frozen=True)
class WeighCanary:
    """Raise the canary's share of the runs that begin from now on."""

    rollout: UUID
    weight_percent: int


@dataclass(frozen=True)
class PromoteAdapter:
    """Give the canary all traffic."""

    rollout: UUID
    reason: str


@dataclass(frozen=True)
class RollBackAdapter:
    """Return all traffic to the stable arm; ``cause`` is that of ``AdapterRolledBack``."""

    rollout: UUID
    reason: str
    cause: RolloutCause


@dataclass(frozen=True)
class PauseRollout:
    """Leave the decision to a person; ``cause`` is that of ``RolloutPaused``."""

    rollout: UUID
    reason: str
    cause: RolloutCause


@dataclass(frozen=True)
class RaiseAlert:
    """Raise an alert for people."""

    alert: UUID
    notice: Notice


@dataclass(frozen=True)
class ResolveAlert:
    """Resolve an alert, with how it ended."""

    alert: UUID
    message: str


@dataclass(frozen=True)
class JudgeRun:
    """Take a rating as the judgement of a run whose success is unknown."""

    run: UUID
    succeeded: bool
    source: str


@dataclass(frozen=True)
class CloseCycle:
    """Close the role's cycle with its outcome."""

    role: str
    outcome: CycleOutcome
    detail: str
    total: int


Command = (
    LookAtRatings
    | RequestTraining
    | RegisterAdapter
    | RejectAdapter
    | StartRollout
    | RecordVerdict
    | WeighCanary
    | PromoteAdapter
    | RollBackAdapter
    | PauseRollout
    | RaiseAlert
    | JudgeRun
    | ResolveAlert
    | CloseCycle
)
