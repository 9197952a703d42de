"""Go or no-go: whether adapter B is enough better than adapter A to replace it, by bars set before the first run.

The measured gain must reach the bar, and the interval of the difference must exclude zero. So of two arms that do
equally well, B is a go in about one of twenty comparisons. Where the stars follow from success, it is a go in about one
of 37, and in at most one of 25 (21 pairs, all of which differ).

An arm that is better in one metric and significantly worse in the other is a no-go. Anything undecided is
*inconclusive*, and the sentence says how many pairs would decide.
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
"""More pairs than a comparison can have in practice: a difference that needs more counts as equal to its bar; chosen."""


@dataclass(frozen=True)
class Bars:
    """The bars that B must reach; see the settings ``ab.*``."""

    stars: float
    """Mean stars by which B must be better, or ..."""
    points: float
    """... percentage points of success by which B must be better."""
    latency_ms: float
    """Milliseconds a run; B must be slower by less than this."""
    minimum: int
    """Fewest pairs for a decision."""

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
    """A metric beside its bar, with what is needed to print both."""

    name: str
    figure: PairedEstimate
    bar: float
    """In the metric's own unit, as ``figure`` is."""
    scale: float
    """The printed number is the metric times this."""
    digits: int
    unit: str
    of_arm: str
    """The printed unit of one arm's mean."""

    @property
    def is_reached(self) -> bool:
        """Whether the measured difference is at least the bar."""
        return self.figure.difference >= self.bar - 1e-9

    @property
    def is_gain(self) -> bool:
        """Whether the bar is reached, and chance does not explain the difference."""
        return self.is_reached and self.figure.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether B is significantly worse."""
        return self.figure.high < 0

    @property
    def is_ruled_out(self) -> bool:
        """Whether a difference as large as the bar lies outside the interval."""
        return self.figure.high < self.bar

    @property
    def times_to_show(self) -> float:
        """How many times as many pairs would exclude zero, for a metric whose bar is reached."""
        return _times(self.figure.difference - self.figure.low, self.figure.difference)

    @property
    def times_to_pass(self) -> float:
        """How many times as many pairs would exclude the bar, whichever side of it the difference lies on."""
        return _times(self.figure.high - self.figure.difference, abs(self.bar - self.figure.difference))

    @property
    def bar_in_words(self) -> str:
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

    Reasons of a go: ``better``. Of a no-go: ``worse`` or ``slower``, both beyond chance, or ``no gain``: both bars are
    ruled out. Of an inconclusive verdict: ``few pairs``, ``undecided``, and ``latency`` for a B that is better but may
    be too slow. Stars of fewer pairs than ``minimum`` are ignored, and success alone decides.
    """
    gains, latency = _gains(summary, bars), _latency(summary, bars)
    word, reason, conclusion = _decide(summary.pairs, gains, latency, bars)
    figures = "; ".join(str(metric) for metric in (*gains, *latency))
    message = f"{conclusion}: {figures}; over {count_pairs(summary.pairs)}" if figures else conclusion
    return Verdict(word, reason, message, summary.as_numbers() | {"bars": bars.as_numbers()})


def count_pairs(pairs: int) -> str:
    """The number with its noun."""
    return "1 pair" if pairs == 1 else f"{pairs} pairs"


def _decide(
    pairs: int, gains: Sequence[Measured], latency: Sequence[Measured], bars: Bars
) -> tuple[Decision, ComparisonReason, str]:
    """The verdict, its reason, and the conclusion in words."""
    if pairs < bars.minimum:
        return Decision.INCONCLUSIVE, ComparisonReason.FEW_PAIRS, f"{bars.minimum} are needed to say anything"
    if worse := [metric.name for metric in gains if metric.is_worse]:
        return Decision.NO_GO, ComparisonReason.WORSE, f"worse in {' and '.join(worse)}, beyond chance"
    if any(metric.figure.low >= metric.bar for metric in latency):
        return Decision.NO_GO, ComparisonReason.SLOWER, f"slower by {bars.latency_ms:g} ms or more, beyond chance"
    if better := [metric.name for metric in gains if metric.is_gain]:
        how = f"better in {' and '.join(better)}, by the bar and beyond chance"
        if all(metric.is_ruled_out for metric in latency):
            return Decision.GO, ComparisonReason.BETTER, f"{how}, and not {bars.latency_ms:g} ms slower"
        needed = _needed(pairs, max(metric.times_to_pass for metric in latency))
        return (
            Decision.INCONCLUSIVE,
            ComparisonReason.LATENCY,
            f"{how}, but it may be {bars.latency_ms:g} ms slower; {needed}",
        )
    if all(gain.is_ruled_out for gain in gains):
        return (
            Decision.NO_GO,
            ComparisonReason.NO_GAIN,
            f"a gain of {' or '.join(gain.bar_in_words for gain in gains)} is ruled out",
        )
    if reached := [metric for metric in gains if metric.is_reached]:
        unclear = [metric.times_to_pass for metric in latency if not metric.is_ruled_out]
        needed = _needed(pairs, max([min(metric.times_to_show for metric in reached), *unclear]))
        return (
            Decision.INCONCLUSIVE,
            ComparisonReason.UNDECIDED,
            f"the bar is reached, but chance may have done it; {needed}",
        )
    needed = _needed(pairs, max(gain.times_to_pass for gain in gains))
    return Decision.INCONCLUSIVE, ComparisonReason.UNDECIDED, f"the bar is neither reached nor ruled out; {needed}"


def _gains(summary: Summary, bars: Bars) -> Sequence[Measured]:
    """Success, and stars where enough pairs are rated."""
    metrics = []
    if summary.success is not None:
        metrics.append(Measured("success", summary.success, bars.points / 100, 100, 1, " points", " %"))
    if summary.stars is not None and summary.stars.pairs >= bars.minimum:
        metrics.append(Measured("rating", summary.stars, bars.stars, 1, 2, " stars", ""))
    return metrics


def _latency(summary: Summary, bars: Bars) -> Sequence[Measured]:
    return (
        [] if summary.latency is None else [Measured("latency", summary.latency, bars.latency_ms, 1, 0, " ms", " ms")]
    )


def _times(half: float, gap: float) -> float:
    """How many times as many pairs shrink the interval's half to the gap; it shrinks with the square root of the pairs."""
    return (half / gap) ** 2 if gap > 1e-9 else math.inf


def _needed(pairs: int, times: float) -> str:
    """The number of pairs needed, in words, rounded up to two figures."""
    if pairs * times > MOST_PAIRS:
        return f"more than {MOST_PAIRS} pairs would be needed to tell, so near is it to the bar"
    needed = max(math.ceil(pairs * times), pairs + 1)
    step = 10 ** (len(str(needed)) - 2) if needed > 99 else 1
    rounded = -(-needed // step) * step
    return f"about {rounded} pairs would tell, {rounded - pairs} more, were the differences to stay as they are"
