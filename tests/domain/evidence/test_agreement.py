"""Agreement of a judge with people: small figures worked by hand, and the interval of kappa by simulation."""

from __future__ import annotations

import math
import random

import pytest

from grokputer.domain.evidence.agreement import measure_agreement


def test_no_run_rated_by_both_gives_no_figures() -> None:
    nothing = measure_agreement([])
    assert (nothing.n, nothing.exact, nothing.within_one, nothing.kappa, nothing.bias) == (0, None, None, None, None)
    assert nothing.is_too_few


def test_four_runs_worked_by_hand() -> None:
    # Judge 1 2 4 5, people 1 3 4 3. Squared differences 0 1 0 4: their mean is 5/4, of 16 that is 5/64, so seen = 59/64.
    # By chance: the mean of (i - j)^2 over all 16 pairs of a judge's and a person's stars.
    # 1 with 1 3 4 3: 0 4 9 4; 2: 1 1 4 1; 4: 9 1 0 1; 5: 16 4 1 4; the sum is 60, the mean 60/16, of 16 that is 15/64.
    # kappa = 1 - (5/64) / (15/64) = 2/3.
    found = measure_agreement([(1, 1), (2, 3), (4, 4), (5, 3)])
    assert found.n == 4
    assert found.exact == 0.5
    assert found.within_one == 0.75
    assert found.kappa == pytest.approx(2 / 3)
    assert found.bias == 0.25
    error = math.sqrt(((0.25**2 + 1.25**2 + 0.25**2 + 1.75**2) / 3) / 4)
    assert found.bias_interval == pytest.approx((0.25 - 1.959964 * error, 0.25 + 1.959964 * error))


def test_full_agreement_is_one_and_has_no_interval() -> None:
    found = measure_agreement([(1, 1), (3, 3), (5, 5)] * 20)
    assert (found.exact, found.kappa_interval, found.bias) == (1.0, None, 0.0)
    assert found.kappa == pytest.approx(1.0)
    assert not found.is_too_few


def test_a_judge_that_always_says_five_agrees_no_better_than_chance() -> None:
    found = measure_agreement([(5, stars) for stars in (1, 2, 3, 4, 5)] * 10)
    assert found.kappa == pytest.approx(0.0)
    assert found.bias == 2.0


def test_both_always_the_same_star_leave_kappa_undefined() -> None:
    found = measure_agreement([(4, 4)] * 50)
    assert (found.exact, found.kappa, found.kappa_interval) == (1.0, None, None)


def test_opposite_stars_give_a_kappa_of_minus_one() -> None:
    assert measure_agreement([(1, 5), (5, 1)] * 20).kappa == pytest.approx(-1.0)


def test_thirty_runs_are_enough_and_twenty_nine_too_few() -> None:
    assert measure_agreement([(1, 1)] * 29).is_too_few
    assert not measure_agreement([(1, 1)] * 30).is_too_few


def test_the_interval_of_kappa_holds_the_true_value_in_about_95_of_100_samples() -> None:
    draw = random.Random(7)

    def pair() -> tuple[int, int]:
        people = draw.choice((1, 2, 3, 4, 4, 5, 5))
        return min(5, max(1, people + draw.choice((-1, 0, 0, 0, 1, 2)))), people

    true = measure_agreement([pair() for _ in range(200_000)]).kappa
    assert true is not None
    held = 0
    for _ in range(1000):
        interval = measure_agreement([pair() for _ in range(80)]).kappa_interval
        assert interval is not None
        held += interval[0] <= true <= interval[1]
    assert 920 <= held <= 975
