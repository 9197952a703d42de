"""What each role waits for, from a log: its state, its aggregates and the worker that holds the lease."""

from __future__ import annotations

import os
from pathlib import Path

from ...domain.aggregates.role import RoleImprovement, role_id
from ...domain.settings.settings import ROLES
from ...projections.explain.overview import RoleView, view_role
from ...projections.state.state import State
from ..store.log import Log


def view_roles(log: Log, state: State, worker: str | None = None) -> list[RoleView]:
    """Each role as of the state's position."""
    return [view_role(state, _improvement(log, state, role), role, worker) for role in ROLES]


def _improvement(log: Log, state: State, role: str) -> RoleImprovement:
    id = role_id(role)
    return RoleImprovement.project(id, (it.event for it in log.history(id) if it.position <= state.position))


def lease_file(log: Log) -> Path:
    """The file whose lock lets one worker at a time carry out what the log asks for; it names the process."""
    return Path(f"{log.path.resolve()}.lease")


def find_worker(log: Log) -> str | None:
    """The worker at work on the log, ``worker (process 4711)``, None where there is none.

    The lock itself is not tried: for that moment a worker that begins could not have it.
    """
    try:
        process = int(lease_file(log).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return f"the worker (process {process})" if _is_running(process) else None


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # it is somebody else's
    except OSError:
        return False
    return True
