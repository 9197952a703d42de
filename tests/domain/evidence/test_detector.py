"""The trigger by evidence: what it adds up to, when it fires, and what is averaged before it sees it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokputer.domain.errors import InvalidTerms
from grokputer.domain.evidence.clusters import RatingClusters
from grokputer.domain.evidence.detector import Detector
from grokputer.domain.evidence.terms import TriggerTerms

STARS = st.lists(st.integers(1, 5) | st.floats(1, 5), max_size=30)


TERMS = TriggerTerms()


def fed(ratings: Sequence[float], terms: TriggerTerms = TERMS) -> Detector:
    detector = Detector(terms)
    for stars in ratings:
        detector.take(stars)
    return detector


def test_one_rating_pays_each_bet_by_how_far_it_lies_under_the_threshold() -> None:
    # One star is 0 of 1, and 3.8 stars are .7; the mean of the four bets is .6625, so 1 + .6625 * .7.
    assert fed([1]).evidence == pytest.approx(1.46375)
    # Five stars are .3 above it: 1 - .6625 * .3.
    assert fed([5]).evidence == pytest.approx(0.80125)
    # At .25 alone: (1 * 1.175 + 1) * 1.175.
    assert fed([1, 1], TriggerTerms(bets=(0.25,))).evidence == pytest.approx(2.555625)


@pytest.mark.parametrize("shares", [(0.7, 0.0, 0.0, 0.0, 0.3), (0.1, 0.1, 0.1, 0.3, 0.4), (0.0, 0.2, 0.2, 0.2, 0.4)])
@pytest.mark.parametrize("threshold", [2.2, 3.8, 1.0])
def test_average_evidence_is_at_most_the_number_of_ratings_while_the_mean_is_not_too_low(
    shares: Sequence[float], threshold: float
) -> None:
    mean = sum(star * share for star, share in enumerate(shares, 1))
    terms = TriggerTerms(threshold=min(threshold, mean))
    for count in (1, 2, 3):
        expected = sum(
            prod(shares[star - 1] for star in ratings) * fed(ratings, terms).evidence
            for ratings in product(range(1, 6), repeat=count)
        )
        assert expected <= count + 1e-9


def test_at_the_threshold_itself_it_is_that_number_exactly() -> None:
    shares = (0.1, 0.1, 0.1, 0.3, 0.4)  # mean 3.8
    expected = sum(
        shares[first - 1] * shares[second - 1] * fed([first, second]).evidence
        for first, second in product(range(1, 6), repeat=2)
    )
    assert expected == pytest.approx(2)


def test_bad_ratings_alone_are_an_alarm_and_good_ones_never() -> None:
    assert fed([1] * 13).is_alarm and not fed([1] * 12).is_alarm
    assert not fed([5] * 1000).is_alarm
    assert not fed([4] * 1000).is_alarm


def test_the_verdict_says_since_when_and_how_far_ratings_have_fallen() -> None:
    verdict = fed([5] * 100 + [1] * 13).verdict()
    assert (verdict.verdict, verdict.reason) == ("breach", "evidence")
    assert verdict.message == (
        "evidence for a mean under 3.8 stars: 2,446 of 1,000; mean of the latest 13 ratings 1.00"
    )
    assert verdict.numbers["ratings"] == 113 and verdict.numbers["latest"] == 13
    held = fed([5] * 3).verdict()
    assert (held.verdict, held.reason, held.numbers["latest"]) == ("hold", "no evidence", 0)
    assert held.message == "evidence for a mean under 3.8 stars: 2 of 1,000"


@settings(max_examples=30, deadline=None)
@given(STARS, STARS)
def test_a_detector_that_was_saved_goes_on_to_the_same_bits(before: list[float], after: list[float]) -> None:
    one = fed(before)
    other = Detector(one.terms, json.loads(json.dumps(one.state)))
    for stars in after:
        one.take(stars)
        other.take(stars)
    assert json.dumps(one.state) == json.dumps(other.state)
    assert one.verdict() == other.verdict()


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 5), STARS)
def test_no_threshold_and_no_ratings_bring_the_evidence_under_zero(threshold: float, ratings: list[float]) -> None:
    assert min(fed(ratings, TriggerTerms(threshold=threshold)).state["wealth"]) >= 0


def test_the_numbers_stay_finite_after_thousands_of_outcomes() -> None:
    assert json.loads(json.dumps(fed([1] * 5000).state))["wealth"][0] == 1e15


def test_the_cooldown_doubles_with_each_cycle_that_did_not_help_up_to_eightfold() -> None:
    assert [TriggerTerms().wait(cycles) for cycles in range(7)] == [200, 200, 400, 800, 1600, 1600, 1600]
    assert TriggerTerms(cooldown=10, max_backoff=3).wait(100) == 30


def test_terms_survive_json_and_refuse_what_they_do_not_know() -> None:
    terms = TriggerTerms(threshold=3.5, bets=(0.5, 1.0))
    assert TriggerTerms.from_json(json.loads(json.dumps(terms.to_json()))) == terms
    with pytest.raises(InvalidTerms, match=r"^threshold cannot be 7; it takes a number from 1 to 5$"):
        TriggerTerms(threshold=7)
    with pytest.raises(InvalidTerms, match=r"^speed is not a term; the terms are threshold, "):
        TriggerTerms.from_json({"speed": 1})


def test_ratings_of_one_rater_in_one_session_count_once_with_their_mean() -> None:
    bursts = RatingClusters()
    assert bursts.take("ada", "monday", "run-1", 1) == []
    assert bursts.take("ada", "monday", "run-2", 2) == []
    assert bursts.take("ben", "monday", "run-2", 5) == []
    assert bursts.take("ada", "tuesday", "run-3", 4) == [1.5]
    assert bursts.take("ben", "tuesday", "run-3", 4) == [5]


def test_a_rating_that_is_changed_within_its_session_counts_with_its_newer_stars() -> None:
    bursts = RatingClusters()
    for item, stars in (("run-1", 1), ("run-2", 3), ("run-1", 5)):
        bursts.take("ada", "monday", item, stars)
    assert bursts.take("ada", "tuesday", "run-3", 4) == [4]


def test_a_session_without_new_ratings_is_over_after_some_ratings_of_others() -> None:
    bursts = RatingClusters(patience=3)
    bursts.take("ada", "monday", "run-1", 2)
    closed = [bursts.take("ben", f"session-{n}", "run", 5) for n in range(4)]
    assert closed == [[], [5], [2, 5], [5]]


def test_a_rating_that_comes_after_its_cluster_is_closed_counts_no_more() -> None:
    bursts = RatingClusters(patience=3)
    bursts.take("ada", "monday", "run-1", 2)
    for n in range(4):
        bursts.take("ben", f"session-{n}", "run", 5)
    late = [*bursts.take("ada", "monday", "run-1", 1), *bursts.take("ada", "monday", "run-2", 1)]
    late += bursts.take("ada", "tuesday", "run-3", 4)
    assert set(late) <= {5}  # what ben said, and nothing more of ada's monday


def test_many_sessions_side_by_side_count_once_each() -> None:
    bursts = RatingClusters()
    over = [
        mean for run in range(10) for n in range(20) for mean in bursts.take(f"{n}", f"{n}", f"{run}", float(n % 2))
    ]
    assert len(over) == 20


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.integers(0, 5), st.integers(1, 5))))
def test_bursts_that_were_saved_go_on_alike_and_stay_few(ratings: list[tuple[str, str, int, int]]) -> None:
    one, other = RatingClusters(patience=2), RatingClusters(patience=2)
    for rater, session, run, stars in ratings:
        other = RatingClusters(json.loads(json.dumps(other.state)), other.over, patience=2)
        assert one.take(rater, session, str(run), stars) == other.take(rater, session, str(run), stars)
        assert len(one.state) <= 3
