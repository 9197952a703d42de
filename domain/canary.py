"""Whether the canary is healthy: the plain threshold rules, with the holds that keep them from deciding on nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .settings import Policy

CHANCE = 1.645
"""Standard errors that chance alone exceeds one time in twenty, on one side (normal approximation)."""


@dataclass(frozen=True)
class Outcome:
    """How one run of an arm ended, and its mean rating by people if it has one."""

    position: int
    succeeded: bool
    is_healthy: bool
    """It ended by itself: no timeout, no error of the system."""
    is_critical: bool
    """It ended with an error of the system."""
    stars: float | None


@dataclass(frozen=True)
class ArmHealth:
    """An arm's latest outcomes, summed up. Rates and means are None where there is nothing to divide by."""

    runs: int
    success: float | None
    rating: float | None
    rated: int
    health: float | None
    critical: int
    rating_variance: float = 0.0
    """Of the stars of the rated runs; 0 where there are none."""

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> ArmHealth:
        """The sums over these outcomes."""
        runs = len(outcomes)
        stars = [outcome.stars for outcome in outcomes if outcome.stars is not None]
        return cls(
            runs=runs,
            success=sum(o.succeeded for o in outcomes) / runs if runs else None,
            rating=sum(stars) / len(stars) if stars else None,
            rated=len(stars),
            health=sum(o.is_healthy for o in outcomes) / runs if runs else None,
            critical=sum(o.is_critical for o in outcomes),
            rating_variance=sum((s - sum(stars) / len(stars)) ** 2 for s in stars) / len(stars) if stars else 0.0,
        )

    def as_numbers(self) -> dict[str, Any]:
        """JSON-plain, for the log."""
        return {
            "runs": self.runs,
            "success": _rounded(self.success),
            "rating": _rounded(self.rating),
            "rated": self.rated,
            "health": _rounded(self.health),
            "critical": self.critical,
        }


@dataclass(frozen=True)
class Verdict:
    """A decision with its stable reason, its sentence and the numbers it rests on."""

    verdict: str
    reason: str
    message: str
    numbers: dict[str, Any]


def assess_canary(
    canary: Sequence[Outcome], stable: Sequence[Outcome], elapsed_s: float, policy: Policy, role: str
) -> Verdict:
    """Promote, roll back, hold or inconclusive, from both arms' latest outcomes in the rollout's own period.

    Under the rule ``relative`` a bar that the stable arm itself misses in the same period is lowered to what that arm
    reaches, less what chance alone explains: an adapter is not refused for a fault it has not brought. That chance is
    ``CHANCE`` standard errors of the difference of the two arms.
    """
    window, minimum = policy.get("canary.window", role), policy.get("canary.min_runs", role)
    ours, theirs = ArmHealth.of(canary[-max(window, minimum) :]), ArmHealth.of(stable)
    bars = _bars(ours, theirs, policy, role)
    numbers = {
        "canary": ours.as_numbers(),
        "stable": theirs.as_numbers(),
        "elapsed_s": round(elapsed_s, 1),
        "rule": policy.get("canary.rule", role),
        "bars": {name: _rounded(bar) for name, (bar, _) in bars.items()},
    }

    def verdict(word: str, reason: str, message: str) -> Verdict:
        return Verdict(word, reason, message, numbers)

    if ours.critical:
        return verdict(
            "roll back", "critical", f"{ours.critical} of {ours.runs} canary runs ended in an error of the system"
        )
    if ours.runs < minimum:
        if elapsed_s >= policy.get("canary.give_up_s", role):
            return verdict(
                "inconclusive", "no data", f"{ours.runs} canary runs in {elapsed_s:.0f} s; {minimum} are needed"
            )
        return verdict("hold", "few runs", f"{ours.runs} of the {minimum} canary runs needed")
    for name, value in (("success", ours.success), ("rating", ours.rating), ("health", ours.health)):
        bar, is_inclusive = bars[name]
        if value is None:
            continue
        if not (value > bar or (is_inclusive and value >= bar)):
            word = "below" if is_inclusive else "not above"
            return verdict(
                "roll back", name, f"canary {name} {value:.3f} is {word} {bar:.3f} over its last {ours.runs} runs"
            )
    if ours.rating is None:
        given_up = elapsed_s >= policy.get("canary.give_up_s", role)
        word = "inconclusive" if given_up else "hold"
        return verdict(word, "unrated", f"none of the last {ours.runs} canary runs is rated")
    bake = policy.get("canary.bake_s", role)
    if elapsed_s < bake:
        return verdict("hold", "bake", f"healthy after {elapsed_s:.0f} s; promoted after {bake:.0f} s")
    return verdict(
        "promote",
        "healthy",
        f"success {ours.success:.3f}, rating {ours.rating:.2f}, health {ours.health:.3f} over the last {ours.runs} canary runs",
    )


def _bars(ours: ArmHealth, stable: ArmHealth, policy: Policy, role: str) -> dict[str, tuple[float, bool]]:
    """For each figure the bar, and whether reaching it is enough (so when it comes from the stable arm)."""
    is_relative = policy.get("canary.rule", role) == "relative" and stable.runs >= policy.get("canary.min_runs", role)
    figures = (
        ("success", stable.success, _variance(stable.success), ours.runs, stable.runs),
        ("rating", stable.rating, stable.rating_variance, ours.rated, stable.rated),
        ("health", stable.health, _variance(stable.health), ours.runs, stable.runs),
    )
    bars: dict[str, tuple[float, bool]] = {}
    for name, value, variance, our_runs, their_runs in figures:
        bar: float = policy.get(f"canary.min_{name}", role)
        bars[name] = (bar, False)
        if is_relative and value is not None and our_runs:
            chance = CHANCE * math.sqrt(variance * (1 / our_runs + 1 / their_runs))
            if value - chance < bar:
                bars[name] = (value - chance, True)
    return bars


def _variance(rate: float | None) -> float:
    """Of a success that comes with this rate."""
    return 0.0 if rate is None else rate * (1 - rate)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
