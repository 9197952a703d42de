"""The imported sessions of a role: how many there are, whether they count, and what they lack."""

from __future__ import annotations

from typing import Any

from ...domain.rules.imported import IMPORTED
from ..state.state import State, counts_imported
from .sentences import count


def summarize_imported(state: State, role: str) -> dict[str, Any] | None:
    """The role's imported sessions, JSON-plain; None where there are none.

    ``counts``: whether their ratings are in the role's window. ``lacks``: in words, what keeps them from being counted or
    learnt from.
    """
    of_role = state.metrics.state.get(role, {})
    arms = [arms["pinned"] for name, arms in of_role.items() if name.partition(":")[0] == IMPORTED and "pinned" in arms]
    runs = sum(it["runs"] for it in arms)
    if not runs:
        return None
    rated = state.ratings.state.get(role, {}).get(IMPORTED, {"count": 0, "sum": 0})
    found = {
        "sessions": runs,
        "succeeded": sum(it["succeeded"] for it in arms),
        "ratings": rated["count"],
        "mean": round(rated["sum"] / rated["count"], 4) if rated["count"] else None,
        "steps": sum(it["steps"] for it in arms),
        "corrections": sum(it["corrections"] for it in arms),
        "counts": counts_imported(state.policy, role, state.lanes.live(role)),
    }
    return {**found, "lacks": [*_why_not_counted(state, role), *_lacks(found)]}


def _why_not_counted(state: State, role: str) -> list[str]:
    if not state.policy.sessions(role).count:
        return [f"{role}.sessions.count is false ('grokputer settings set {role}.sessions.count true')"]
    live = state.lanes.live(role)
    return [] if live is None else [f"{live} is live, and they count for the base alone"]


def _lacks(found: dict[str, Any]) -> list[str]:
    lacks = []
    if found["ratings"] < found["sessions"]:
        missing = found["sessions"] - found["ratings"]
        lacks.append(f"{missing} {'has' if missing == 1 else 'have'} no rating")
    if not found["steps"]:
        lacks.append("none has steps")
    if not found["corrections"]:
        lacks.append("none is corrected, so they give no examples of what to do instead")
    return lacks


def describe_imported(role: str, found: dict[str, Any]) -> str:
    """The summary in one line."""
    sessions = count(found["sessions"], "imported session")
    does = "count" if found["sessions"] > 1 else "counts"
    not_ = "do not count" if found["sessions"] > 1 else "does not count"
    begin = f"{sessions} of role {role} {f'{does} for the base' if found['counts'] else not_}"
    return f"{begin}: {'; '.join(found['lacks'])}" if found["lacks"] else begin
