"""The status of a log, now or at an earlier moment, as typed values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.errors import NotFound
from ...projections.explain.overview import Wait
from ...projections.explain.summary import RoleSummary, summarize_role
from ...projections.explain.words import say_alert
from ...projections.state.alerts import Alert
from ..explain.run_list import list_runs
from ..improvement.overview import view_roles
from ..store.locks import find_worker
from ..store.states import load_state
from .lookups import require_role

if TYPE_CHECKING:
    from ..store.log import Log


@dataclass(frozen=True)
class CanaryStatus:
    """The rollout in progress in a role, and the present verdict on its canary."""

    adapter: str
    weight_percent: int
    phase: str
    verdict: str
    reason: str
    message: str


@dataclass(frozen=True)
class RoleStatus:
    """The status of one role."""

    role: str
    live: str | None
    """The adapter that serves the role's runs; None for the base."""
    mean: float | None
    """Mean of the ratings in the window, 1 to 5; None without ratings."""
    ratings: int
    """Number of ratings in the window."""
    canary: CanaryStatus | None
    stage: str | None
    """The stage of the open cycle; None without one."""
    waits_for: Wait
    runs: int
    success: float | None
    """The share of its runs that succeeded, in [0, 1]; None without runs."""


@dataclass(frozen=True)
class AdapterStatus:
    """The status of one adapter."""

    name: str
    role: str
    status: str
    parent: str | None
    training: UUID
    weights: str
    """The hash of its weights."""
    position: int
    """Log position of its registration."""


@dataclass(frozen=True)
class AlertStatus:
    """One alert."""

    position: int
    kind: str
    severity: str
    role: str
    adapter: str | None
    message: str


@dataclass(frozen=True)
class Status:
    """The status as of a log position."""

    position: int
    time: datetime | None
    """Time of the event at the position; None in an empty log."""
    roles: tuple[RoleStatus, ...]
    adapters: tuple[AdapterStatus, ...]
    settings: dict[str, Any]
    """The changed settings."""
    alerts: tuple[AlertStatus, ...]
    """The open alerts."""

    def role(self, name: str) -> RoleStatus:
        """The status of this role. Raises ``NotFound``."""
        require_role(name)
        return next(role for role in self.roles if role.role == name)


@dataclass(frozen=True)
class RunSummary:
    """One run in a list."""

    id: str
    position: int
    started: str
    """Start, ISO 8601."""
    role: str
    environment: str
    task: str | None
    """None where its text was erased."""
    arm: str
    adapter: str | None
    session: str | None
    status: str
    """``running``, ``succeeded`` or ``failed``."""
    reason: str | None
    steps: int | None
    duration_ms: int | None
    stars: int | None
    fault: str | None
    corrected_by: str | None


def view_status(log: Log, position: int | None = None) -> Status:
    """The present status, or the status at the position."""
    state = load_state(log, position)
    worker = find_worker(log) if position is None else None
    roles = tuple(_role(summarize_role(state, view), log.say) for view in view_roles(log, state, worker))
    adapters = tuple(
        AdapterStatus(
            adapter.name,
            adapter.role,
            adapter.status,
            adapter.parent,
            UUID(adapter.training),
            adapter.weights,
            adapter.position,
        )
        for adapter in state.registry.adapters.values()
    )
    alerts = tuple(_alert(say_alert(alert, log.get_content)) for alert in state.alerts.open())
    time = log.at(state.position).event.time if state.position else None
    return Status(state.position, time, roles, adapters, dict(state.settings), alerts)


def find_position(log: Log, moment: int | datetime) -> int:
    """The given position, or that of the last event not later than the time. Raises ``NotFound``."""
    last = log.position
    if isinstance(moment, datetime):
        position = log.position_at(moment)
        if not position:
            raise NotFound(f"{moment.isoformat()} is before the log begins")
        return position
    if not 1 <= moment <= last:
        raise NotFound(f"no event at position {moment}; the log has 1 to {last}")
    return moment


def summarize_runs(
    log: Log, limit: int, *, role: str | None = None, failed: bool = False, unrated: bool = False
) -> list[RunSummary]:
    """The newest runs, at most ``limit``: of the role; only failed ones; only ended ones without a rating."""
    if role is not None:
        require_role(role)

    def is_wanted(run: dict[str, Any], _: Sequence[str]) -> bool:
        return (
            (role is None or run["role"] == role)
            and (not failed or run["status"] == "failed")
            and (not unrated or (run["stars"] is None and run["status"] != "running"))
        )

    names = [field.name for field in fields(RunSummary)]
    rows = list_runs(log, limit, is_wanted).rows
    return [RunSummary(**{name: row[name] for name in names} | {"adapter": log.say(row["adapter"])}) for row in rows]


def _role(summary: RoleSummary, say: Callable[[str], str]) -> RoleStatus:
    canary, cycle = summary.canary, summary.cycle
    return RoleStatus(
        role=summary.role,
        live=summary.live,
        mean=summary.window.mean,
        ratings=summary.window.count,
        canary=None
        if canary is None
        else CanaryStatus(
            canary.adapter,
            canary.weight_percent,
            canary.phase,
            canary.verdict,
            canary.reason,
            say(canary.message),
        ),
        stage=None if cycle is None else cycle.stage,
        waits_for=summary.waits_for,
        runs=summary.runs,
        success=summary.success,
    )


def _alert(alert: Alert) -> AlertStatus:
    return AlertStatus(alert.position, alert.kind, alert.severity, alert.role, alert.adapter, alert.message)
