"""The intervals of a comparison beside scipy's: the same numbers, or the point where an independent test turns."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from grokputer.domain.ab.intervals import Z, wilson
from grokputer.domain.ab.paired import compare_means, compare_shares, student

LEVEL = float(2 * stats.norm.sf(Z))
"""Both tails beyond 1.96 standard errors: 0.049996, which tables round to 5 %."""

COUNTS = st.integers(0, 60)


def test_the_standard_errors_of_an_interval_are_the_normal_quantile_to_four_digits() -> None:
    assert pytest.approx(stats.norm.ppf(0.975), rel=2e-5) == Z


@given(st.integers(1, 3000), st.floats(0, 1))
def test_the_interval_of_a_share_is_wilsons(runs: int, share: float) -> None:
    good = round(share * runs)
    expected = stats.binomtest(good, runs).proportion_ci(1 - LEVEL, method="wilson")
    assert wilson(good, runs) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("degrees", "within"), [(1, 0.111), (2, 0.0075), (3, 0.0012), (4, 3e-4), (5, 1e-4), (9, 2e-5), (10_000, 2e-5)]
)
def test_students_quantile_is_as_near_as_its_series_allows(degrees: int, within: float) -> None:
    assert student(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=within)


@given(st.integers(9, 10_000))
def test_students_quantile_is_right_to_four_digits_from_ten_pairs_on(degrees: int) -> None:
    assert student(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=3e-5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=5, max_size=80))
def test_the_interval_of_a_mean_difference_is_the_one_of_the_paired_t_test(values: list[tuple[int, int]]) -> None:
    assume(len({b - a for a, b in values}) > 1)  # without any spread scipy has no interval
    found = compare_means(values)
    assert found is not None
    test = stats.ttest_rel([b for _, b in values], [a for a, _ in values])
    expected = test.confidence_interval(0.95)
    half = (expected.high - expected.low) / 2
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=3e-4 * half)


def p_value(only_a: int, only_b: int, pairs: int, difference: float) -> float:
    """Of the score test that B exceeds A by the difference; the nuisance share is found by maximising the likelihood."""

    def minus_likelihood(share: float) -> float:
        chances = (share, share + difference, 1 - 2 * share - difference)
        counts = (only_a, only_b, pairs - only_a - only_b)
        return -float(sum(special.xlogy(n, max(p, 0.0)) for n, p in zip(counts, chances, strict=True)))

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    share = optimize.minimize_scalar(minus_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    error = math.sqrt(pairs * (2 * share + difference - difference**2))
    return float(2 * stats.norm.sf(abs(only_b - only_a - pairs * difference) / error))


@settings(deadline=None)
@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_interval_of_a_paired_difference_ends_where_the_score_test_turns(
    both: int, only_a: int, only_b: int, neither: int
) -> None:
    pairs = both + only_a + only_b + neither
    assume(pairs)
    found = compare_shares(both, only_a, only_b, neither)
    for end in (found.low, found.high):
        if abs(end) < 1:  # at the ends of what can be, nothing is left to reject
            assert p_value(only_a, only_b, pairs, end) == pytest.approx(LEVEL, abs=1e-4)
        else:
            assert end == found.difference


@pytest.mark.parametrize(("pairs", "once_in"), [(20, 39), (21, 25), (30, 36), (40, 37), (60, 37)])
def test_of_arms_that_do_equally_well_b_is_a_go_by_success_in_one_of_25_comparisons_at_most(
    pairs: int, once_in: int
) -> None:
    """Counted out: pairs in which one arm alone succeeds fall to either arm with the same chance."""
    by_discordant = []
    for discordant in range(pairs + 1):
        beyond = (n for n in range(discordant + 1) if compare_shares(pairs - discordant, discordant - n, n, 0).low > 0)
        by_discordant.append(stats.binom.sf(next(beyond, discordant + 1) - 1, discordant, 0.5))
    false = max(
        float(stats.binom.pmf(range(pairs + 1), pairs, percent / 100) @ by_discordant) for percent in range(1, 101)
    )
    assert 1 / (once_in + 1) < false <= 1 / once_in <= 1 / 25
