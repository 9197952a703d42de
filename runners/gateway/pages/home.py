"""The first page: is it getting better?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ....projections.explain.standing.progress import measure_progress
from ...store.states import load_state
from ...use_cases.overview import status_of
from ..site.visit import View, Visit

if TYPE_CHECKING:
    from ....projections.explain.standing.summary import RoleSummary


def show_home(visit: Visit) -> View:
    """Each role that has data: its change since the base, what it waits for, and what needs a person."""
    state = load_state(visit.ledger)
    status = status_of(visit.ledger, state)
    roles = [
        {**_summary(role), "progress": measure_progress(state, role.role).to_json()}
        for role in status.roles
        if role.has_data
    ]
    data = {
        "position": status.position,
        "time": None if status.time is None else status.time.isoformat(),
        "roles": roles,
        "metrics": [{"role": role.role, **asdict(role.metric), "is_met": role.metric.is_met} for role in status.roles],
        "alerts": [alert.details for alert in status.alerts],
        "missing": [vars(weights) for weights in status.missing],
    }
    return View("home", "Is it getting better?", data)


def _summary(role: RoleSummary) -> dict[str, object]:
    whole = role.to_json()
    kept = ("role", "live", "window", "canary", "cycle", "runs", "success", "unknown")
    return {
        **{name: whole[name] for name in kept},
        "waits_for": role.waits_for.message,
        "waits_on": str(role.waits_for.on),
    }
