"""The status of a log, now or at an earlier moment, and its newest runs, as typed values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.vocabulary import AdapterStatus, Arm, CorrectionSource, FailureReason
from ...projections.explain.standing.summary import RoleSummary, summarize_role
from ...projections.wording.words import say_alert
from ..explain.run_filter import RunFilter
from ..explain.run_list import Row, list_runs
from ..improvement.role_views import view_roles
from ..improvement.weights import missing
from ..store.lease import find_worker
from ..store.states import load_state
from ..wiring.registries import open_registry
from .lookups import require_role

if TYPE_CHECKING:
    from ...projections.state.alerts import Alert
    from ...projections.state.registry import Adapter
    from ...projections.state.rollouts import Rollout
    from ...projections.state.state import State
    from ..store.log import Log


@dataclass(frozen=True)
class AdapterSummary:
    """One adapter, its training and its ratings."""

    name: str
    role: str
    status: AdapterStatus
    parent: str | None
    """The adapter that was live when its training was requested; None for the base."""
    lineage: str
    """What its training started from: ``parent`` or ``base``."""
    training: UUID
    examples: int | None
    """Number of examples that it was trained on."""
    duration_s: float | None
    """Duration of its training; None where unknown."""
    price: str | None
    """Price of its training with its currency; None where no price is set."""
    gate: str | None
    """The reason of the gate's verdict; None before it."""
    ratings: int
    """Number of its ratings."""
    mean: float | None
    """Mean of its ratings, 1 to 5; None without ratings."""
    weights: str
    """The hash of its weights."""
    is_missing: bool
    """Whether its weights are not in the registry now; False for an earlier moment."""
    registered: datetime
    position: int
    """Log position of its registration."""
    details: dict[str, Any]
    """All that the log says of it, JSON-plain, as ``grokputer adapters --json`` prints it."""


@dataclass(frozen=True)
class AlertSummary:
    """One alert."""

    position: int
    time: datetime
    kind: str
    severity: str
    role: str
    adapter: str | None
    message: str
    is_open: bool
    """Whether no later event has resolved it."""
    details: dict[str, Any]
    """All that the log says of it and of its deliveries, JSON-plain, as ``grokputer alerts --json`` prints it."""


@dataclass(frozen=True)
class MissingWeights:
    """Weights that runs need and that are not in the registry."""

    adapter: str
    serves: str
    """``live`` or ``canary``."""
    place: str
    """Where they are expected."""


@dataclass(frozen=True)
class Status:
    """The status as of a log position."""

    position: int
    time: datetime | None
    """Time of the event at the position; None in an empty log."""
    roles: tuple[RoleSummary, ...]
    adapters: tuple[AdapterSummary, ...]
    settings: dict[str, Any]
    """The changed settings."""
    alerts: tuple[AlertSummary, ...]
    """The open alerts, the oldest first."""
    metrics: tuple[dict[str, Any], ...]
    """Runs, successes, steps and times by role, adapter and arm, JSON-plain."""
    ratings: tuple[dict[str, Any], ...]
    """Ratings by role and adapter, JSON-plain."""
    missing: tuple[MissingWeights, ...]
    """Weights that runs need and that are missing now; empty for an earlier moment."""

    def to_json(self) -> dict[str, Any]:
        """The state at the position, JSON-plain, as ``grokputer at --json`` prints it."""
        return {
            "position": self.position,
            "time": None if self.time is None else self.time.isoformat(),
            "roles": [role.to_json() for role in self.roles],
            "adapters": [adapter.details for adapter in self.adapters],
            "settings": self.settings,
            "metrics": self.metrics,
            "ratings": self.ratings,
        }

    def role(self, name: str) -> RoleSummary:
        """The status of this role. Raises ``NotFound``."""
        require_role(name)
        return next(role for role in self.roles if role.role == name)


@dataclass(frozen=True)
class RunSummary:
    """One run in a list."""

    run: UUID
    position: int
    started: datetime
    role: str
    environment: str
    task: str | None
    """None where its text was erased."""
    arm: Arm
    adapter: str | None
    session: str | None
    status: str
    """``running``, ``succeeded``, ``failed``, or ``answered``: nothing has judged the run."""
    reason: FailureReason | None
    steps: int | None
    duration_ms: int | None
    stars: int | None
    fault: str | None
    corrected_by: CorrectionSource | None

    @property
    def id(self) -> str:
        """The id in hex digits."""
        return self.run.hex


def view_status(log: Log, position: int | None = None) -> Status:
    """The present status, or the status at the position."""
    return status_of(log, load_state(log, position), is_now=position is None)


def status_of(log: Log, state: State, *, is_now: bool = True) -> Status:
    """The status as of the state; that of an earlier moment says nothing of the worker and of missing weights."""
    worker = find_worker(log) if is_now else None
    store = open_registry(state.policy, log.path) if is_now else None
    known = state.registry.adapters.values()
    gone = set() if store is None else {it.name for it in known if not (it.is_tuned or store.has(it.weights))}
    needed = missing(state, store) if store is not None else {}
    place = str(store.place) if store is not None else ""
    return Status(
        position=state.position,
        time=log.at(state.position).event.time if state.position else None,
        roles=tuple(summarize_role(state, view) for view in view_roles(log, state, worker)),
        adapters=tuple(_adapter(state, adapter, adapter.name in gone) for adapter in known),
        settings=dict(state.settings),
        alerts=tuple(_alert(say_alert(alert, log.get_content)) for alert in state.alerts.open()),
        metrics=tuple({**row, "adapter": log.say(row["adapter"])} for row in state.metrics.rows()),
        ratings=tuple(state.ratings.rows()),
        missing=tuple(MissingWeights(name, serves, place) for name, serves in needed.items()),
    )


def list_rollouts(log: Log, state: State) -> list[dict[str, Any]]:
    """Each rollout as it stands, JSON-plain, the oldest first; see ``view_rollout``."""
    return [view_rollout(log, state, rollout) for rollout in state.rollouts]


def view_rollout(log: Log, state: State, rollout: Rollout) -> dict[str, Any]:
    """The rollout, JSON-plain, with the result of a look at its canary now if it is in progress.

    Of its sessions it has only the number.
    """
    shown = {**rollout.to_json(), "sessions": len(state.rollouts.sessions(rollout.id))}
    if rollout.id in state.undecided:
        look = state.look(rollout.id)
        shown |= {"verdict": look.verdict, "reason": look.reason, "message": look.message, "numbers": look.numbers}
    return {**shown, "message": log.say(shown["message"])}


def summarize_runs(log: Log, limit: int, wanted: RunFilter) -> list[RunSummary]:
    """The newest runs that meet the conditions, at most ``limit``. Raises ``NotFound`` for an unknown role."""
    if wanted.role is not None:
        require_role(wanted.role)
    return [_run(row) for row in list_runs(log, limit, wanted).rows]


COPIED = [
    field.name for field in fields(RunSummary) if field.name not in ("run", "started", "arm", "reason", "corrected_by")
]


def _run(row: Row) -> RunSummary:
    reason, source = row["reason"], row["corrected_by"]
    return RunSummary(
        run=UUID(row["id"]),
        started=datetime.fromisoformat(row["started"]),
        arm=Arm(row["arm"]),
        reason=None if reason is None else FailureReason(reason),
        corrected_by=None if source is None else CorrectionSource(source),
        **{name: row[name] for name in COPIED},
    )


def _adapter(state: State, adapter: Adapter, is_missing: bool) -> AdapterSummary:
    trained, rated = state.registry.trainings[adapter.training], state.ratings.sums(adapter.role, adapter.name)
    known, took = adapter.to_json(), trained.to_json()
    return AdapterSummary(
        name=adapter.name,
        role=adapter.role,
        status=adapter.status,
        parent=adapter.parent,
        lineage=adapter.lineage,
        training=trained.uuid,
        examples=trained.examples,
        duration_s=trained.duration_s,
        price=None if trained.cost is None else trained.cost.price,
        gate=None if adapter.gate is None else adapter.gate.reason,
        ratings=rated.count,
        mean=rated.mean,
        weights=adapter.weights,
        is_missing=is_missing,
        registered=datetime.fromisoformat(adapter.registered),
        position=adapter.position,
        details={
            "adapter": known.pop("name"),
            **known,
            **{key: took[key] for key in ("duration_s", "peak_memory_bytes", "cost")},
        },
    )


def _alert(alert: Alert) -> AlertSummary:
    return AlertSummary(
        position=alert.position,
        time=datetime.fromisoformat(alert.time),
        kind=alert.kind,
        severity=alert.severity,
        role=alert.role,
        adapter=alert.adapter,
        message=alert.message,
        is_open=alert.is_open,
        details=alert.to_json(),
    )
