"""The canary's verdict: every branch, on numbers small enough to work by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from grokputer.domain.rules.canary import ArmHealth, Outcome, assess_canary
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Times

WEEK = 7 * 86_400.0

GOOD = Outcome(1, True, True, False, 5.0)
WRONG = Outcome(1, False, True, False, 1.0)
LATE = Outcome(1, False, False, False, 4.0)
CRASH = Outcome(1, False, False, True, 1.0)
UNRATED = Outcome(1, True, True, False, None)
SUCCESS_RATED_3 = Outcome(1, True, True, False, 3.0)


def verdict(
    canary: Sequence[Outcome], stable: Sequence[Outcome] = (), elapsed: float = 600, **settings: Any
) -> tuple[str, str]:
    policy = Policy({"canary.rule": "threshold"} | {f"canary.{key}": value for key, value in settings.items()})
    decided = assess_canary(canary, stable, Times.since_start(elapsed), policy, "action", policy.get("canary.rule"))
    assert decided.message
    return decided.verdict, decided.reason


def test_a_healthy_canary_is_promoted_after_its_bake() -> None:
    assert verdict([GOOD] * 10) == ("promote", "healthy")
    assert verdict([GOOD] * 10, elapsed=599) == ("hold", "bake")


def test_too_few_runs_are_neither_healthy_nor_sick() -> None:
    assert verdict([GOOD] * 9) == ("hold", "few runs")
    assert verdict([WRONG] * 9) == ("hold", "few runs")
    assert verdict([]) == ("hold", "few runs")


def test_too_few_runs_for_a_week_are_inconclusive() -> None:
    assert verdict([GOOD] * 9, elapsed=WEEK) == ("inconclusive", "no data")


def test_one_critical_error_rolls_back_at_once() -> None:
    assert verdict([CRASH], elapsed=0) == ("roll back", "critical")


def test_the_success_rate_must_exceed_its_bar() -> None:
    # 19 of 20 is .95 exactly, which does not exceed .95.
    assert verdict([GOOD] * 19 + [WRONG]) == ("roll back", "success")


def test_the_mean_rating_must_exceed_its_bar() -> None:
    assert verdict([SUCCESS_RATED_3] * 10) == ("roll back", "rating")


def test_the_health_must_exceed_its_bar() -> None:
    assert verdict([GOOD] * 19 + [LATE], min_success=0.9) == ("roll back", "health")


def test_only_the_window_counts() -> None:
    assert verdict([WRONG] * 5 + [GOOD] * 20) == ("promote", "healthy")


def test_a_window_smaller_than_the_runs_that_are_needed_grows_to_them() -> None:
    assert verdict([GOOD] * 30, min_runs=30) == ("promote", "healthy")


def test_unrated_runs_hold_the_canary() -> None:
    assert verdict([UNRATED] * 10) == ("hold", "unrated")
    assert verdict([UNRATED] * 10, elapsed=WEEK) == ("inconclusive", "unrated")


def test_under_the_relative_rule_a_bar_the_stable_arm_misses_is_lowered_to_it_less_chance() -> None:
    stable = ([GOOD, WRONG]) * 50  # success .5, rating 3.0
    # By Fisher's exact test 6 of 20 is not significantly worse than 50 of 100 (one-sided p = .08), 5 of 20 is (p = .03).
    assert verdict([GOOD] * 6 + [WRONG] * 14, stable) == ("roll back", "success")
    assert verdict([GOOD] * 14 + [WRONG] * 6, stable, rule="relative") == ("promote", "healthy")
    assert verdict([GOOD] * 6 + [WRONG] * 14, stable, rule="relative") == ("promote", "healthy")
    assert verdict([GOOD] * 5 + [WRONG] * 15, stable, rule="relative") == ("roll back", "success")


def test_the_more_runs_the_less_is_put_down_to_chance() -> None:
    stable = ([GOOD, WRONG]) * 500
    few, many = [GOOD] * 7 + [WRONG] * 13, [GOOD] * 350 + [WRONG] * 650
    assert verdict(few, stable, rule="relative", window=1000) == ("promote", "healthy")
    assert verdict(many, stable, rule="relative", window=1000) == ("roll back", "success")


def test_one_timeout_in_twenty_does_not_fail_a_canary_beside_an_arm_with_few() -> None:
    stable = [GOOD] * 109 + [LATE]
    assert verdict([GOOD] * 19 + [LATE], stable, rule="relative", min_success=0.9) == ("promote", "healthy")
    assert verdict([GOOD] * 17 + [LATE] * 3, stable, rule="relative", min_success=0.8) == ("roll back", "health")


def test_an_arm_that_never_succeeds_leaves_nothing_to_chance() -> None:
    assert verdict([WRONG] * 10, [WRONG] * 10, rule="relative") == ("promote", "healthy")
    assert verdict([LATE] * 10, [WRONG] * 10, rule="relative") == ("roll back", "health")


def test_the_relative_rule_never_raises_a_bar_and_needs_a_stable_arm_to_compare_with() -> None:
    assert verdict([GOOD] * 10, [GOOD] * 100, rule="relative") == ("promote", "healthy")
    few = [GOOD] * 7 + [WRONG] * 3, [WRONG] * 9
    assert verdict(*few, rule="relative") == ("hold", "few stable runs")
    assert verdict(*few, rule="relative", elapsed=WEEK) == ("inconclusive", "few stable runs")
    assert verdict(*few) == ("roll back", "success")
    assert verdict([GOOD] * 10, rule="relative") == ("promote", "healthy")


def test_the_verdict_carries_its_numbers() -> None:
    decided = assess_canary([GOOD] * 10, [WRONG] * 4, Times.since_start(700), Policy(), "action", "threshold")
    assert decided.numbers["canary"] == {
        "runs": 10, "success": 1.0, "rating": 5.0, "rated": 10, "health": 1.0, "critical": 0,
    }  # fmt: skip
    assert decided.numbers["stable"]["success"] == 0.0
    assert decided.numbers["bars"] == {"success": 0.95, "rating": 3.5, "health": 0.97}


def test_an_empty_arm_has_no_rates() -> None:
    assert ArmHealth.of([]) == ArmHealth(0, None, None, 0, None, 0)


@pytest.mark.parametrize("runs", [10, 15, 20])
def test_an_arm_of_failures_is_never_promoted(runs: int) -> None:
    assert verdict([WRONG] * runs)[0] == "roll back"
