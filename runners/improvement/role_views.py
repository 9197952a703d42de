"""What each role waits for, from the state and the aggregates of a log."""

from __future__ import annotations

from ...domain.aggregates.role import RoleImprovement, role_id
from ...domain.settings.settings import ROLES
from ...projections.explain.standing.waits import RoleView, view_role
from ...projections.state.state import State
from ..store.log import Log


def view_roles(log: Log, state: State, worker: str | None = None) -> list[RoleView]:
    """Each role as of the state's position."""
    return [view_role(state, _improvement(log, state, role), role, worker) for role in ROLES]


def _improvement(log: Log, state: State, role: str) -> RoleImprovement:
    id = role_id(role)
    return RoleImprovement.project(
        id, (recorded.event for recorded in log.history(id) if recorded.position <= state.position)
    )
