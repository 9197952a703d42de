"""A training job: requested once, its dataset built, then completed, declined or failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ..errors import NotPossible
from ..events import (
    DatasetBuilt,
    Event,
    TrainingCompleted,
    TrainingDeclined,
    TrainingFailed,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
)
from .base import Aggregate, Context, derive_id


def training_id(cycle: str) -> UUID:
    """The id of a cycle's one training; ``cycle`` is the reference of the event that opened it."""
    return derive_id("training", cycle)


class TrainingJob(Aggregate):
    """States: requested, dataset built, started (again after each interruption), over."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.requested: TrainingRequested | None = None
        self.dataset: DatasetBuilt | None = None
        self.started: TrainingStarted | None = None
        self.attempts = 0
        self.over: TrainingCompleted | TrainingDeclined | TrainingFailed | None = None

    @property
    def role(self) -> str:
        """The role it trains for."""
        assert self.requested is not None
        return self.requested.role

    @property
    def figures(self) -> dict[str, Any]:
        """The recipe that it trains with: as requested, and once it has started as the base's size changed it."""
        assert self.requested is not None
        return {**self.requested.recipe, **(self.started.adjusted if self.started is not None else {})}

    def request(self, context: Context, **fields: Any) -> None:
        """Request the training. Idempotent."""
        if self.requested is None:
            self._record(TrainingRequested, context, **fields)

    def build_dataset(self, context: Context, **fields: Any) -> None:
        """Record the dataset. Idempotent, because a job trains on one dataset."""
        self._require_open()
        if self.dataset is None:
            self._record(DatasetBuilt, context, role=self.role, **fields)

    def decline(self, reason: str, examples: int, minimum: int, up_to: int, context: Context) -> None:
        """End it because the log up to ``up_to`` has too few examples."""
        self._require_open()
        numbers = {"examples": examples, "minimum": minimum, "up_to": up_to}
        self._record(TrainingDeclined, context, role=self.role, reason=reason, **numbers)

    def start(self, context: Context, adjusted: dict[str, Any] | None = None, choices: Sequence[str] = ()) -> None:
        """Record an attempt; each later one continues from the last checkpoint, with what the first one decided."""
        self._require_open()
        if self.dataset is None:
            raise NotPossible(f"training {self.id.hex} has no dataset yet")
        if self.started is not None:
            adjusted, choices = self.started.adjusted, self.started.choices
        self._record(
            TrainingStarted,
            context,
            role=self.role,
            attempt=self.attempts + 1,
            adjusted=adjusted or {},
            choices=list(choices),
        )

    def progress(self, step: int, steps: int, loss: float, context: Context) -> None:
        """Record the progress at the end of an epoch."""
        self._require_open()
        self._record(TrainingProgressed, context, role=self.role, step=step, steps=steps, loss=loss)

    def complete(self, context: Context, *, precision: str = "", **fields: Any) -> None:
        """End it with weights and their measured cost."""
        self._require_open()
        self._record(TrainingCompleted, context, role=self.role, precision=precision, **fields)

    def fail(self, reason: str, context: Context) -> None:
        """End it without weights."""
        self._require_open()
        self._record(TrainingFailed, context, role=self.role, reason=reason)

    def _require_open(self) -> None:
        if self.requested is None:
            raise NotPossible(f"training {self.id.hex} was not requested")
        if self.over is not None:
            raise NotPossible(f"training {self.id.hex} is over: {self.over.TOPIC}")

    def _apply(self, event: Event) -> None:
        match event:
            case TrainingRequested():
                self.requested = event
            case DatasetBuilt():
                self.dataset = event
            case TrainingStarted():
                self.started = event
                self.attempts = event.attempt
            case TrainingCompleted() | TrainingDeclined() | TrainingFailed():
                self.over = event
