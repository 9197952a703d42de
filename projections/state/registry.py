"""The registry: every training and every adapter, with its origin and its status."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from msgspec import field

from ...domain.events import (
    AdapterAnswered,
    AdapterEvaluated,
    AdapterPromoted,
    AdapterPushed,
    AdapterPushFailed,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    AdapterServed,
    AdapterUnserved,
    AttemptInterrupted,
    DatasetBuilt,
    Event,
    HeldOutJudged,
    RolloutStarted,
    TrainingApproved,
    TrainingCompleted,
    TrainingDeclined,
    TrainingEvent,
    TrainingFailed,
    TrainingHeld,
    TrainingPending,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
    WeightsFound,
    WeightsMissed,
)
from ...domain.rules.cost import Cost, Prices
from ...domain.settings.recipe import current_figures
from ...domain.vocabulary import AdapterStatus, TrainingStatus
from .shards import SavedParts, StateValue, encode
from .transitions import adapter_status, status_of_another, training_status


class Training(StateValue):
    """One training."""

    id: str
    role: str
    status: TrainingStatus
    position: int
    """The position of its request."""
    cycle: str | None
    """The reference of the event that opened its cycle."""
    lineage: str
    """``parent`` where it continues from the weights of the adapter that was live, else ``base``."""
    examples: int | None = None
    """In its dataset; None before that is built."""
    attempts: int = 0
    launcher: str = ""
    """Where the newest attempt runs, a ``vocabulary.Place``; empty before one, and where an older program began it."""
    job: str = ""
    """The name of that attempt there."""
    step: int = 0
    steps: int | None = None
    """Of the whole training; None before the first progress."""
    reason: str = ""
    """Why it was declined, failed, waits, or was interrupted."""
    duration_s: float | None = None
    peak_memory_bytes: int | None = None
    cost: Cost | None = None
    """At the prices in force when it was completed, to a millionth; None before that."""

    @property
    def uuid(self) -> UUID:
        """The id of its aggregate."""
        return UUID(self.id)


class Judgement(StateValue):
    """The gate's verdict on an adapter."""

    verdict: str
    """A ``vocabulary.Decision``, as it is recorded."""
    reason: str
    message: str
    position: int


class Service(StateValue):
    """What an endpoint was last found to do with an adapter."""

    boot: str
    """When its process began, as it told it; empty where it did not."""
    position: int
    numbers: dict[str, float]
    """The figures of the proof there; none where the adapter was not loaded."""
    problem: str
    """Why it gets no traffic of the adapter; empty where it was proven to apply it."""
    serves: str = ""
    """What the adapter was when the problem was recorded, as in ``AdapterUnserved``."""


class Adapter(StateValue):
    """One adapter."""

    name: str
    id: str
    role: str
    status: AdapterStatus
    weights: str
    """The hash of its weights; what stands in its place where an endpoint keeps them."""
    dataset: str
    base: str
    base_hash: str
    parent: str | None
    """The adapter that was live when its training was requested; None is the base."""
    lineage: str
    """The lineage of its training."""
    training: str
    """The id of its training."""
    position: int
    """The position of its registration."""
    registered: str
    gate: Judgement | None = None
    reason: str = ""
    """Why it was rejected."""
    is_missed: bool = False
    """Whether its weights were not in their folder when that was last recorded."""
    pushed_to: str = ""
    """The registry that its weights were last pushed to; empty before that."""
    push_problem: str = ""
    """Why they could not be pushed, where that is recorded and no push has succeeded since."""
    served: dict[str, Service] = field(default_factory=dict)
    """By the base URL of the endpoint."""
    endpoint: str = ""
    """The base URL of the endpoint that tuned it and keeps it; empty where its weights are the log's own."""
    model: str = ""
    """Its name there; empty likewise."""

    @property
    def is_tuned(self) -> bool:
        """Whether an endpoint keeps it as a model, so that there are no weights of it here."""
        return bool(self.model)

    @property
    def uuid(self) -> UUID:
        """The id of its aggregate."""
        return UUID(self.id)


class _Saved(StateValue):
    trainings: list[Training]
    adapters: list[Adapter]


class Registry:
    """Fold of trainings and adapters, the oldest first."""

    HANDLES = (
        TrainingEvent, AdapterRegistered, AdapterEvaluated, AdapterAnswered, HeldOutJudged, AdapterRejected, RolloutStarted,
        AdapterPromoted, AdapterRolledBack, AdapterServed, AdapterUnserved, WeightsMissed, WeightsFound,
        AdapterPushed, AdapterPushFailed,
    )  # fmt: skip

    def __init__(self) -> None:
        self._trainings: dict[str, Training] = {}
        self._adapters: dict[str, Adapter] = {}

    @classmethod
    def load(cls, saved: SavedParts) -> Registry:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        registry, known = cls(), saved.one("registry", _Saved)
        registry._trainings = {training.id: training for training in known.trainings}
        registry._adapters = {adapter.name: adapter for adapter in known.adapters}
        return registry

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"registry": encode(_Saved(list(self._trainings.values()), list(self._adapters.values())))}

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """Every adapter by name, the oldest first."""
        return self._adapters

    def name_at_endpoint(self, adapter: str | None) -> str:
        """The name of the model that an endpoint tuned and keeps as this adapter; empty for any other, and for the base."""
        known = self._adapters.get(adapter or "")
        return "" if known is None else known.model

    @property
    def trainings(self) -> Mapping[str, Training]:
        """Every training by id, the oldest first."""
        return self._trainings

    def apply(self, position: int, event: Event) -> None:
        """Apply one event."""
        match event:
            case TrainingEvent():
                self._train(position, event)
            case WeightsMissed() | WeightsFound():
                self._adapters[event.adapter].is_missed = isinstance(event, WeightsMissed)
            case AdapterPushed():
                self._adapters[event.adapter].pushed_to, self._adapters[event.adapter].push_problem = event.registry, ""
            case AdapterPushFailed():
                self._adapters[event.adapter].push_problem = event.reason
            case AdapterServed() | AdapterUnserved():
                self._adapters[event.adapter].served[event.endpoint] = _service(position, event)
            case AdapterRegistered():
                self._register(position, event)
            case (
                AdapterEvaluated()
                | AdapterAnswered()
                | HeldOutJudged()
                | AdapterRejected()
                | RolloutStarted()
                | AdapterPromoted()
                | AdapterRolledBack()
            ):
                adapter = self._adapters[event.adapter]
                self._move(event, adapter)
                if isinstance(event, HeldOutJudged):
                    adapter.gate = Judgement(event.verdict, event.reason, event.message, position)
                elif isinstance(event, AdapterRejected):
                    adapter.reason = event.reason

    def _move(self, event: Event, adapter: Adapter) -> None:
        """Set the new status of the event's adapter, and of another adapter that the event changes."""
        if (another := status_of_another(event, was_live=adapter.status == AdapterStatus.LIVE)) is not None:
            name, status = another
            self._adapters[name].status = status
        adapter.status = adapter_status(event) or adapter.status

    def _register(self, position: int, event: AdapterRegistered) -> None:
        training = self._trainings.get(event.training)
        self._adapters[event.adapter] = Adapter(
            name=event.adapter,
            id=event.originator_id.hex,
            role=event.role,
            status=AdapterStatus.REGISTERED,
            weights=event.weights,
            dataset=event.dataset,
            base=event.base,
            base_hash=event.base_hash,
            parent=event.parent,
            lineage=training.lineage if training is not None else "base",
            training=event.training,
            position=position,
            registered=event.time.isoformat(),
            endpoint=event.endpoint,
            model=event.model,
        )

    def _train(self, position: int, event: TrainingEvent) -> None:
        id = event.originator_id.hex
        if isinstance(event, TrainingRequested):
            lineage = current_figures(event.recipe).get("init_from", "base")
            self._trainings[id] = Training(id, event.role, TrainingStatus.REQUESTED, position, event.caused_by, lineage)
        training = self._trainings[id]
        training.status = training_status(event) or training.status
        match event:
            case DatasetBuilt():
                training.examples = event.examples
            case TrainingStarted():
                training.attempts, training.launcher, training.job = event.attempt, event.launcher, event.job
                training.reason = ""
            case TrainingProgressed():
                training.step, training.steps, training.reason = event.step, event.steps, ""
            case TrainingCompleted():
                training.step = event.steps
            case TrainingApproved():
                training.reason = ""
            case TrainingDeclined() | TrainingFailed() | TrainingHeld() | TrainingPending() | AttemptInterrupted():
                training.reason = event.reason

    def charge(self, completed: TrainingCompleted, prices: Prices) -> None:
        """Record the cost of the training, at the prices in force when it was completed."""
        training = self._trainings[completed.originator_id.hex]
        training.duration_s, training.peak_memory_bytes = completed.duration_s, completed.peak_memory_bytes
        training.cost = Cost(**prices.of_training(completed).to_json())


def _service(position: int, event: AdapterServed | AdapterUnserved) -> Service:
    if isinstance(event, AdapterUnserved):
        numbers = {name: float(value) for name, value in event.numbers.items()}
        return Service(event.boot, position, numbers, event.reason, event.serves)
    numbers = {
        "prompts": float(event.prompts),
        "effect": event.effect,
        "error": event.error,
        "rounding": event.rounding,
        "max_difference": event.max_difference,
    }
    return Service(event.boot, position, numbers, "")
