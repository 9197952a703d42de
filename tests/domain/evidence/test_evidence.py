"""The canary's evidence: its average under every null is 1 at most, counted out over all outcomes, not simulated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import product
from math import comb, inf, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokputer.domain.errors import InvalidTerms
from grokputer.domain.evidence.blocks import Blocks
from grokputer.domain.evidence.canary import Evidence
from grokputer.domain.evidence.evalues import PER_RATE, Paid, project, rating_pay, success_pay
from grokputer.domain.evidence.terms import CanaryTerms, RampStep

TERMS = CanaryTerms()
SIZES = range(1, TERMS.most_matched + 1)
RATES = [0, 1, 20, 150, 500, 850, 935, 950, 965, 990, 999, 1000]
GRID = [step / 20 for step in range(21)]
ROUNDING = 1e-12
EVENTS = st.lists(
    st.tuples(st.sampled_from(["canary", "stable"]), st.booleans(), st.none() | st.integers(1, 5)), max_size=40
)


def paid_on_average(table: Sequence[Sequence[Paid]], size: int, canary: float, stable: float) -> Iterator[float]:
    """Each bet's average over all blocks, against the worse and against the equal in turn, at these true rates."""
    for side in ("no_worse", "worse"):
        for bet in range(len(getattr(table[0][0], side))):
            yield sum(
                (canary if outcome else 1 - canary)
                * comb(size, count) * stable**count * (1 - stable) ** (size - count)
                * getattr(table[outcome][count], side)[bet]
                for outcome in (0, 1)
                for count in range(size + 1)
            )  # fmt: skip


def all_blocks(rate: int, size: int, terms: CanaryTerms = TERMS) -> list[list[Paid]]:
    """What every block pays: by the canary's outcome, and by the number of stable successes."""
    pay = success_pay(terms)
    return [
        [pay(rate, outcome, (0.0,) * (size - count) + (1.0,) * count) for count in range(size + 1)]
        for outcome in (0.0, 1.0)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_a_success_block_pays_at_most_1_on_average_for_canaries_worse_by_the_margin(
    size: int,
) -> None:
    count = len(TERMS.no_worse_shifts)
    for rate in RATES:
        table = all_blocks(rate, size)
        for canary, stable in [(c, s) for s in GRID for c in (*GRID, s - 0.05) if 0 <= c <= s - 0.05 + 1e-15]:
            for paid in list(paid_on_average(table, size, canary, stable))[:count]:
                assert paid <= 1 + ROUNDING, (rate, canary, stable)


@pytest.mark.parametrize("size", SIZES)
def test_a_bet_that_the_canary_is_worse_pays_at_most_1_for_canaries_that_are_no_worse(size: int) -> None:
    count = len(TERMS.no_worse_shifts)
    for rate in RATES:
        table = all_blocks(rate, size)
        for canary, stable in [(c, s) for s in GRID for c in GRID if c >= s]:
            for paid in list(paid_on_average(table, size, canary, stable))[count:]:
                assert paid <= 1 + ROUNDING, (rate, canary, stable)


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.9])
def test_no_bet_pays_on_average_for_other_margins_either(margin: float) -> None:
    terms = CanaryTerms(success_margin=margin)
    for rate, size in product(RATES, (1, 6)):
        table = all_blocks(rate, size, terms)
        for stable in GRID:
            if stable >= margin:
                paid = list(paid_on_average(table, size, stable - margin, stable))
                assert max(paid[: len(terms.no_worse_shifts)]) <= 1 + ROUNDING, (rate, stable)


@pytest.mark.parametrize("size", SIZES)
def test_no_block_takes_more_than_there_is(size: int) -> None:
    for rate in RATES:
        for blocks in all_blocks(rate, size):
            assert min(min(*paid.no_worse, *paid.worse) for paid in blocks) > 0
    for canary, stable in product((0.0, 1.0), (0.0, 1.0)):
        paid = rating_pay(TERMS, canary, (stable,) * size)
        assert min(*paid.no_worse, *paid.worse) > 0


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_rating_block_pays_exactly_1_at_its_margin_and_less_beyond(size: int) -> None:
    # All stars are one or five here: 5 with probability p is a mean of 1 + 4p, and the margin of .4 stars is .1 of p.
    def average(canary: float, stable: float, side: str) -> list[float]:
        paid = [0.0] * 3
        for blocks in product((0.0, 1.0), repeat=1 + size):
            chance = (canary if blocks[0] else 1 - canary) * prod(stable if one else 1 - stable for one in blocks[1:])
            found = getattr(rating_pay(TERMS, blocks[0], blocks[1:]), side)
            paid = [sum_ + chance * each for sum_, each in zip(paid, found, strict=True)]
        return paid

    for stable in (0.1, 0.5, 0.725, 1.0):
        assert average(stable - 0.1, stable, "no_worse") == pytest.approx([1, 1, 1])
        assert average(stable, stable, "worse") == pytest.approx([1, 1, 1])
        assert max(average(stable - 0.1, min(stable + 0.1, 1), "no_worse")) <= 1 + ROUNDING
        assert max(average(1.0, stable, "worse")) <= 1 + ROUNDING


def test_a_small_rollout_counted_out_pays_at_most_1_though_bets_follow_earlier_outcomes() -> None:
    arms = ["stable", "canary", "stable", "stable", "canary", "canary", "stable"]
    terms = CanaryTerms(prior_rate=0.5, prior_runs=1)  # so that the first outcomes already sway the later bets
    for stable in (0.05, 0.5, 0.95, 1.0):
        averages = {"no_worse": 0.0, "worse": 0.0}
        for side, canary in (("no_worse", stable - 0.05), ("worse", stable)):
            for outcomes in product((0, 1), repeat=len(arms)):
                evidence = Evidence.begin(terms, 50)
                chance = 1.0
                for arm, outcome in zip(arms, outcomes, strict=True):
                    rate = canary if arm == "canary" else stable
                    chance *= rate if outcome else 1 - rate
                    evidence.end(arm, outcome)
                wealth = evidence.state["success"][side]
                averages[side] += chance * sum(wealth) / len(wealth)
        assert max(averages.values()) <= 1 + ROUNDING


def test_without_a_margin_the_null_is_the_mean_of_both_rates() -> None:
    bet = project(0.55, 0.95, 0.0, 5)
    assert bet.canary == bet.stable == pytest.approx((0.55 + 5 * 0.95) / 6)
    # A failure beside five successes: the ratio of the likelihoods under (.55, .95) and under .8833 alike.
    assert bet.value(0, (1,) * 5) == pytest.approx(0.45 / (1 - 5.3 / 6) * (0.95 / (5.3 / 6)) ** 5)


def test_with_a_margin_the_null_lies_evenly_between_even_rates() -> None:
    bet = project(0.5, 0.5, 0.05, 1)
    assert [bet.canary, bet.stable] == pytest.approx([0.475, 0.525])
    assert bet.value(1, (0,)) == pytest.approx((0.5 / 0.475) ** 2)
    assert bet.value(1, (1,)) == pytest.approx((0.5 / 0.475) * (0.5 / 0.525))


def test_the_projection_is_the_nearest_of_all_pairs_at_the_margin() -> None:
    # At the nearest pair both pulls are in balance: moving it along the boundary changes nothing in the first order.
    for canary, stable, margin, matched in [(0.95, 0.95, 0.05, 5), (0.98, 0.95, 0.05, 1), (0.001, 0.001, 0.05, 6)]:
        bet = project(canary, stable, margin, matched)
        pull = (stable - bet.stable) / (bet.stable * (1 - bet.stable))
        assert bet.slope == pytest.approx(-matched * pull, rel=1e-6)


def test_an_alternative_inside_the_null_bets_nothing() -> None:
    terms = CanaryTerms(success_margin=0.01)  # the alternative 1.5 points lower is worse by more than the margin
    assert success_pay(terms)(950, 1.0, (1.0,)).no_worse[2] == 1


def test_a_block_takes_more_the_more_wait_and_no_more_than_the_most() -> None:
    sizes = {}
    for waiting in (3, 4, 11, 12, 23, 24):
        blocks = Blocks(TERMS)
        for _ in range(waiting):
            blocks.take("stable", 1.0)
        blocks.take("canary", 1.0)
        block = blocks.next(4)
        sizes[waiting] = len(block.stable) if block else 0
    assert sizes == {3: 0, 4: 4, 11: 4, 12: 5, 23: 5, 24: 6}


def test_each_outcome_is_used_once_and_the_newest_first() -> None:
    blocks = Blocks(TERMS)
    for outcome in [0.0] * 30 + [1.0] * 4:
        blocks.take("stable", outcome)
    blocks.take("canary", 1.0)
    first, then = blocks.next(4), blocks.next(4)
    assert first is not None and first.stable == (0, 0, 1, 1, 1, 1) and then is None
    assert len(blocks.state["stable"]) == 24 - 6


def test_a_bet_is_made_before_its_outcomes_are_seen() -> None:
    blocks = Blocks(CanaryTerms(prior_rate=0.5, prior_runs=2))
    for arm, outcome in [("stable", 0.0), ("stable", 0.0), ("canary", 0.0), ("stable", 1.0), ("canary", 1.0)]:
        blocks.take(arm, outcome)
    first, second = blocks.next(1), blocks.next(1)
    assert first is not None and (first.canary, first.stable, first.rate) == (0, (1,), 0.5)
    assert second is not None and (second.canary, second.stable, second.rate) == (1, (0,), (1 + 1) / (2 + 1))
    assert blocks.next(1) is None


def test_a_canary_outcome_waits_for_fewer_the_more_of_the_traffic_it_has() -> None:
    assert [TERMS.fewest_matched(weight) for weight in (1, 15, 20, 25, 33, 50, 99)] == [4, 4, 3, 2, 1, 1, 1]


def test_an_unrated_run_feeds_success_alone() -> None:
    evidence = Evidence.begin(TERMS, 15)
    for arm in ["stable"] * 6 + ["canary"]:
        evidence.end(arm, 1)
    assert evidence.state["success"]["blocks_seen"] == 1 and evidence.state["rating"]["blocks_seen"] == 0
    assert evidence.success_no_worse > 1 and evidence.rating_no_worse == 1 == evidence.no_worse


def test_the_most_that_was_shown_stands() -> None:
    evidence = Evidence.begin(TERMS, 50)
    for _ in range(100):
        evidence.end("stable", 1)
        evidence.end("canary", 1)
    shown = evidence.success_no_worse
    for _ in range(20):
        evidence.end("stable", 1)
        evidence.end("canary", 0)
    assert evidence.success_no_worse == shown > 5 and evidence.worse > 1000


def fed(evidence: Evidence, events: Sequence[tuple[str, bool, int | None]]) -> Evidence:
    for arm, success, stars in events:
        evidence.end(arm, success)
        if stars is not None:
            evidence.rate(arm, stars)
        if evidence.no_worse > 1.2:
            evidence.weigh(50)
    return evidence


@settings(max_examples=30, deadline=None)
@given(EVENTS, EVENTS)
def test_evidence_that_was_saved_goes_on_to_the_same_bits(
    before: list[tuple[str, bool, int | None]], after: list[tuple[str, bool, int | None]]
) -> None:
    one = fed(Evidence.begin(TERMS, 15), before)
    other = Evidence(CanaryTerms.from_json(json.loads(json.dumps(TERMS.to_json()))), json.loads(json.dumps(one.state)))
    assert json.dumps(fed(one, after).state) == json.dumps(fed(other, after).state)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1))
def test_the_order_within_a_block_changes_no_bit(stable: list[float], canary: float) -> None:
    def paid(outcomes: Sequence[float]) -> Paid:
        blocks = Blocks(TERMS)
        for outcome in outcomes:
            blocks.take("stable", outcome)
        blocks.take("canary", canary)
        block = blocks.next(len(outcomes))
        assert block is not None
        return success_pay(TERMS)(int(block.rate * PER_RATE + 0.5), block.canary, block.stable)

    assert paid(stable) == paid(stable[::-1])


def test_the_numbers_stay_finite_after_thousands_of_outcomes() -> None:
    evidence = Evidence.begin(TERMS, 50)
    for _ in range(3000):
        for arm, success, stars in (("stable", 0, 1), ("canary", 1, 5)):
            evidence.end(arm, success)
            evidence.rate(arm, stars)
    assert evidence.no_worse == 1e200 < inf
    assert "Infinity" not in json.dumps(evidence.state)


def test_terms_refuse_what_would_not_hold() -> None:
    with pytest.raises(
        InvalidTerms, match=r"^no_worse_bets cannot be \(1\.2,\); it takes numbers from 0\.001 to 0\.99$"
    ):
        CanaryTerms(no_worse_bets=(1.2,))
    with pytest.raises(InvalidTerms, match=r"^least_matched cannot be 5; it takes at most most_matched, 3"):
        CanaryTerms(least_matched=5, most_matched=3)
    with pytest.raises(InvalidTerms, match="ramp cannot be"):
        CanaryTerms(ramp=(RampStep(50, 4.0), RampStep(25, 2.0)))
    with pytest.raises(InvalidTerms, match="promote_at cannot be nan"):
        CanaryTerms(promote_at=float("nan"))
    with pytest.raises(InvalidTerms, match=r"promote_at cannot be \(20\.0,\); it takes one value"):
        CanaryTerms.from_json({"promote_at": [20.0]})
    with pytest.raises(InvalidTerms, match=r"no_worse_bets cannot be \(\); it takes numbers from"):
        CanaryTerms(no_worse_bets=())
    with pytest.raises(InvalidTerms, match="ramp cannot be '50:4'; it takes several values"):
        CanaryTerms.from_json({"ramp": "50:4"})
    with pytest.raises(InvalidTerms, match="ramp cannot be"):
        CanaryTerms.from_json({"ramp": [{"weight_percent": "50", "evidence": 4.0}]})
    with pytest.raises(InvalidTerms, match="dry_run cannot be"):
        CanaryTerms(dry_run=("success", "rating"))
