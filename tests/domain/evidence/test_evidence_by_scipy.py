"""E-values beside scipy's: distributions, quadratures and minima that are computed by another program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from grokputer.domain.evidence.detector import Detector
from grokputer.domain.evidence.evalues import LEAST_RATE, PER_RATE, project, rating_pay, success_pay
from grokputer.domain.evidence.terms import CanaryTerms, TriggerTerms

TERMS = CanaryTerms()
RATE = st.floats(LEAST_RATE, 1 - LEAST_RATE)
SHARE = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
MARGIN = st.integers(0, 300).map(lambda thousandths: thousandths / 1000)
SIZE = st.integers(1, TERMS.most_matched)
SHAPE = st.integers(3, 20).map(lambda quarters: quarters / 4)
ROUNDING = 1e-9
"""What the sums and scipy's own quadrature leave open."""


def divergence(canary: float, stable: float, null: tuple[float, float], matched: int) -> float:
    """KL of a block's outcomes under the rates from those under the null."""

    def of_one(rate: float, other: float) -> float:
        return float(special.rel_entr(rate, other) + special.rel_entr(1 - rate, 1 - other))

    return of_one(canary, null[0]) + matched * of_one(stable, null[1])


@settings(deadline=None)
@given(RATE, RATE, MARGIN, SIZE)
def test_the_null_of_a_bet_is_the_nearest_one(canary: float, stable: float, margin: float, matched: int) -> None:
    assume(stable - canary < margin)  # an alternative within the null bets nothing
    bet = project(canary, stable, margin, matched)

    def at(rate: float) -> float:
        return divergence(canary, stable, (rate - margin, rate), matched)

    nearest = optimize.minimize_scalar(at, bounds=(margin, 1), method="bounded", options={"xatol": 1e-10})
    assert bet.stable - bet.canary == pytest.approx(margin, abs=1e-12)
    assert at(bet.stable) <= nearest.fun + ROUNDING
    assert bet.stable == pytest.approx(nearest.x, abs=1e-5)


@settings(deadline=None)
@given(RATE, RATE, SIZE, st.integers(0, 1), st.data())
def test_without_a_margin_a_block_of_successes_and_failures_pays_the_likelihood_ratio(
    canary: float, stable: float, size: int, outcome: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, size))
    bet = project(canary, stable, 0.0, size)
    paid = bet.value(outcome, (1.0,) * successes + (0.0,) * (size - successes))
    then, now = (
        stats.bernoulli.pmf(outcome, one) * stats.binom.pmf(successes, size, other)
        for one, other in ((canary, stable), (bet.canary, bet.stable))
    )
    assert paid == pytest.approx(float(then / now), rel=1e-6)


@settings(deadline=None)
@given(st.integers(0, PER_RATE), SIZE, SHARE, SHARE, MARGIN)
def test_a_success_block_pays_at_most_1_on_average_under_every_case_of_its_null(
    rate: int, size: int, low: float, gap: float, margin: float
) -> None:
    terms = CanaryTerms(success_margin=margin)
    pay = success_pay(terms)
    stable = margin + (1 - margin) * low
    worse, better = (stable - margin) * gap, stable + (1 - stable) * gap
    counts = stats.binom.pmf(range(size + 1), size, stable)
    for side, canary in (("no_worse", worse), ("worse", better)):
        for bet in range(len(getattr(pay(rate, 0.0, (0.0,)), side))):
            average = sum(
                float(stats.bernoulli.pmf(outcome, canary) * counts[successes])
                * getattr(pay(rate, float(outcome), (0.0,) * (size - successes) + (1.0,) * successes), side)[bet]
                for outcome in (0, 1)
                for successes in range(size + 1)
            )
            assert average <= 1 + ROUNDING, (side, bet)


Density = list[tuple[float, float]]
"""Values in [0, 1] with their weights: of polynomials, Gauss and Jacobi's quadrature gives the exact average."""


def beta(a: float, b: float) -> Density:
    """A beta distribution."""
    nodes, weights = special.roots_jacobi(12, b - 1, a - 1)
    return [((1 + float(x)) / 2, float(w)) for x, w in zip(nodes, weights / weights.sum(), strict=True)]


def average(density: Density, paid: Callable[[float], float]) -> float:
    return sum(weight * paid(value) for value, weight in density)


@settings(deadline=None, max_examples=30)
@given(SHAPE, SHAPE, st.floats(2, 20), st.integers(0, PER_RATE))
def test_means_of_sessions_pay_at_most_1_on_average_too(a: float, b: float, precision: float, rate: int) -> None:
    """Outcomes between 0 and 1, of two beta distributions whose means lie the margin apart."""
    mean = float(stats.beta(a, b).mean()) - TERMS.success_margin
    assume(mean > 0.05)
    stable, canary = beta(a, b), beta(mean * precision, (1 - mean) * precision)
    pay = success_pay(TERMS)

    def block(bet: int, y: float) -> float:
        return average(stable, lambda x: average(stable, lambda other: pay(rate, y, (x, other)).no_worse[bet]))

    for bet in range(len(TERMS.no_worse_shifts)):
        assert average(canary, partial(block, bet)) <= 1 + ROUNDING


@settings(deadline=None, max_examples=30)
@given(SHAPE, SHAPE, SHAPE, SHAPE)
def test_a_rating_block_pays_by_the_difference_of_the_means_whatever_the_ratings(
    a: float, b: float, c: float, d: float
) -> None:
    canary, stable = beta(a, b), beta(c, d)
    difference = float(stats.beta(a, b).mean() - stats.beta(c, d).mean())
    margin = TERMS.rating_margin / 4

    def paid(side: str, bet: int) -> float:
        def of_pair(y: float, x: float) -> float:
            found: float = getattr(rating_pay(TERMS, y, (x,)), side)[bet]
            return found

        return average(canary, lambda y: average(stable, partial(of_pair, y)))

    for n, bet in enumerate(TERMS.no_worse_bets):
        assert paid("no_worse", n) == pytest.approx(1 + bet * (difference + margin))
    for n, bet in enumerate(TERMS.worse_bets):
        assert paid("worse", n) == pytest.approx(1 - bet * difference)


def shiryaev_roberts(ratings: Sequence[float], terms: TriggerTerms) -> float:
    """By its definition: for every rating at which one may begin to bet, the wealth of who began there; all added up."""
    factors = [[1 + bet * ((terms.threshold - stars) / 4) for stars in ratings] for bet in terms.bets]
    return sum(prod(own[start:]) for own in factors for start in range(len(own))) / len(terms.bets)


@given(st.lists(st.integers(1, 5) | st.floats(1, 5), max_size=30))
def test_the_evidence_of_a_fall_is_the_sum_over_all_beginnings(ratings: list[float]) -> None:
    terms = TriggerTerms()
    detector = Detector(terms)
    for stars in ratings:
        detector.take(stars)
    assert detector.evidence == pytest.approx(shiryaev_roberts(ratings, terms), rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(SHAPE, SHAPE)
def test_ratings_with_their_mean_on_the_threshold_add_1_to_the_evidence_each(a: float, b: float) -> None:
    threshold = 1 + 4 * float(stats.beta(a, b).mean())
    assume(1.6 < threshold < 4.9)  # under that, bets that would lose too much are cut
    ratings, terms = beta(a, b), TriggerTerms(threshold=threshold)

    def evidence(*shares: float) -> float:
        detector = Detector(terms)
        for share in shares:
            detector.take(1 + 4 * share)
        return detector.evidence

    assert average(ratings, evidence) == pytest.approx(1)
    assert average(ratings, lambda one: average(ratings, partial(evidence, one))) == pytest.approx(2)
