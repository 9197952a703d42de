"""Whether a role is getting better: its live adapter beside the base that it began with, against the goals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ....domain.vocabulary import Arm
from ...state.ratings import BASE
from ...state.state import State

GOAL_STARS = 0.5
"""Gain of the mean rating, in stars. Source: operators' requirements."""
GOAL_POINTS = 15.0
"""Gain of the success rate, in percentage points. Source: operators' requirements."""


@dataclass(frozen=True)
class Figures:
    """The ratings and the runs of one adapter, or of the base, in traffic."""

    adapter: str
    """``base`` is the bare base."""
    ratings: int
    mean: float | None
    """Mean of its ratings, 1 to 5; None without one."""
    runs: int
    success: float | None
    """Share of its runs with known success that succeeded; None without one."""
    known: int
    """Its runs with known success."""


@dataclass(frozen=True)
class Progress:
    """A role's change since the base."""

    role: str
    before: Figures
    now: Figures | None
    """The live adapter; None while the base is live."""
    adapters: int
    """Number of adapters that the role has had."""
    stars: float | None
    """Change of the mean rating; None where one of the two is unknown."""
    points: float | None
    """Change of the success rate in percentage points; None where one of the two is unknown."""

    @property
    def verdict(self) -> str:
        """The answer in one or two words."""
        known = [gain for gain in (self.stars, self.points) if gain is not None]
        if self.now is None or not known:
            return "not known yet"
        if self.has_met("stars") or self.has_met("points"):
            return "yes" if all(gain >= 0 for gain in known) else "mixed"
        if all(gain <= 0 for gain in known):
            return "no"
        return "a little" if all(gain >= 0 for gain in known) else "mixed"

    def has_met(self, what: str) -> bool:
        """Whether the goal of ``stars`` or of ``points`` is met."""
        gain, goal = (self.stars, GOAL_STARS) if what == "stars" else (self.points, GOAL_POINTS)
        return gain is not None and gain >= goal

    def to_json(self) -> dict[str, Any]:
        """The fields by name, JSON-plain, with the verdict and the goals."""
        goals = {"goal_stars": GOAL_STARS, "goal_points": GOAL_POINTS}
        return {**asdict(self), "verdict": self.verdict, **goals}


def measure_progress(state: State, role: str) -> Progress:
    """The change of the role, of all its ratings and runs in traffic."""
    live = state.traffic(role).stable
    before, now = _figures(state, role, None), None if live is None else _figures(state, role, live)
    adapters = sum(adapter.role == role for adapter in state.registry.adapters.values())
    stars = _gain(before.mean, now.mean if now else None)
    points = _gain(before.success, now.success if now else None)
    return Progress(role, before, now, adapters, stars, None if points is None else round(100 * points, 2))


def _figures(state: State, role: str, adapter: str | None) -> Figures:
    sums, name = state.ratings.sums(role, adapter), adapter or BASE
    in_traffic = [counts for of, arm, counts in state.metrics.of_role(role) if of == name and arm != Arm.PINNED]
    runs = sum(counts.runs for counts in in_traffic)
    known = runs - sum(counts.unknown for counts in in_traffic)
    success = sum(counts.succeeded for counts in in_traffic) / known if known else None
    return Figures(name, sums.count, sums.mean, runs, success, known)


def _gain(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else round(now - before, 4)
