"""The imported sessions of a role: how many there are, whether they count, and what they lack."""

from __future__ import annotations

from typing import Any

from ...domain.rules.imported import IMPORTED
from ...domain.vocabulary import Arm
from ..state.state import State, counts_imported
from .sentences import count


def summarize_imported(state: State, role: str) -> dict[str, Any] | None:
    """The role's imported sessions, JSON-plain; None where there are none.

    ``counts``: whether their ratings are in the role's window. ``lacks``: in words, what keeps them from being counted or
    learnt from.
    """
    counts = [
        counts
        for adapter, arm, counts in state.metrics.of_role(role)
        if adapter.partition(":")[0] == IMPORTED and arm == Arm.PINNED
    ]
    sessions = sum(each.runs for each in counts)
    if not sessions:
        return None
    rated = state.ratings.sums(role, IMPORTED)
    summary = {
        "sessions": sessions,
        "succeeded": sum(each.succeeded for each in counts),
        "ratings": rated.count,
        "mean": rated.mean,
        "steps": sum(each.steps for each in counts),
        "corrections": sum(each.corrections for each in counts),
        "counts": counts_imported(state.policy, role, state.rollouts.live(role)),
    }
    return {**summary, "lacks": [*_why_not_counted(state, role), *_lacks(summary)]}


def _why_not_counted(state: State, role: str) -> list[str]:
    if not state.policy.sessions(role).count:
        return [f"{role}.sessions.count is false ('grokputer settings set {role}.sessions.count true')"]
    live = state.rollouts.live(role)
    return [] if live is None else [f"{live} is live, and they count for the base alone"]


def _lacks(summary: dict[str, Any]) -> list[str]:
    lacks = []
    if summary["ratings"] < summary["sessions"]:
        missing = summary["sessions"] - summary["ratings"]
        lacks.append(f"{missing} {'has' if missing == 1 else 'have'} no rating")
    if not summary["steps"]:
        lacks.append("none has steps")
    if not summary["corrections"]:
        lacks.append("none is corrected, so they give no examples of what to do instead")
    return lacks


def describe_imported(role: str, summary: dict[str, Any]) -> str:
    """The summary in one line."""
    sessions = count(summary["sessions"], "imported session")
    does = "count" if summary["sessions"] > 1 else "counts"
    not_ = "do not count" if summary["sessions"] > 1 else "does not count"
    begin = f"{sessions} of role {role} {f'{does} for the base' if summary['counts'] else not_}"
    return f"{begin}: {'; '.join(summary['lacks'])}" if summary["lacks"] else begin
