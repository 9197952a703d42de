"""The imported sessions of a role: their number, whether they count, and why not."""

from __future__ import annotations

from dataclasses import dataclass

from ....domain.rules.imported import IMPORTED
from ....domain.vocabulary import Arm
from ...state.state import State, counts_imported
from ...wording.sentences import count


@dataclass(frozen=True)
class ImportedSummary:
    """The imported sessions of one role."""

    sessions: int
    succeeded: int
    unknown: int
    """Those of unknown success."""
    ratings: int
    mean: float | None
    """In [1, 5], to four places; None without ratings."""
    steps: int
    corrections: int
    counts: bool
    """Whether their ratings are in the role's window."""
    lacks: list[str]
    """The reasons, in words, why they do not count or teach nothing."""


def summarize_imported(state: State, role: str) -> ImportedSummary | None:
    """The role's imported sessions; None where there are none."""
    counts = [
        counts
        for adapter, arm, counts in state.metrics.of_role(role)
        if adapter.partition(":")[0] == IMPORTED and arm == Arm.PINNED
    ]
    sessions, rated = sum(each.runs for each in counts), state.ratings.sums(role, IMPORTED)
    if not sessions:
        return None
    steps, corrections = sum(each.steps for each in counts), sum(each.corrections for each in counts)
    return ImportedSummary(
        sessions=sessions,
        succeeded=sum(each.succeeded for each in counts),
        unknown=sum(each.unknown for each in counts),
        ratings=rated.count,
        mean=rated.mean,
        steps=steps,
        corrections=corrections,
        counts=counts_imported(state.policy, role, state.rollouts.live(role)),
        lacks=[*_why_not_counted(state, role), *_lacks(sessions - rated.count, steps, corrections)],
    )


def _why_not_counted(state: State, role: str) -> list[str]:
    if not state.policy.sessions(role).count:
        return [f"{role}.sessions.count is false"]
    live = state.rollouts.live(role)
    return [] if live is None else [f"{live} is live, and they count for the base alone"]


def _lacks(unrated: int, steps: int, corrections: int) -> list[str]:
    lacks = []
    if unrated > 0:
        lacks.append(f"{unrated} {'has' if unrated == 1 else 'have'} no rating")
    if not steps:
        lacks.append("none has steps")
    if not corrections:
        lacks.append("none is corrected, so they give no examples of what to do instead")
    return lacks


def describe_imported(role: str, summary: ImportedSummary) -> str:
    """The summary in one line."""
    sessions = count(summary.sessions, "imported session")
    does = "count" if summary.sessions > 1 else "counts"
    not_ = "do not count" if summary.sessions > 1 else "does not count"
    begin = f"{sessions} of role {role} {f'{does} for the base' if summary.counts else not_}"
    return f"{begin}: {'; '.join(summary.lacks)}" if summary.lacks else begin
