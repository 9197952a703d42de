"""Go or no-go: whether B is so much better than A, at bars set before the first run, that it should take A's place.

The bar must be reached by what was seen, and chance must not explain it: the interval of the difference leaves out zero. So of
two arms that do equally well, B is a go in about one of twenty comparisons. Where the stars follow from success, B is a go in
about one of 37, and in one of 25 at most (21 pairs, of which all differ).

An arm that is better in one figure and, beyond chance, worse in the other is no go. What can still be either is
*inconclusive*, and the sentence says how many pairs would tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..settings.settings import Policy
from ..verdict import Verdict
from ..vocabulary import ComparisonReason, Decision
from .paired import PairedEstimate
from .pairs import Summary

MOST_PAIRS = 10_000
"""Pairs that nobody runs: a difference that takes more is as good as on its bar; chosen."""


@dataclass(frozen=True)
class Bars:
    """What B must show; see the settings ``ab.*``."""

    stars: float
    """Mean stars that B must be better by, or ..."""
    points: float
    """... percentage points of success."""
    latency_ms: float
    """Milliseconds a run; B must be slower by less."""
    minimum: int
    """Pairs under which nothing is said."""

    @classmethod
    def of(cls, policy: Policy, role: str) -> Bars:
        """The bars in force for the role."""
        ab = policy.ab(role)
        return cls(ab.min_rating_gain, ab.min_success_gain_points, ab.latency_ms, ab.min_pairs)

    def as_numbers(self) -> dict[str, Any]:
        """JSON-plain, for the log."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"+{self.stars:g} stars or +{self.points:g} points of success, and less than {self.latency_ms:g} ms slower"
        )


@dataclass(frozen=True)
class Measured:
    """A figure beside its bar, and how both are told."""

    name: str
    figure: PairedEstimate
    bar: float
    """In the figure's own unit, as all of it is."""
    scale: float
    """What it is told in, of that unit."""
    digits: int
    unit: str
    of_arm: str
    """The unit of one arm's mean."""

    @property
    def is_reached(self) -> bool:
        """Whether what was seen is as much as the bar."""
        return self.figure.difference >= self.bar - 1e-9

    @property
    def is_gain(self) -> bool:
        """Whether the bar is reached, and not by chance."""
        return self.is_reached and self.figure.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether B has less of it, beyond chance."""
        return self.figure.high < 0

    @property
    def is_ruled_out(self) -> bool:
        """Whether a difference as large as the bar is."""
        return self.figure.high < self.bar

    @property
    def times_to_show(self) -> float:
        """How many times as many pairs would leave out zero, for a figure whose bar is reached."""
        return _times(self.figure.difference - self.figure.low, self.figure.difference)

    @property
    def times_to_pass(self) -> float:
        """How many times as many pairs would leave out the bar, on whichever side of it the difference lies."""
        return _times(self.figure.high - self.figure.difference, abs(self.bar - self.figure.difference))

    @property
    def told_bar(self) -> str:
        """The bar in words."""
        return f"{self.bar * self.scale:g}{self.unit}"

    def __str__(self) -> str:
        a, b = (f"{mean * self.scale:.{self.digits}f}{self.of_arm}" for mean in (self.figure.a, self.figure.b))
        seen, low, high = (
            f"{value * self.scale:+.{self.digits}f}"
            for value in (self.figure.difference, self.figure.low, self.figure.high)
        )
        return f"{self.name} {b} against {a}, {seen}{self.unit} ({low} to {high})"


def judge(summary: Summary, bars: Bars) -> Verdict:
    """Go, no-go or inconclusive.

    Reasons of a go: ``better``. Of a no-go: ``worse`` or ``slower``, beyond chance, or ``no gain``: both bars are ruled out. Of
    an inconclusive one: ``few pairs``, ``undecided``, and ``latency`` for a B that is better but may be too slow. Stars of
    fewer pairs than ``minimum`` say nothing, and success alone decides.
    """
    gains, latency = _gains(summary, bars), _latency(summary, bars)
    word, reason, found = _find(summary.pairs, gains, latency, bars)
    told = "; ".join(str(it) for it in (*gains, *latency))
    message = f"{found}: {told}; over {count_pairs(summary.pairs)}" if told else found
    return Verdict(word, reason, message, summary.as_numbers() | {"bars": bars.as_numbers()})


def count_pairs(pairs: int) -> str:
    """The number with its noun."""
    return "1 pair" if pairs == 1 else f"{pairs} pairs"


def _find(
    pairs: int, gains: Sequence[Measured], latency: Sequence[Measured], bars: Bars
) -> tuple[Decision, ComparisonReason, str]:
    """The verdict, its reason, and in words what it follows from."""
    if pairs < bars.minimum:
        return Decision.INCONCLUSIVE, ComparisonReason.FEW_PAIRS, f"{bars.minimum} are needed to say anything"
    if worse := [it.name for it in gains if it.is_worse]:
        return Decision.NO_GO, ComparisonReason.WORSE, f"worse in {' and '.join(worse)}, beyond chance"
    if any(it.figure.low >= it.bar for it in latency):
        return Decision.NO_GO, ComparisonReason.SLOWER, f"slower by {bars.latency_ms:g} ms or more, beyond chance"
    if better := [it.name for it in gains if it.is_gain]:
        how = f"better in {' and '.join(better)}, by the bar and beyond chance"
        if all(it.is_ruled_out for it in latency):
            return Decision.GO, ComparisonReason.BETTER, f"{how}, and not {bars.latency_ms:g} ms slower"
        needed = _needed(pairs, max(it.times_to_pass for it in latency))
        return (
            Decision.INCONCLUSIVE,
            ComparisonReason.LATENCY,
            f"{how}, but it may be {bars.latency_ms:g} ms slower; {needed}",
        )
    if all(it.is_ruled_out for it in gains):
        return (
            Decision.NO_GO,
            ComparisonReason.NO_GAIN,
            f"a gain of {' or '.join(it.told_bar for it in gains)} is ruled out",
        )
    if reached := [it for it in gains if it.is_reached]:
        unclear = [it.times_to_pass for it in latency if not it.is_ruled_out]
        needed = _needed(pairs, max([min(it.times_to_show for it in reached), *unclear]))
        return (
            Decision.INCONCLUSIVE,
            ComparisonReason.UNDECIDED,
            f"the bar is reached, but chance may have done it; {needed}",
        )
    needed = _needed(pairs, max(it.times_to_pass for it in gains))
    return Decision.INCONCLUSIVE, ComparisonReason.UNDECIDED, f"the bar is neither reached nor ruled out; {needed}"


def _gains(summary: Summary, bars: Bars) -> Sequence[Measured]:
    """Success, and stars where enough pairs are rated."""
    found = []
    if summary.success is not None:
        found.append(Measured("success", summary.success, bars.points / 100, 100, 1, " points", " %"))
    if summary.stars is not None and summary.stars.pairs >= bars.minimum:
        found.append(Measured("rating", summary.stars, bars.stars, 1, 2, " stars", ""))
    return found


def _latency(summary: Summary, bars: Bars) -> Sequence[Measured]:
    return (
        [] if summary.latency is None else [Measured("latency", summary.latency, bars.latency_ms, 1, 0, " ms", " ms")]
    )


def _times(half: float, gap: float) -> float:
    """How many times as many pairs make an interval's half as short as the gap: it shrinks with their square root."""
    return (half / gap) ** 2 if gap > 1e-9 else math.inf


def _needed(pairs: int, times: float) -> str:
    """In words, rounded up to two figures."""
    if pairs * times > MOST_PAIRS:
        return f"more than {MOST_PAIRS} pairs would be needed to tell, so near is it to the bar"
    needed = max(math.ceil(pairs * times), pairs + 1)
    step = 10 ** (len(str(needed)) - 2) if needed > 99 else 1
    rounded = -(-needed // step) * step
    return f"about {rounded} pairs would tell, {rounded - pairs} more, were the differences to stay as they are"
