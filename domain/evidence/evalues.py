"""The e-values of one block: a canary outcome against a few outcomes of the stable arm.

An e-value of a null hypothesis is 0 or more, and at most 1 on average under every case of the null. A large one is
evidence against the null. The product over blocks is a bet's wealth. Under the null it ever exceeds ``x`` with a
probability of at most ``1 / x`` (Ville's inequality), at any number of looks.

Only ``+ - * /`` is used here, so the same outcomes give the same bits on every machine.

Sources: Turner, Ly and Grunwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
stopping" (2021); Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .terms import CanaryTerms

HALVINGS = 60
"""Halvings of an interval shorter than 1: the rest is below the spacing of floating-point numbers."""

LEAST_RATE = 0.001
"""Alternatives keep this distance from 0 and 1: there, one surprise would be infinite evidence."""

PER_RATE = 1000
"""Stable rates are rounded to thousandths. Any rate gives a valid e-value, and only a few thousand projections must be
computed."""


@dataclass(frozen=True)
class SuccessBet:
    """A bet on outcomes in [0, 1] that pays at most 1 on average for every pair of rates of its null.

    The block's value is ``(1 + slope (y - canary)) * prod over stable outcomes of (1 - slope / m (y - stable))``. Where
    the true rates are ``canary + x`` and ``stable + x``, on the null's boundary, that is ``(1 + slope x) (1 - slope x / m)^m``
    on average: at most 1 for every slope and x, because the logarithm is concave with its maximum at 0. Farther inside
    the null it is less. So what is rounded in the projection costs speed and never validity.
    """

    canary: float
    """The canary's rate in the projection on the null, in (0, 1)."""
    stable: float
    """The stable arm's, in (0, 1)."""
    slope: float
    """Positive against a canary that is worse, negative against one that is as good."""

    def value(self, canary: float, stable: Sequence[float]) -> float:
        """The e-value of a block of outcomes in [0, 1]; for 0 and 1 alone it is a likelihood ratio."""
        paid = 1 + self.slope * (canary - self.canary)
        each = self.slope / len(stable)
        for outcome in stable:
            paid *= 1 - each * (outcome - self.stable)
        return paid


def project(canary: float, stable: float, margin: float, matched: int) -> SuccessBet:
    """The bet on rates ``canary`` and ``stable`` against all pairs that lie ``margin`` apart or more (stable less canary).

    Its null point is the reverse information projection: of the pairs ``(c, s)`` with ``s - c = margin`` the one with
    the least ``KL(canary || c) + matched * KL(stable || s)``. This is convex in ``s``; bisection of its derivative
    finds it. The bet then grows fastest where the alternative is true (Turner, Ly and Grunwald, section 3). All rates
    are in (0, 1).
    """
    low, high = sorted((canary + margin, stable))
    low, high = max(low, margin), min(high, 1.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _pull(canary, middle - margin) + matched * _pull(stable, middle) > 0:
            low = middle
        else:
            high = middle
    null = (low + high) / 2
    return SuccessBet(null - margin, null, _pull(canary, null - margin))


def _pull(rate: float, null: float) -> float:
    """Minus the derivative of ``KL(rate || null)`` by ``null``: positive where the null should be larger."""
    if null <= 0:
        return float("inf")
    return (rate - null) / (null * (1 - null)) if null < 1 else float("-inf")


@dataclass(frozen=True)
class Paid:
    """The factors that one block pays for every bet: against a canary worse by the margin, and against one that is as good."""

    no_worse: tuple[float, ...]
    worse: tuple[float, ...]


Pay = Callable[[int, float, tuple[float, ...]], Paid]


@lru_cache(maxsize=8)
def success_pay(terms: CanaryTerms) -> Pay:
    """The function from a stable rate in thousandths, a canary outcome and its sorted stable outcomes to the factors paid.

    Answers are cached: most blocks are among a few thousand.
    """

    @lru_cache(maxsize=4096)
    def bets(rate: int, matched: int) -> tuple[tuple[SuccessBet, ...], tuple[SuccessBet, ...]]:
        return (
            tuple(_bet(rate, shift, terms.success_margin, matched) for shift in terms.no_worse_shifts),
            tuple(_bet(rate, shift, 0.0, matched) for shift in terms.worse_shifts),
        )

    @lru_cache(maxsize=1 << 16)
    def pay(rate: int, canary: float, stable: tuple[float, ...]) -> Paid:
        no_worse, worse = bets(rate, len(stable))
        return Paid(
            tuple(bet.value(canary, stable) if bet.slope > 0 else 1.0 for bet in no_worse),
            tuple(bet.value(canary, stable) if bet.slope < 0 else 1.0 for bet in worse),
        )

    return pay


def _bet(rate: int, shift: float, margin: float, matched: int) -> SuccessBet:
    """The bet on a canary ``shift`` from the stable rate. Where that point lies in the null, its slope has the wrong sign."""
    stable = _inside(rate / PER_RATE)
    return project(_inside(stable + shift), stable, margin, matched)


def _inside(rate: float) -> float:
    return min(max(rate, LEAST_RATE), 1 - LEAST_RATE)


def rating_pay(terms: CanaryTerms, canary: float, stable: Sequence[float]) -> Paid:
    """The factors that a block of ratings pays, ratings scaled to [0, 1]: linear in the difference, so e-values for any
    ratings."""
    difference = canary - sum(stable) / len(stable)
    margin = terms.rating_margin / 4
    return Paid(
        tuple(1 + bet * (difference + margin) for bet in terms.no_worse_bets),
        tuple(1 - bet * difference for bet in terms.worse_bets),
    )
