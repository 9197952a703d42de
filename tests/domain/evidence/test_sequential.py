"""The sequential rule's verdict: every branch, with its sentence."""

from __future__ import annotations

from typing import Any

from grokputer.domain.evidence.canary import Evidence
from grokputer.domain.evidence.sequential import judge, next_weight
from grokputer.domain.evidence.terms import CanaryTerms, RampStep
from grokputer.domain.verdict import Times

BAKED = 600.0


def rollout(rounds: int, canary: int = 1, stars: float | None = 5, weight: int = 50, **terms: Any) -> Evidence:
    """So many runs of each arm, one after the other; the stable arm succeeds and gets four stars."""
    evidence = Evidence.begin(CanaryTerms(**terms), weight)
    for _ in range(rounds):
        for arm, success, given in (("stable", 1, 4), ("canary", canary, stars)):
            evidence.end(arm, success)
            if stars is not None:
                evidence.rate(arm, given or 1)
    return evidence


def verdict(evidence: Evidence, elapsed_s: float = BAKED) -> tuple[str, str]:
    found = judge(evidence, Times.since_start(elapsed_s))
    assert found.message and found.numbers["rule"] == "sequential"
    return found.verdict, found.reason


def test_a_canary_shown_to_be_no_worse_is_promoted_after_its_bake() -> None:
    evidence = rollout(300)
    assert verdict(evidence) == ("promote", "no worse")
    assert verdict(evidence, BAKED - 1) == ("hold", "bake")


def test_a_part_of_the_evidence_is_enough_for_a_larger_share_and_for_each_step_once() -> None:
    evidence = rollout(150, weight=15)
    assert verdict(evidence) == ("hold", "no worse so far")
    assert next_weight(evidence, Times.since_start(0)) == 50
    evidence.weigh(50)
    assert verdict(evidence) == ("hold", "evidence") and next_weight(evidence, Times.since_start(0)) is None


def test_steps_that_the_evidence_has_passed_already_are_left_out() -> None:
    evidence = rollout(120, weight=15, ramp=(RampStep(25, 2.0), RampStep(40, 3.0), RampStep(60, 19.0)))
    assert next_weight(evidence, Times.since_start(0)) == 40


def test_a_canary_that_fails_is_rolled_back_without_a_bake() -> None:
    assert verdict(rollout(8, canary=0, stars=1), 0) == ("roll back", "worse")


def test_a_canary_ever_shown_to_be_worse_is_not_promoted_later() -> None:
    evidence = rollout(8, canary=0, stars=1)
    for _ in range(790):
        for arm in ("stable", "canary"):
            evidence.end(arm, 1)
            evidence.rate(arm, 5)
    assert verdict(evidence) == ("roll back", "worse")


def test_one_critical_error_rolls_back_at_once_unless_some_are_allowed() -> None:
    for allowed, expected in ((0, ("roll back", "critical")), (1, ("hold", "few runs"))):
        evidence = Evidence.begin(CanaryTerms(critical_limit=allowed), 15)
        evidence.end("stable", 0)
        evidence.fail_critically("stable")
        assert verdict(evidence) == ("hold", "few runs")
        evidence.end("canary", 0)
        evidence.fail_critically("canary")
        assert verdict(evidence) == expected


def test_before_there_is_anything_to_compare_it_holds() -> None:
    assert verdict(Evidence.begin(CanaryTerms(), 15)) == ("hold", "few runs")


def test_unrated_runs_hold_even_if_all_succeed() -> None:
    assert verdict(rollout(400, stars=None)) == ("hold", "unrated")


def test_a_canary_shown_neither_way_by_the_end_is_inconclusive_until_a_person_extends_it() -> None:
    evidence = rollout(400, stars=None, most_runs=400)
    assert verdict(evidence) == ("inconclusive", "most runs")
    evidence.extend()
    assert verdict(evidence) == ("hold", "unrated")
    assert verdict(evidence, 604_800) == ("inconclusive", "time")


def test_the_sentence_has_the_numbers() -> None:
    evidence = Evidence.begin(CanaryTerms(), 15)
    for index in range(190):
        evidence.end("stable", index % 21 > 0)
        if index % 6 == 5:
            evidence.end("canary", index != 11)
        if index % 2:
            evidence.rate("stable", 4)
        if index % 12 == 11:
            evidence.rate("canary", 4.5)
    found = judge(evidence, Times.since_start(3600))
    # 15 rated blocks of fours and a four and a half: the bets have grown to 1.05625, 1.1125 and 1.18 to the 15th.
    assert (found.verdict, found.reason) == ("hold", "evidence")
    assert found.message == (
        "30 of 31 canary runs succeeded against 180 of 190; evidence for no worse than 5 points: 1.9 of 20; "
        "4.50 stars over 15 ratings against 4.00; evidence for no worse than 0.4 stars: 6.4 of 20; "
        "evidence for worse: 2.0 of 20"
    )
    assert found.numbers["canary"] == {
        "runs": 31, "succeeded": 30, "success": 0.9677, "rated": 15, "rating": 4.5, "critical": 0,
    }  # fmt: skip
    assert found.numbers["terms"]["promote_at"] == 20


def test_no_step_of_the_ramp_is_left_out_and_each_waits_for_its_pause() -> None:
    evidence = rollout(150, weight=15, ramp=(RampStep(50, 4.0, pause_s=3600.0),), promote_at=4.0)
    early, late = Times(BAKED, 600, BAKED), Times(BAKED, 3600, BAKED)
    assert (judge(evidence, early).verdict, judge(evidence, early).reason) == ("hold", "pause")
    verdict = judge(evidence, late)
    assert verdict.next_share == verdict.numbers["next_weight_percent"] == 50
    evidence.weigh(50)
    assert (judge(evidence, late).verdict, judge(evidence, late).reason) == ("promote", "no worse")
