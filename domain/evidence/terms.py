"""What the sequential rules are played by: every figure of the trigger and of the canary, fixed before any outcome is seen.

The rules hold however often one looks, as long as nothing here is changed because of what was seen: the terms in force
when a rollout starts are its terms to the end. Defaults without another source were chosen by simulation
(``benchmarks/rollout.py`` measures what they lead to).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from ..errors import InvalidTerms
from ..settings.settings import Policy


@dataclass(frozen=True)
class _Terms:
    """Reading, writing and checking, alike for both. Sequences are tuples, so that terms are hashable."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check, allowed = _CHECKS[field.name]
            value = getattr(self, field.name)
            try:
                is_allowed = check(value)
            except TypeError:
                is_allowed = False
            if not is_allowed:
                raise InvalidTerms(f"{field.name} cannot be {value!r}; it takes {allowed}")

    def to_json(self) -> dict[str, Any]:
        """Every figure by name, as plain JSON values."""
        return {
            field.name: _listed(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_json(cls, figures: Mapping[str, Any]) -> Self:
        """The terms with these figures and the defaults for the rest. Raises ``InvalidTerms``."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in figures:
            if key not in known:
                raise InvalidTerms(f"{key} is none of the terms, which are {', '.join(known)}")
        return cls(**{key: _tupled(value) for key, value in figures.items()})


@dataclass(frozen=True)
class TriggerTerms(_Terms):
    """How falling ratings are detected. Raises ``InvalidTerms`` when made with a figure outside its range."""

    threshold: float = 3.8
    """Mean stars, in [1, 5], under which the role is to be improved. Source: the project's user."""
    average_run_length: float = 1000.0
    """The average run of ratings to a false alarm is at least this, whatever their distribution, as long as their mean is not
    under the threshold. The one knob: a smaller one is faster and wrong more often."""
    bets: tuple[float, ...] = (0.25, 0.5, 0.8, 1.1)
    """How much is bet on each rating being low: against a threshold of 3.8, small bets find small falls, large ones large."""
    cooldown: int = 200
    """Ratings after a closed cycle before the same adapter can breach again."""
    max_backoff: int = 8
    """How many times the cooldown at most, where training has not helped again and again."""

    def wait(self, cycles_in_vain: int) -> int:
        """Ratings to wait after a closed cycle: the cooldown, doubled for each cycle before it that did not help either.

        ``cycles_in_vain`` counts the cycles since the last promotion that ended without one, 1 for the first.
        """
        doubled: int = 1 << min(max(cycles_in_vain - 1, 0), 30)
        return self.cooldown * min(doubled, self.max_backoff)


@dataclass(frozen=True)
class RampStep:
    """The share that a canary gets once its evidence of being no worse has reached so much."""

    weight_percent: int
    evidence: float
    pause_s: float = 0.0
    """Seconds at the share before it, at least."""


METRICS = ("success", "rating")
"""What a canary is compared by."""


@dataclass(frozen=True)
class CanaryTerms(_Terms):
    """What a canary must show, and when it is given up. Raises ``InvalidTerms``.

    A canary that is worse by a margin is promoted with a probability of at most ``1 / promote_at``, and one that is as good
    as the stable arm is rolled back with one of at most ``1 / roll_back_at``, by Ville's inequality.
    """

    success_margin: float = 0.05
    """Success rate that a canary may be worse by, in [0, 1)."""
    rating_margin: float = 0.4
    """Mean stars that a canary may be worse by, in [0, 4)."""
    promote_at: float = 20.0
    """Evidence, of success and of rating each, that it is no worse than its margin: 1 in 20 is wrong at most."""
    roll_back_at: float = 20.0
    """Evidence that it is worse."""
    ramp: tuple[RampStep, ...] = (RampStep(50, 4.0),)
    """The steps of its share, lowest first."""
    dry_run: tuple[str, ...] = ()
    """The metrics that are reported and decide nothing; not all of them."""
    most_runs: int = 800
    """Canary outcomes after which a person must decide. The evidence stays good: a person may ask for as many again."""
    critical_limit: int = 0
    """Errors of the system that a canary may have; one more rolls it back at once. Source: the project's user."""
    bake_s: float = 600.0
    """Seconds before it may be promoted. Source: the project's user. Time is no evidence, only a minimum."""
    give_up_s: float = 604_800.0
    """Seconds after which a person must decide; a week."""
    prior_rate: float = 0.95
    """What the stable arm's success is taken for before it is seen, in [0, 1]; the bar of the plain rule. It costs speed where
    it is far off and never validity."""
    prior_runs: float = 50.0
    """How many outcomes that counts for."""
    no_worse_shifts: tuple[float, ...] = (0.0, 0.03, -0.015)
    """Canaries that are bet on against a worse one: their success rate less the stable arm's."""
    worse_shifts: tuple[float, ...] = (-0.05, -0.1, -0.2, -0.4)
    """Canaries that are bet on against an equal one."""
    no_worse_bets: tuple[float, ...] = (0.25, 0.5, 0.8)
    """How much is bet, of 1, on the canary's rating above the stable arm's less the margin."""
    worse_bets: tuple[float, ...] = (0.3, 0.6, 0.9)
    """How much is bet, of 1, on the canary's rating under the stable arm's."""
    least_matched: int = 4
    """Stable outcomes that each canary outcome is held against at least, where the stable arm has that many more runs."""
    most_matched: int = 6
    """And at most."""
    kept: int = 24
    """Outcomes of an arm that wait for some of the other at most, the newest: both arms are compared at the same time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_matched > self.most_matched:
            raise InvalidTerms(
                f"least_matched cannot be {self.least_matched}; it takes at most {self.most_matched}, what most_matched is"
            )

    def fewest_matched(self, weight_percent: int) -> int:
        """Stable outcomes that a canary outcome waits for while the canary has this share: one fewer than come meanwhile.

        4 at 15 %, 1 at 50 %. Waiting for as many as come, or more, the canary's outcomes would queue up.
        """
        return max(1, min(self.least_matched, (100 - weight_percent) // weight_percent - 1))


def _tupled(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    return tuple(RampStep(**each) if isinstance(each, Mapping) else each for each in value)


def _listed(values: tuple[Any, ...]) -> list[Any]:
    return [dataclasses.asdict(each) if isinstance(each, RampStep) else each for each in values]


def _is_ramp(steps: Any) -> bool:
    for step in steps:
        if not isinstance(step, RampStep) or not 1 <= step.weight_percent <= 99:
            return False
        if not (step.evidence >= 1 and step.pause_s >= 0):
            return False
    return list(steps) == sorted(steps, key=lambda step: (step.weight_percent, step.evidence))


LONGEST_COOLDOWN = 1_000_000
LONGEST_S = 1e12
"""More than anybody waits for. A log may hold settings from before there were such limits: they are cut, and still load."""


def _number(low: float, high: float) -> tuple[Callable[[Any], bool], str]:
    return lambda value: low <= value <= high, f"a number from {low:g} to {high:g}"


def _whole(low: int, high: int) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, int) and low <= value <= high, f"a whole number from {low} to {high}"


def _numbers(low: float, high: float) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda values: len(values) > 0 and all(low <= value <= high for value in values),
        f"numbers from {low:g} to {high:g}",
    )


# Bets under 1 keep every e-value above 0, and so does the detector's cut of its own.
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "threshold": _number(1, 5),
    "average_run_length": _number(1, 1e9),
    "bets": _numbers(0.001, 10),
    "cooldown": _whole(0, LONGEST_COOLDOWN),
    "max_backoff": _whole(1, 1_000_000),
    "success_margin": _number(0, 0.9),
    "rating_margin": _number(0, 3.9),
    "promote_at": _number(1.01, 1e9),
    "roll_back_at": _number(1.01, 1e9),
    "ramp": (_is_ramp, "steps of a share from 1 to 99 % and evidence of at least 1, the lowest first"),
    "dry_run": (lambda names: set(names) < set(METRICS), f"some of {', '.join(METRICS)}, not all"),
    "most_runs": _whole(1, 1_000_000),
    "critical_limit": _whole(0, 1_000_000),
    "bake_s": _number(0, LONGEST_S),
    "give_up_s": _number(0, LONGEST_S),
    "prior_rate": _number(0, 1),
    "prior_runs": _number(1, 1e6),
    "no_worse_shifts": _numbers(-0.9, 0.9),
    "worse_shifts": _numbers(-0.9, 0),
    "no_worse_bets": _numbers(0.001, 0.99),
    "worse_bets": _numbers(0.001, 0.99),
    "least_matched": _whole(1, 24),
    "most_matched": _whole(1, 24),
    "kept": _whole(24, 1000),
}


SHARES = ("canary.weight_percent", "canary.ramp")
"""The settings of a canary's share."""

_KEPT = (*SHARES, "canary.rule", "canary.randomization_unit")
_KEPT_BY_EVIDENCE = (
    *("canary.success_margin", "canary.rating_margin", "canary.promote_at", "canary.roll_back_at", "canary.dry_run"),
    *("canary.max_runs", "canary.critical_limit", "canary.bake_s", "canary.deadline_s"),
)


def is_kept(key: str, rule: str) -> bool:
    """Whether a rollout that began under the rule keeps the setting that was in force then, to its end.

    The sequential rule keeps all of its terms: they hold only if nothing is changed because of what was seen. The plain rules
    look at the bars in force at each look.
    """
    return key in _KEPT or (rule == "sequential" and key in _KEPT_BY_EVIDENCE)


def trigger_terms(policy: Policy, role: str) -> TriggerTerms:
    """The trigger's terms as the settings in force for the role have them."""
    rating = policy.rating(role)
    cooldown = min(rating.cooldown, LONGEST_COOLDOWN)
    return _trigger_terms(rating.threshold, rating.average_run_length, cooldown, rating.max_backoff)


@cache
def _trigger_terms(threshold: float, average_run_length: float, cooldown: int, max_backoff: int) -> TriggerTerms:
    """Made and checked once, since each rating asks for them."""
    return TriggerTerms(threshold, average_run_length, cooldown=cooldown, max_backoff=max_backoff)


def canary_terms(policy: Policy, role: str) -> CanaryTerms:
    """The canary's terms as the settings in force for the role have them."""
    canary = policy.canary(role)
    return CanaryTerms(
        success_margin=canary.success_margin,
        rating_margin=canary.rating_margin,
        promote_at=canary.promote_at,
        roll_back_at=canary.roll_back_at,
        ramp=_ramp(canary.ramp),
        dry_run=tuple(name for name in words(canary.dry_run) if name in METRICS),
        most_runs=canary.max_runs,
        critical_limit=canary.critical_limit,
        bake_s=min(canary.bake_s, LONGEST_S),
        give_up_s=min(canary.deadline_s, LONGEST_S),
    )


def words(text: str) -> tuple[str, ...]:
    """The words of ``success, rating``, none of ``none``."""
    return () if text == "none" else tuple(word.strip() for word in text.split(","))


def _ramp(steps: str) -> tuple[RampStep, ...]:
    """The steps of ``30:3, 50:6:3600``, the smallest share first; none takes less evidence than the one before it."""
    found: list[RampStep] = []
    for weight, evidence, *pause in sorted((step.split(":") for step in words(steps)), key=lambda step: int(step[0])):
        least = max(float(evidence), found[-1].evidence if found else 1.0)
        found.append(RampStep(int(weight), least, *(float(seconds) for seconds in pause)))
    return tuple(found)
