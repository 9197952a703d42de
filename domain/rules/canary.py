"""Whether the canary is healthy: the plain threshold rules, which wait where there is too little data."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..durations import say_time
from ..evidence.terms import words
from ..settings.settings import Policy
from ..verdict import Times, Verdict
from ..vocabulary import CanaryReason, Decision, Rule

SIGNIFICANCE = 0.05
"""Probability that an arm that is no worse looks significantly worse in one look; chosen, the usual value."""

CHANCE = 1.645
"""Standard errors that a normal mean exceeds with that probability, one-sided."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run of an arm, and its mean rating by people if it has one."""

    position: int
    succeeded: bool | None
    """None where that is unknown."""
    is_healthy: bool
    """It ended without a timeout and without an error of the system."""
    is_critical: bool
    """It ended with an error of the system."""
    stars: float | None


@dataclass(frozen=True)
class ArmHealth:
    """Totals of an arm's latest outcomes. Rates and means are None where there is nothing to divide by."""

    runs: int
    success: float | None
    """Of the runs with known success."""
    rating: float | None
    rated: int
    health: float | None
    critical: int
    rating_variance: float = 0.0
    """Variance of the stars of the rated runs; 0 where there are none."""
    known: int = 0
    """The runs with known success."""

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> ArmHealth:
        """The totals over these outcomes."""
        runs = len(outcomes)
        stars = [outcome.stars for outcome in outcomes if outcome.stars is not None]
        known = [outcome.succeeded for outcome in outcomes if outcome.succeeded is not None]
        return cls(
            runs=runs,
            success=sum(known) / len(known) if known else None,
            rating=sum(stars) / len(stars) if stars else None,
            rated=len(stars),
            health=sum(o.is_healthy for o in outcomes) / runs if runs else None,
            critical=sum(o.is_critical for o in outcomes),
            rating_variance=sum((s - sum(stars) / len(stars)) ** 2 for s in stars) / len(stars) if stars else 0.0,
            known=len(known),
        )

    def as_numbers(self) -> dict[str, Any]:
        """JSON-plain, for the log."""
        return {
            "runs": self.runs,
            **({} if self.known == self.runs else {"unknown": self.runs - self.known}),
            "success": _rounded(self.success),
            "rating": _rounded(self.rating),
            "rated": self.rated,
            "health": _rounded(self.health),
            "critical": self.critical,
        }


def assess_canary(
    canary: Sequence[Outcome], stable: Sequence[Outcome], times: Times, policy: Policy, role: str, rule: str
) -> Verdict:
    """Promote, roll back, hold or inconclusive, from both arms' latest outcomes since the rollout's start.

    Under the rule ``relative``, a bar that the stable arm misses too is lowered to what that arm reaches, less what
    chance explains (``SIGNIFICANCE``). So an adapter is not refused for a fault that it did not cause. A canary that
    misses a bar then waits until the stable arm has enough runs for the comparison. A metric of ``canary.dry_run`` is
    reported and refuses nothing. Success that is unknown for all latest canary runs refuses nothing either: health and
    ratings decide then. A canary waits where its success is known for some runs, but for fewer than the minimum, and where
    neither success nor ratings are known; a person decides in the end.
    """
    window, minimum = policy.canary(role).window, policy.canary(role).min_runs
    ours, theirs = ArmHealth.of(canary[-max(window, minimum) :]), ArmHealth.of(stable)
    bars = _bars(ours, theirs, policy, role, rule)
    numbers = {
        "canary": ours.as_numbers(),
        "stable": theirs.as_numbers(),
        "seconds": {name: round(passed, 1) for name, passed in asdict(times).items()},
        "rule": rule,
        "bars": {name: _rounded(bar) for name, (bar, _) in bars.items()},
        "dry_run": [name for name in words(policy.canary(role).dry_run) if name in bars],
    }

    def verdict(word: Decision, reason: CanaryReason, message: str) -> Verdict:
        return Verdict(word, reason, message, numbers)

    given_up = times.waited >= policy.canary(role).deadline_s
    limit = policy.canary(role).critical_limit
    if ours.critical > limit:
        message = f"{ours.critical} of {ours.runs} canary runs ended in an error of the system, {limit} are allowed"
        return verdict(Decision.ROLL_BACK, CanaryReason.CRITICAL, message)
    if ours.runs < minimum:
        if given_up:
            return verdict(
                Decision.INCONCLUSIVE,
                CanaryReason.NO_DATA,
                f"{ours.runs} canary runs in {say_time(times.waited)}; {minimum} are needed",
            )
        return verdict(Decision.HOLD, CanaryReason.FEW_RUNS, f"{ours.runs} of the {minimum} canary runs needed")
    success = None if ours.known < minimum else ours.success
    for name, value in (("success", success), ("rating", ours.rating), ("health", ours.health)):
        bar, is_inclusive = bars[name]
        if value is None or value > bar or (is_inclusive and value >= bar) or name in numbers["dry_run"]:
            continue
        message = f"canary {name} {value:.3f} is {'below' if is_inclusive else 'not above'} {bar:.3f}"
        compared = theirs.known if name == "success" else theirs.runs
        if compared < minimum and rule == Rule.RELATIVE:
            shortage = f"; of the {minimum} stable runs to compare it with there are {compared}"
            return verdict(
                Decision.INCONCLUSIVE if given_up else Decision.HOLD, CanaryReason.FEW_STABLE_RUNS, message + shortage
            )
        counted = f"{ours.known} of known success among its" if name == "success" and ours.known < ours.runs else "its"
        return verdict(Decision.ROLL_BACK, CanaryReason(name), f"{message} over {counted} last {ours.runs} runs")
    if ours.rating is None and "rating" not in numbers["dry_run"]:
        word = Decision.INCONCLUSIVE if given_up else Decision.HOLD
        return verdict(word, CanaryReason.UNRATED, f"none of the last {ours.runs} canary runs is rated")
    if 0 < ours.known < minimum or (success is None and "rating" in numbers["dry_run"]):
        word = Decision.INCONCLUSIVE if given_up else Decision.HOLD
        message = f"the success of {ours.known} of the last {ours.runs} canary runs is known; {minimum} are needed"
        return verdict(word, CanaryReason.NO_DATA, message)
    bake = policy.canary(role).bake_s
    if times.baked < bake:
        return verdict(
            Decision.HOLD, CanaryReason.BAKE, f"healthy after {say_time(times.baked)}; promoted after {say_time(bake)}"
        )
    rating = "none" if ours.rating is None else f"{ours.rating:.2f}"
    shown = "unknown" if success is None else f"{success:.3f}"
    message = f"success {shown}, rating {rating}, health {ours.health:.3f} over the last {ours.runs} canary runs"
    return verdict(Decision.PROMOTE, CanaryReason.HEALTHY, message)


def _bars(ours: ArmHealth, stable: ArmHealth, policy: Policy, role: str, rule: str) -> dict[str, tuple[float, bool]]:
    """For each metric the bar, and whether reaching it is enough (true for a bar of the stable arm)."""
    bars: dict[str, tuple[float, bool]] = {
        "success": (policy.canary(role).min_success, False),
        "rating": (policy.canary(role).min_rating, False),
        "health": (policy.canary(role).min_health, False),
    }
    least = policy.canary(role).min_runs
    if rule == Rule.RELATIVE and ours.runs and stable.runs >= least:
        is_comparable = min(ours.known, stable.known) >= least
        lowered = {
            "success": _least_share(ours.known, stable.success, stable.known) if is_comparable else None,
            "rating": _least_mean(ours, stable),
            "health": _least_share(ours.runs, stable.health, stable.runs),
        }
        for name, bar in lowered.items():
            if bar is not None and bar < bars[name][0]:
                bars[name] = (bar, True)
    return bars


def _least_share(runs: int, stable_share: float | None, stable_runs: int) -> float:
    """The smallest share of ``runs`` that is not significantly worse than the stable arm's, in [0, 1]."""
    theirs = round((stable_share or 0.0) * stable_runs)
    return bisect_left(range(runs), SIGNIFICANCE, key=lambda ours: _chance_of(ours, runs, theirs, stable_runs)) / runs


def _chance_of(ours: int, runs: int, theirs: int, stable_runs: int) -> float:
    """The probability of ``ours`` successes or fewer when both arms are alike, in (0, 1].

    Source: Fisher's exact test, one-sided (the hypergeometric distribution of ours, given the total of both).
    """
    successes, all_runs = ours + theirs, runs + stable_runs
    least = max(0, successes - stable_runs)
    terms = (
        _log_choose(successes, k) + _log_choose(all_runs - successes, runs - k) - _log_choose(all_runs, runs)
        for k in range(least, ours + 1)
    )
    return math.fsum(math.exp(term) for term in terms)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _least_mean(ours: ArmHealth, stable: ArmHealth) -> float | None:
    """The smallest mean rating that is not significantly worse than the stable arm's (normal approximation); None
    without ratings."""
    if stable.rating is None or not ours.rated:
        return None
    variance = max(ours.rating_variance, stable.rating_variance)
    return stable.rating - CHANCE * math.sqrt(variance * (1 / ours.rated + 1 / stable.rated))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
