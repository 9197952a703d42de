"""What the improvement process asks for: each command's target has an id derived from its cause, so it is done once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..aggregates.alert import Notice
from ..events import TrainingCompleted
from ..rules.breach import Window
from ..verdict import Verdict
from ..vocabulary import CycleOutcome


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
    rule: str
    terms: dict[str, Any]
    unit: str
    edition: int


@dataclass(frozen=True)
class RecordVerdict:
    """Record what a look at the canary says, with the position of the event that was looked after."""

    rollout: UUID
    verdict: Verdict
    up_to: int


@dataclass(frozen=True)
class WeighCanary:
    """Give the canary a larger share of the runs that begin from now on."""

    rollout: UUID
    weight_percent: int


@dataclass(frozen=True)
class PromoteAdapter:
    """Give the canary all the traffic."""

    rollout: UUID
    reason: str


@dataclass(frozen=True)
class RollBackAdapter:
    """Give all the traffic back to the stable arm; ``cause`` is that of ``AdapterRolledBack``."""

    rollout: UUID
    reason: str
    cause: str


@dataclass(frozen=True)
class PauseRollout:
    """Leave the decision to a person; ``cause`` is that of ``RolloutPaused``."""

    rollout: UUID
    reason: str
    cause: str


@dataclass(frozen=True)
class RaiseAlert:
    """Tell people what they must hear of."""

    alert: UUID
    notice: Notice


@dataclass(frozen=True)
class ResolveAlert:
    """Tell those who were told of an alert that it is over, and how."""

    alert: UUID
    message: str


@dataclass(frozen=True)
class CloseCycle:
    """End the role's cycle with what came of it."""

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
    | ResolveAlert
    | CloseCycle
)
