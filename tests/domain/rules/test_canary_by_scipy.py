"""The bars of the rule ``relative`` beside scipy's tests: what chance alone explains does not refuse a canary."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import pvariance

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from grokputer.domain.rules.canary import CHANCE, SIGNIFICANCE, ArmHealth, Outcome, assess_canary
from grokputer.domain.rules.canary import _chance_of as chance_of
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Times

RUNS = st.integers(1, 300)
SHARE = st.floats(0, 1)
STARS = st.lists(st.integers(1, 5), min_size=20, max_size=80)
POLICY = Policy({"canary.window": 80, "canary.min_success": 1.0, "canary.min_rating": 5.0})


def arm(successes: Sequence[bool], stars: Sequence[int]) -> list[Outcome]:
    return [Outcome(n, good, True, False, rated) for n, (good, rated) in enumerate(zip(successes, stars, strict=True))]


def bars(canary: list[Outcome], stable: list[Outcome]) -> dict[str, float]:
    found: dict[str, float] = assess_canary(canary, stable, Times(0, 0, 0), POLICY, "action", "relative").numbers[
        "bars"
    ]
    return found


@settings(deadline=None)
@given(RUNS, SHARE, RUNS, SHARE)
def test_the_chance_of_so_few_successes_is_fishers(runs: int, share: float, stable_runs: int, stable: float) -> None:
    ours, theirs = round(share * runs), round(stable * stable_runs)
    table = [[ours, runs - ours], [theirs, stable_runs - theirs]]
    expected = stats.fisher_exact(table, alternative="less").pvalue
    assert chance_of(ours, runs, theirs, stable_runs) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.booleans(), min_size=20, max_size=80), st.lists(st.booleans(), min_size=20, max_size=80))
def test_the_bar_of_success_is_the_least_share_that_fishers_test_does_not_reject(
    ours: list[bool], theirs: list[bool]
) -> None:
    bar = bars(arm(ours, [5] * len(ours)), arm(theirs, [5] * len(theirs)))["success"]
    runs, good = len(ours), sum(theirs)
    at_bar = round(bar * runs)
    assert bar == round(at_bar / runs, 4)

    def chance(successes: int) -> float:
        table = [[successes, runs - successes], [good, len(theirs) - good]]
        return float(stats.fisher_exact(table, alternative="less").pvalue)

    assert chance(at_bar) >= SIGNIFICANCE - 1e-9
    assert at_bar == 0 or chance(at_bar - 1) < SIGNIFICANCE + 1e-9


@settings(deadline=None, max_examples=50)
@given(STARS, STARS)
def test_a_mean_rating_on_its_bar_is_explained_by_chance_in_one_of_twenty_looks(
    ours: list[int], theirs: list[int]
) -> None:
    assume(pvariance(map(float, ours)) + pvariance(map(float, theirs)) > 0)
    bar = bars(arm([True] * len(ours), ours), arm([True] * len(theirs), theirs))["rating"]
    widest = max(pvariance(map(float, ours)), pvariance(map(float, theirs)))  # the wider of both arms, for both
    error = (widest * (1 / len(ours) + 1 / len(theirs))) ** 0.5
    expected = float(stats.norm.ppf(SIGNIFICANCE, loc=sum(theirs) / len(theirs), scale=error))
    assert bar == pytest.approx(min(5.0, expected), abs=1e-3)


def test_the_standard_errors_of_one_look_are_the_normal_quantile_to_three_digits() -> None:
    assert pytest.approx(stats.norm.isf(SIGNIFICANCE), abs=2e-4) == CHANCE


@given(STARS)
def test_the_variance_of_an_arms_ratings_is_the_mean_square_from_the_mean(stars: list[int]) -> None:
    health = ArmHealth.of(arm([True] * len(stars), stars))
    assert health.rating_variance == pytest.approx(pvariance(map(float, stars)), abs=1e-12)
