"""The figures of one role, as ``status`` and ``at`` show them, also as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ....domain.rules.breach import Window, is_breach
from ....domain.rules.roles import GOOD_STARS
from ....domain.vocabulary import Arm, RolloutPhase, TrainingStatus
from ...state.state import State
from ...wording.role_metrics import RoleMetric, role_metric
from ...wording.sentences import count
from .imported import ImportedSummary, summarize_imported
from .waits import RoleView, Wait, has_begun, waits_for


@dataclass(frozen=True)
class WindowSummary:
    """The window of the live adapter, which the breach rule judges, with its settings."""

    count: int
    mean: float | None
    """In [1, 5], to four places; None without ratings."""
    size: int
    minimum: int
    threshold: float
    is_breach: bool
    unattributed: int
    """Low ratings that are attributed to no role. They are not in the window."""
    least_mean: float | None
    """The mean if all unattributed ratings counted against the role; None without any rating."""
    note: str
    """The ratings that the mean leaves out, in words; empty where it leaves out none."""


@dataclass(frozen=True)
class GradesSummary:
    """One judge's grades of the live adapter and of the canary. They are never in the window of ratings."""

    judge: str
    """The judge with its criteria."""
    count: int
    """The live adapter's grades, the newest ``rating.window`` of them."""
    mean: float | None
    """In [1, 5], to four places; None without one."""
    canary_count: int
    """The canary's grades, as many at most; 0 without a rollout."""
    canary_mean: float | None


@dataclass(frozen=True)
class CanarySummary:
    """The undecided rollout, with the present verdict on its canary."""

    adapter: str
    weight_percent: int
    phase: RolloutPhase
    started: str
    """ISO 8601."""
    position: int
    """The position of its start."""
    verdict: str
    reason: str
    message: str


@dataclass(frozen=True)
class CycleSummary:
    """The open cycle."""

    position: int
    """The position of the event that opened it."""
    stage: str
    """Its stage, in words."""


@dataclass(frozen=True)
class RoleSummary:
    """The figures of one role."""

    role: str
    live: str | None
    """The adapter that serves its runs; None is the base."""
    window: WindowSummary
    canary: CanarySummary | None
    cycle: CycleSummary | None
    last_outcome: str | None
    """The outcome of its last closed cycle; None before the first."""
    has_begun: bool
    waits_for: Wait
    runs: int
    success: float | None
    """The share of its runs with known success that succeeded, to four places; None without one."""
    unknown: int
    """Its runs with unknown success."""
    imported: ImportedSummary | None
    grades: tuple[GradesSummary, ...]
    """The grades of judge models, for each judge and its criteria."""
    metric: RoleMetric
    """How well the role works, over the latest runs."""

    @property
    def has_data(self) -> bool:
        """Whether the role has any runs, ratings, imported sessions, cycles or adapters."""
        return self.has_begun or bool(self.runs) or self.imported is not None

    @property
    def mean(self) -> float | None:
        """Mean of the ratings in the window, 1 to 5; None without ratings."""
        return self.window.mean

    @property
    def ratings(self) -> int:
        """Number of ratings in the window."""
        return self.window.count

    @property
    def stage(self) -> str | None:
        """The stage of the open cycle; None without one."""
        return None if self.cycle is None else self.cycle.stage

    def to_json(self) -> dict[str, Any]:
        """The fields by name, JSON-plain."""
        return asdict(self)


def summarize_role(state: State, view: RoleView) -> RoleSummary:
    """The figures of the role as of the state's position."""
    role, traffic, cycle = view.role, state.traffic(view.role), state.rollouts.cycle(view.role)
    drawn = [counts for _, arm, counts in state.metrics.of_role(role) if arm != Arm.PINNED]
    ran, succeeded = sum(counts.runs for counts in drawn), sum(counts.succeeded for counts in drawn)
    unknown = sum(counts.unknown for counts in drawn)
    imported = summarize_imported(state, role)
    if imported is not None and view.policy.sessions(role).count:
        ran, succeeded = ran + imported.sessions, succeeded + imported.succeeded
        unknown += imported.unknown
    return RoleSummary(
        role=role,
        live=traffic.stable,
        window=_window(state, view, has_failures=succeeded < ran - unknown),
        canary=_canary(state, traffic.rollout),
        cycle=CycleSummary(cycle.position, _stage(view)) if cycle is not None else None,
        last_outcome=state.rollouts.last_outcome(role),
        has_begun=has_begun(view),
        waits_for=waits_for(view),
        runs=ran,
        success=round(succeeded / (ran - unknown), 4) if ran > unknown else None,
        unknown=unknown,
        imported=imported,
        grades=_grades(state, view),
        metric=role_metric(state.role_metrics, role),
    )


def _grades(state: State, view: RoleView) -> tuple[GradesSummary, ...]:
    role, traffic, size = view.role, state.traffic(view.role), view.policy.rating(view.role).window
    live = state.ratings.grades(role, traffic.stable, size)
    rollout = state.rollouts.of(traffic.rollout) if traffic.rollout is not None else None
    canary = state.ratings.grades(role, rollout.adapter, size) if rollout is not None else {}
    pairs = {judge: (live.get(judge, []), canary.get(judge, [])) for judge in {**live, **canary}}
    return tuple(
        GradesSummary(judge, len(ours), _mean(ours), len(theirs), _mean(theirs))
        for judge, (ours, theirs) in pairs.items()
    )


def _mean(stars: Sequence[int]) -> float | None:
    return round(sum(stars) / len(stars), 4) if stars else None


def _window(state: State, view: RoleView, *, has_failures: bool) -> WindowSummary:
    role, window, rating = view.role, view.window, view.policy.rating(view.role)
    least, note = _bounds(window, state.ratings.with_unattributed(role, window.adapter, rating.window), has_failures)
    return WindowSummary(
        count=len(window.ratings),
        mean=round(window.mean, 4) if window.ratings else None,
        size=rating.window,
        minimum=rating.minimum,
        threshold=rating.threshold,
        is_breach=is_breach(window, view.policy),
        unattributed=state.ratings.unattributed(role, window.adapter),
        least_mean=least,
        note=note,
    )


def _bounds(window: Window, with_unattributed: Sequence[int], has_failures: bool) -> tuple[float | None, str]:
    """The least possible mean, and in words the ratings that the window leaves out.

    A low rating of a run of several roles may be attributed to none of them. Then no window has it, and the window's mean is
    an upper bound. The lower bound counts all such ratings against the role. Source: Manski's bounds of a mean with values
    missing not at random.
    """
    stars = [stars for _, stars in window.ratings]
    if not with_unattributed:
        return None, ""
    blamed = sum(with_unattributed) / len(with_unattributed)
    least, note = round(min(blamed, window.mean) if stars else blamed, 4), ""
    if not stars or blamed < window.mean:
        note = f"low ratings of runs of several roles are attributed to none; with all of them the mean is {blamed:.2f}"
    elif min(stars) >= GOOD_STARS and has_failures:
        note = f"{count(len(stars), 'rating')} of good runs alone; no low one of its failed runs is attributed to it"
    return least, note


def _canary(state: State, id: str | None) -> CanarySummary | None:
    if id is None:
        return None
    rollout, look = state.rollouts.of(id), state.look(id)
    return CanarySummary(
        rollout.adapter,
        rollout.weight_percent,
        rollout.phase,
        rollout.started,
        rollout.position,
        look.verdict,
        look.reason,
        look.message,
    )


def _stage(view: RoleView) -> str:
    """The stage of the cycle: its training, then the proof, the gate, and the canary."""
    if view.canary is not None:
        return f"canary {view.canary.phase}"
    if view.training is None:
        return "opened"
    if view.adapter is not None:
        status = view.adapter.status
        return {"registered": "to be proven", "proven": "proven, at the gate"}.get(status, status)
    training = view.training
    if training.status == TrainingStatus.TRAINING and training.steps:
        return f"training, step {training.step} of {training.steps}"
    if training.status == TrainingStatus.HELD:
        return "training held"
    return "training requested" if training.status == TrainingStatus.REQUESTED else training.status
