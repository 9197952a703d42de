"""The terms of the sequential rules: every figure of the trigger and of the canary, fixed before any outcome is seen.

The rules are valid at any stopping time as long as no figure is changed because of outcomes. So the terms in force when
a rollout starts are its terms to the end. Defaults without another source were chosen by simulation
(``benchmarks/rollout.py`` measures their effect).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn, Self

from ..errors import InvalidTerms
from ..settings.setting import CHOSEN, Setting
from ..settings.settings import SETTINGS, Policy
from ..vocabulary import Rule


def _of(key: str) -> Any:
    """A figure that is a setting, with its default and range. Terms are recorded, so the range may only grow."""
    return dataclasses.field(default=SETTINGS[key].default, metadata={"setting": SETTINGS[key]})


def _figure(default: float | tuple[float, ...], low: float, high: float) -> Any:
    """A figure, or several of them, that only a program sets, with its range."""
    kind = type(default[0] if isinstance(default, tuple) else default)
    return dataclasses.field(
        default=default, metadata={"setting": Setting(default, "", CHOSEN, low=low, high=high, type=kind)}
    )


LATER = ("unknown", "judge_stars")
"""Figures that earlier terms did not have. They are written only where they are not empty."""


@dataclass(frozen=True)
class _Terms:
    """Reading, writing and checking for both kinds of terms. Sequences are tuples, so that terms are hashable."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, is_several = getattr(self, field.name), isinstance(field.default, tuple)
            setting: Setting | None = field.metadata.get("setting")
            if isinstance(value, tuple) != is_several:
                self._refuse(field.name, "several values" if is_several else "one value")
            several = value if is_several else (value,)
            if setting is not None and not (several and all(map(setting.takes, several))):
                self._refuse(
                    field.name, setting.allowed().replace("a number", "numbers") if is_several else setting.allowed()
                )

    def _refuse(self, name: str, allowed: str) -> NoReturn:
        raise InvalidTerms(f"{name} cannot be {getattr(self, name)!r}; it takes {allowed}")

    def to_json(self) -> dict[str, Any]:
        """Every figure by name, as plain JSON values."""
        return {
            field.name: _listed(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in dataclasses.fields(self)
            if field.name not in LATER or getattr(self, field.name)  # earlier terms had no such figure
        }

    @classmethod
    def from_json(cls, figures: Mapping[str, Any]) -> Self:
        """The terms with these figures and the defaults for the rest. Raises ``InvalidTerms``."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in figures:
            if key not in known:
                raise InvalidTerms(f"{key} is not a term; the terms are {', '.join(known)}")
        return cls(**{key: _tupled(value) for key, value in figures.items()})


@dataclass(frozen=True)
class TriggerTerms(_Terms):
    """How falling ratings are detected. Raises ``InvalidTerms`` for a figure outside its range."""

    threshold: float = _of("rating.threshold")
    """Mean stars, in [1, 5], under which the role needs improvement. Source: operators' requirements."""
    average_run_length: float = _of("rating.average_run_length")
    """Lower bound of the average run of ratings to a false alarm, whatever their distribution, while their mean is not
    under the threshold. The one parameter to tune: a smaller value is faster and wrong more often."""
    bets: tuple[float, ...] = _figure((0.25, 0.5, 0.8, 1.1), 0.001, 10)
    """Stake on each rating being low: at a threshold of 3.8, small stakes find small falls, large stakes large ones."""
    cooldown: int = _of("rating.cooldown")
    """Ratings after a closed cycle before the same adapter can breach again."""
    max_backoff: int = _figure(8, 1, 1_000_000)
    """Largest multiple of the cooldown, after repeated trainings without success."""

    def wait(self, cycles_in_vain: int) -> int:
        """Ratings to wait after a closed cycle: the cooldown, doubled for each further cycle without a promotion.

        ``cycles_in_vain`` counts the cycles that ended without a promotion since the last promotion, from 1.
        """
        doubled: int = 1 << min(max(cycles_in_vain - 1, 0), 30)
        return self.cooldown * min(doubled, self.max_backoff)


@dataclass(frozen=True)
class RampStep:
    """The share that a canary gets once its evidence of being no worse has reached ``evidence``."""

    weight_percent: int
    evidence: float
    pause_s: float = 0.0
    """Least seconds at the share before it."""


METRICS = ("success", "rating")
"""The metrics that compare a canary."""


@dataclass(frozen=True)
class CanaryTerms(_Terms):
    """What a canary must show, and when a person must decide. Raises ``InvalidTerms``.

    A canary that is worse by a margin is promoted with a probability of at most ``1 / promote_at``, and one that is as
    good as the stable arm is rolled back with one of at most ``1 / roll_back_at``, by Ville's inequality.
    """

    success_margin: float = _of("canary.success_margin")
    """Success rate by which a canary may be worse, in [0, 1)."""
    rating_margin: float = _of("canary.rating_margin")
    """Mean stars by which a canary may be worse, in [0, 4)."""
    promote_at: float = _of("canary.promote_at")
    """Evidence required that it is no worse than its margin, in success and in rating each; at most 1 promotion in this
    many is wrong."""
    roll_back_at: float = _of("canary.roll_back_at")
    """Evidence required that it is worse."""
    ramp: tuple[RampStep, ...] = (RampStep(50, 4.0),)
    """The steps of its share, lowest first."""
    dry_run: tuple[str, ...] = ()
    """The metrics that are reported and decide nothing; never all of them."""
    unknown: tuple[str, ...] = ()
    """The metrics that hardly any run of the role showed before the rollout: ``success``, or none. They decide nothing.
    Fixed at the start, like every term, so that no outcome decides what counts."""
    judge_stars: int = _of("judge.success_stars")
    """Stars from which a judge model's grade says that an answer succeeded, for the runs of this rollout; 0: grades say
    nothing about success."""
    most_runs: int = _of("canary.max_runs")
    """Canary outcomes after which a person must decide. The evidence stays valid: a person may allow as many again."""
    critical_limit: int = _of("canary.critical_limit")
    """Critical errors that a canary may have; one more rolls it back at once. Source: operators' requirements."""
    bake_s: float = _of("canary.bake_s")
    """Least seconds before a promotion. Source: operators' requirements. Time is no evidence, only a minimum."""
    give_up_s: float = _of("canary.deadline_s")
    """Seconds after which a person must decide; a week."""
    prior_rate: float = _figure(0.95, 0, 1)
    """Assumed success rate of the stable arm before its outcomes are seen, in [0, 1]; the bar of the plain rule. A
    wrong value costs speed, never validity."""
    prior_runs: float = _figure(50.0, 1, 1e6)
    """Number of outcomes that the assumption counts for."""
    no_worse_shifts: tuple[float, ...] = _figure((0.0, 0.03, -0.015), -0.9, 0.9)
    """Alternatives of the bets against a worse canary: its success rate less the stable arm's."""
    worse_shifts: tuple[float, ...] = _figure((-0.05, -0.1, -0.2, -0.4), -0.9, 0)
    """Alternatives of the bets against an equal canary: its success rate less the stable arm's."""
    no_worse_bets: tuple[float, ...] = _figure((0.25, 0.5, 0.8), 0.001, 0.99)
    """Stakes, of 1, on the canary's rating above the stable arm's less the margin."""
    worse_bets: tuple[float, ...] = _figure((0.3, 0.6, 0.9), 0.001, 0.99)
    """Stakes, of 1, on the canary's rating under the stable arm's."""
    least_matched: int = _figure(4, 1, 24)
    """Fewest stable outcomes per canary outcome, where the stable arm has that many more runs."""
    most_matched: int = _figure(6, 1, 24)
    """Most stable outcomes per canary outcome."""
    kept: int = _figure(24, 24, 1000)
    """Most outcomes of an arm that wait for the other arm, the newest: both arms are compared at the same time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(map(_is_step, self.ramp)) or list(self.ramp) != sorted(self.ramp, key=_order):
            self._refuse("ramp", "steps of a share from 1 to 99 % and evidence of at least 1, the lowest first")
        if not all(name in METRICS for name in self.dry_run) or {*METRICS} == {*self.dry_run}:
            self._refuse("dry_run", f"some of {', '.join(METRICS)}, not all")
        if not all(name in METRICS for name in self.unknown) or {*METRICS} == {*self.dry_run, *self.unknown}:
            self._refuse("unknown", f"one of {', '.join(METRICS)} at most, while the other decides")
        if self.least_matched > self.most_matched:
            raise InvalidTerms(
                f"least_matched cannot be {self.least_matched}; it takes at most most_matched, {self.most_matched}"
            )

    @property
    def deciding(self) -> tuple[str, ...]:
        """The metrics that decide; at least one."""
        return tuple(name for name in METRICS if name not in self.dry_run and name not in self.unknown)

    def fewest_matched(self, weight_percent: int) -> int:
        """Stable outcomes that a canary outcome waits for at this share: one fewer than come meanwhile.

        4 at 15 %, 1 at 50 %. If it waited for as many as come, or more, canary outcomes would queue up.
        """
        return max(1, min(self.least_matched, (100 - weight_percent) // weight_percent - 1))


def _tupled(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    return tuple(RampStep(**each) if isinstance(each, Mapping) else each for each in value)


def _listed(values: tuple[Any, ...]) -> list[Any]:
    return [dataclasses.asdict(each) if isinstance(each, RampStep) else each for each in values]


def _is_step(step: object) -> bool:
    if not isinstance(step, RampStep):
        return False
    numbers = (step.weight_percent, step.evidence, step.pause_s)
    if not all(isinstance(number, (int, float)) for number in numbers):
        return False
    return 1 <= step.weight_percent <= 99 and step.evidence >= 1 and step.pause_s >= 0


def _order(step: RampStep) -> tuple[int, float]:
    return step.weight_percent, step.evidence


LONGEST_COOLDOWN = 1_000_000
LONGEST_S = 1e12
"""Longer than any rollout. An old log may hold larger settings: they are cut, so that it still loads."""


SHARES = ("canary.weight_percent", "canary.ramp")
"""The settings of a canary's share."""

_KEPT = (*SHARES, "canary.rule", "canary.randomization_unit")
_KEPT_BY_EVIDENCE = (
    *("canary.success_margin", "canary.rating_margin", "canary.promote_at", "canary.roll_back_at", "canary.dry_run"),
    *("canary.max_runs", "canary.critical_limit", "canary.bake_s", "canary.deadline_s", "judge.success_stars"),
)


def is_kept(key: str, rule: str) -> bool:
    """Whether a rollout under this rule keeps, to its end, the value that the setting had at its start.

    The sequential rule keeps all of its terms: they are valid only if nothing is changed because of outcomes. The plain
    rules use the bars in force at each look.
    """
    return key in _KEPT or (rule == Rule.SEQUENTIAL and key in _KEPT_BY_EVIDENCE)


def trigger_terms(policy: Policy, role: str) -> TriggerTerms:
    """The trigger's terms from the settings in force for the role."""
    rating = policy.rating(role)
    cooldown = min(rating.cooldown, LONGEST_COOLDOWN)
    return _trigger_terms(rating.threshold, rating.average_run_length, cooldown, rating.max_backoff)


@cache
def _trigger_terms(threshold: float, average_run_length: float, cooldown: int, max_backoff: int) -> TriggerTerms:
    """Cached, because each rating needs them."""
    return TriggerTerms(threshold, average_run_length, cooldown=cooldown, max_backoff=max_backoff)


LEAST_KNOWN = 0.1
"""Least share of a role's latest runs with known success for which success decides about a canary. Chosen: with a
tenth, it takes ten times the runs of ``benchmarks/rollout.py`` to show, which is about where ``canary.max_runs`` ends
a rollout."""


def canary_terms(policy: Policy, role: str, known: float = 1.0) -> CanaryTerms:
    """The canary's terms from the settings in force for the role.

    ``known`` is the share of the role's latest runs with known success, 0 to 1. Under ``LEAST_KNOWN`` ratings alone
    decide, unless ``canary.dry_run`` takes these out.
    """
    canary = policy.canary(role)
    dry_run = tuple(name for name in words(canary.dry_run) if name in METRICS)
    return CanaryTerms(
        success_margin=canary.success_margin,
        rating_margin=canary.rating_margin,
        promote_at=canary.promote_at,
        roll_back_at=canary.roll_back_at,
        ramp=_ramp(canary.ramp),
        dry_run=dry_run,
        unknown=("success",) if known < LEAST_KNOWN and "rating" not in dry_run else (),
        judge_stars=policy.judge(role).success_stars,
        most_runs=canary.max_runs,
        critical_limit=canary.critical_limit,
        bake_s=min(canary.bake_s, LONGEST_S),
        give_up_s=min(canary.deadline_s, LONGEST_S),
    )


def words(text: str) -> tuple[str, ...]:
    """The words of a list such as ``success, rating``; empty for ``none``."""
    return () if text == "none" else tuple(word.strip() for word in text.split(","))


def _ramp(steps: str) -> tuple[RampStep, ...]:
    """The steps of ``30:3, 50:6:3600``, the smallest share first; each takes at least the evidence of the one before it."""
    ramp: list[RampStep] = []
    for weight, evidence, *pause in sorted((step.split(":") for step in words(steps)), key=lambda step: int(step[0])):
        least = max(float(evidence), ramp[-1].evidence if ramp else 1.0)
        ramp.append(RampStep(int(weight), least, *(float(seconds) for seconds in pause)))
    return tuple(ramp)
