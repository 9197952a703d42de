"""A training job: requested once, its dataset built, then completed, declined or failed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from ..errors import Hint, NotPossible
from ..events import (
    AttemptInterrupted,
    DatasetBuilt,
    DatasetSent,
    Event,
    SentDatasetDeleted,
    TrainingApproved,
    TrainingCompleted,
    TrainingDeclined,
    TrainingFailed,
    TrainingHeld,
    TrainingPending,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
    TuningSubmitted,
)
from ..vocabulary import Place
from .base import Aggregate, Context, derive_id


def training_id(cycle: str) -> UUID:
    """The id of a cycle's one training; ``cycle`` is the reference of the event that opened it."""
    return derive_id("training", cycle)


PREFIX, MARK_DIGITS = "grokputer-", 12
"""How the name of a training begins, and the digits in it that tell logs apart. With the number of the attempt, a name has at
most 63 characters, as schedulers demand."""


class TrainingJob(Aggregate):
    """States: requested, dataset built, held where it costs too much, started (again after each interruption), over."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.requested: TrainingRequested | None = None
        self.dataset: DatasetBuilt | None = None
        self.started: TrainingStarted | None = None
        self.running: TrainingStarted | None = None
        """The attempt that has not ended, as far as the log knows."""
        self.queued: TrainingPending | None = None
        self.held: TrainingHeld | None = None
        self.approved: TrainingApproved | None = None
        self.sent: DatasetSent | None = None
        self.tunings: list[TuningSubmitted] = []
        """The attempts that an endpoint has taken as its jobs."""
        self.deleted: set[tuple[str, str]] = set()
        """The files of the dataset that are deleted elsewhere: base URL and id of each."""
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

    @property
    def name(self) -> str:
        """Its name outside the folder of its log, of small letters, digits and dashes; known once the dataset is.

        The id does not do there: a role's first training has the same one in every log. The key of the dataset's manifest
        is drawn at random. So the names differ between logs, and between copies of one log unless they have the very
        dataset. A training keeps the name of its first attempt, also where an earlier program began it.
        """
        if self.started is not None:
            return self.started.job.rpartition("-")[0] or f"{PREFIX}{self.id.hex}"
        assert self.dataset is not None
        mark = sha256(f"{self.dataset.manifest}/{self.dataset.dataset}".encode()).hexdigest()[:MARK_DIGITS]
        return f"{PREFIX}{self.id.hex}-{mark}"

    @property
    def file_name(self) -> str:
        """The name of its dataset as a file elsewhere; one for all attempts."""
        return f"{self.name}.jsonl"

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

    @property
    def is_held(self) -> bool:
        """Whether it waits for a person because of its cost."""
        return self.held is not None and self.approved is None

    def hold(self, reason: str, numbers: dict[str, Any], context: Context) -> None:
        """Let it wait for a person. Idempotent."""
        self._require_open()
        if self.held is None:
            self._record(TrainingHeld, context, role=self.role, reason=reason, numbers=numbers)

    def approve(self, reason: str, context: Context) -> None:
        """Let a held training run. Raises ``NotPossible`` where it does not wait for that."""
        self._require_open()
        if not self.is_held:
            raise NotPossible(f"training {self.id.hex[:8]} does not wait for approval", hint=Hint.SEE_STATUS)
        self._record(TrainingApproved, context, role=self.role, reason=reason)

    def start(
        self,
        context: Context,
        adjusted: dict[str, Any] | None = None,
        choices: Sequence[str] = (),
        launcher: str = Place.PROCESS,
    ) -> None:
        """Record an attempt; each later one continues from the last checkpoint, with what the first one decided."""
        self._require_open()
        if self.dataset is None:
            raise NotPossible(f"training {self.id.hex} has no dataset yet")
        if self.is_held:
            raise NotPossible(f"training {self.id.hex[:8]} waits for approval")
        if self.started is not None:
            adjusted, choices = self.started.adjusted, self.started.choices
        self._record(
            TrainingStarted,
            context,
            role=self.role,
            attempt=self.attempts + 1,
            adjusted=adjusted or {},
            choices=list(choices),
            launcher=str(launcher),
            job=f"{self.name}-{self.attempts + 1}",
        )

    def interrupt(self, reason: str, context: Context) -> None:
        """Record that the attempt under way has ended from outside. Without one under way it has no effect."""
        self._require_open()
        if self.running is not None:
            attempt = self.running.attempt
            self._record(AttemptInterrupted, context, role=self.role, attempt=attempt, reason=reason)

    def wait(self, reason: str, context: Context) -> None:
        """Record that the attempt's job waits for a place to run. Once an attempt."""
        self._require_open()
        if self.running is not None and (self.queued is None or self.queued.attempt != self.running.attempt):
            job = {"attempt": self.running.attempt, "job": self.running.job}
            self._record(TrainingPending, context, role=self.role, reason=reason, **job)

    @property
    def tuning(self) -> TuningSubmitted | None:
        """The job at an endpoint of the attempt under way; None before it is taken there."""
        running = self.running
        return next((it for it in self.tunings if running is not None and it.attempt == running.attempt), None)

    def send(self, context: Context, *, endpoint: str, size: int, examples: int) -> None:
        """Record that the dataset leaves. Once for an endpoint."""
        self._require_open()
        if self.sent is None or self.sent.endpoint != endpoint:
            file = self.file_name
            self._record(
                DatasetSent, context, role=self.role, endpoint=endpoint, file=file, size=size, examples=examples
            )

    def submit(self, context: Context, *, model: str, file: str, tuning: str) -> None:
        """Record the endpoint's job of the attempt under way. Once an attempt."""
        self._require_open()
        if self.running is not None and self.sent is not None and self.tuning is None:
            there = {"endpoint": self.sent.endpoint, "model": model, "file": file, "tuning": tuning}
            self._record(TuningSubmitted, context, role=self.role, attempt=self.running.attempt, **there)

    def delete_sent(self, endpoint: str, file: str, context: Context) -> None:
        """Record that the endpoint has deleted the dataset's file. Idempotent; also where the training is over."""
        if self.sent is not None and (endpoint, file) not in self.deleted:
            self._record(SentDatasetDeleted, context, role=self.role, endpoint=endpoint, file=file)

    def progress(self, step: int, steps: int, loss: float, context: Context) -> None:
        """Record the progress at the end of an epoch."""
        self._require_open()
        self._record(TrainingProgressed, context, role=self.role, step=step, steps=steps, loss=loss)

    def complete(
        self,
        context: Context,
        *,
        precision: str = "",
        endpoint: str = "",
        model: str = "",
        billed_tokens: int = 0,
        **fields: Any,
    ) -> None:
        """End it with weights, or the model that an endpoint keeps, and their measured cost."""
        self._require_open()
        fields |= {"precision": precision, "endpoint": endpoint, "model": model, "billed_tokens": billed_tokens}
        self._record(TrainingCompleted, context, role=self.role, **fields)

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
                self.started = self.running = event
                self.attempts = event.attempt
            case AttemptInterrupted():
                self.running = None
            case TrainingPending():
                self.queued = event
            case DatasetSent():
                self.sent = event
            case TuningSubmitted():
                self.tunings.append(event)
            case SentDatasetDeleted():
                self.deleted.add((event.endpoint, event.file))
            case TrainingHeld():
                self.held = event
            case TrainingApproved():
                self.approved = event
            case TrainingCompleted() | TrainingDeclined() | TrainingFailed():
                self.over = event
