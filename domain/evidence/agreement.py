"""How far a judge model agrees with people: the stars of both for the same runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

STARS = (1, 2, 3, 4, 5)

FEWEST = 30
"""Pairs under which the figures say little; chosen: with 30, an interval of kappa is about 0.5 wide at medium agreement."""

NORMAL_95 = 1.959964
"""Standard errors of a two-sided 95 % interval of a normal mean."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """The agreement of two series of stars. Figures are None where they are not defined."""

    n: int
    """The number of runs with stars of both."""
    exact: float | None
    """The share of runs with the same stars, 0 to 1."""
    within_one: float | None
    """The share of runs whose stars differ by one at most."""
    kappa: float | None
    """Cohen's kappa with quadratic weights, -1 to 1: 0 is chance, 1 is full agreement. None where one side always gives
    the same stars as the other: then nothing but chance can be seen."""
    kappa_interval: Interval | None
    """95 %; None where kappa is, and where its standard error is 0 because no run differs."""
    bias: float | None
    """The mean of the judge's stars less the people's, in stars."""
    bias_interval: Interval | None
    """95 %; None for fewer than two runs."""

    @property
    def is_too_few(self) -> bool:
        """Whether there are too few runs to trust the figures."""
        return self.n < FEWEST


def measure_agreement(pairs: Sequence[tuple[int, int]]) -> Agreement:
    """The agreement of pairs of stars: the judge's and the people's, each 1 to 5.

    Source: weighted kappa by Cohen (1968), "Weighted kappa", Psychological Bulletin 70, with weights 1 - (i - j)^2 / 16;
    its large-sample standard error by Fleiss, Cohen and Everitt (1969), Psychological Bulletin 72, equation 13. The bias is
    a mean of paired differences with a normal interval.
    """
    n = len(pairs)
    if not n:
        return Agreement(0, None, None, None, None, None, None)
    differences = [judge - people for judge, people in pairs]
    kappa, error = _kappa(pairs)
    bias = sum(differences) / n
    spread = math.sqrt(sum((each - bias) ** 2 for each in differences) / (n - 1) / n) if n > 1 else None
    return Agreement(
        n,
        sum(each == 0 for each in differences) / n,
        sum(abs(each) <= 1 for each in differences) / n,
        kappa,
        _interval(kappa, error, -1.0, 1.0) if kappa is not None and error else None,
        bias,
        _interval(bias, spread, -4.0, 4.0) if spread is not None else None,
    )


def _kappa(pairs: Sequence[tuple[int, int]]) -> tuple[float | None, float | None]:
    """Weighted kappa, and its standard error."""
    n = len(pairs)
    shares = {(i, j): 0.0 for i in STARS for j in STARS}
    for pair in pairs:
        shares[pair] += 1 / n
    rows = {i: sum(shares[i, j] for j in STARS) for i in STARS}
    columns = {j: sum(shares[i, j] for i in STARS) for j in STARS}
    weights = {(i, j): 1 - (i - j) ** 2 / 16 for i in STARS for j in STARS}
    seen = sum(weights[cell] * share for cell, share in shares.items())
    chance = sum(weights[i, j] * rows[i] * columns[j] for i in STARS for j in STARS)
    if math.isclose(chance, 1.0):
        return None, None
    kappa = (seen - chance) / (1 - chance)
    row_weights = {i: sum(weights[i, j] * columns[j] for j in STARS) for i in STARS}
    column_weights = {j: sum(weights[i, j] * rows[i] for i in STARS) for j in STARS}
    squares = sum(
        share * (weights[i, j] * (1 - chance) - (row_weights[i] + column_weights[j]) * (1 - seen)) ** 2
        for (i, j), share in shares.items()
    )
    variance = (squares - (seen * chance - 2 * chance + seen) ** 2) / (n * (1 - chance) ** 4)
    return kappa, math.sqrt(variance) if variance > 1e-12 else 0.0


def _interval(middle: float, error: float, low: float, high: float) -> Interval:
    """95 %, within the range of the figure."""
    return max(low, middle - NORMAL_95 * error), min(high, middle + NORMAL_95 * error)
