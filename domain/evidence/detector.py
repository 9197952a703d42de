"""Detecting that ratings have fallen, by evidence: a betting Shiryaev-Roberts e-detector.

Bets are placed on each rating that the mean is under the threshold; the evidence is the wealth of all bettors, who
start at different times. For ratings with a mean not under the threshold it grows by at most 1 per rating on average.
So the average run to a false alarm at ``A`` is at least ``A``, without calibration.

Source: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2022),
sections 2 and 3; the mixture over bets is their section 3.3.
"""

from __future__ import annotations

import copy
from typing import Any

from ..verdict import Verdict
from ..vocabulary import BreachReason, Decision, Rule
from .terms import TriggerTerms

CEILING = 1e15
"""Evidence is capped here. Too small a value is still valid evidence, and the numbers stay finite."""

LEAST_FACTOR = 0.05
"""The share of a bet that its worst loss must leave; larger bets are cut. This matters only for thresholds under 1.55 stars."""


FORESEEN = 1000
"""Most further ratings in the forecast of an alarm; chosen: a few milliseconds."""


class Detector:
    """Fold of ratings since the adapter went live. A promotion or a closed cycle starts a new one (``Detector(terms)``).

    ``state`` is JSON-plain and complete: a loaded state continues bit for bit.
    """

    def __init__(self, terms: TriggerTerms, state: dict[str, Any] | None = None) -> None:
        self.terms = terms
        self._target = (terms.threshold - 1) / 4
        most = (1 - LEAST_FACTOR) / (1 - self._target) if self._target < 1 else max(terms.bets)
        self._bets = tuple(min(bet, most) for bet in terms.bets)
        blank = {"wealth": [0.0] * len(terms.bets), "count": 0, "fall": [0.0, 0, 0.0]}
        self.state: dict[str, Any] = state if state is not None else blank

    def take(self, stars: float) -> None:
        """Add one rating, or the average of a cluster, in [1, 5]."""
        surprise = self._target - (stars - 1) / 4
        wealth = self.state["wealth"]
        for index, bet in enumerate(self._bets):
            grown = (wealth[index] + 1) * (1 + bet * surprise)
            wealth[index] = grown if grown < CEILING else CEILING
        self.state["count"] += 1
        self._date(stars, surprise)

    def _date(self, stars: float, surprise: float) -> None:
        """Track since when a single bet would have paid best: the estimated start of the fall (Page's CUSUM)."""
        fall = self.state["fall"]
        best, count, total = fall if fall[0] > 1 else (1.0, 0, 0.0)
        grown = best * (1 + self._bets[0] * surprise)
        fall[:] = [grown if grown < CEILING else CEILING, count + 1, total + stars]

    @property
    def evidence(self) -> float:
        """Evidence that the mean is under the threshold, 0 or more; the alarm is at ``average_run_length``."""
        wealth = self.state["wealth"]
        mean: float = sum(wealth) / len(wealth)
        return mean

    @property
    def is_alarm(self) -> bool:
        """Whether the evidence reaches the alarm now."""
        return self.evidence >= self.terms.average_run_length

    def ratings_to_alarm(self, stars: float) -> int | None:
        """How many further ratings of ``stars`` would raise the alarm; None where ``FORESEEN`` would not.

        Ratings that are not under the threshold would raise only a false alarm, so they give None.
        """
        if stars >= self.terms.threshold and not self.is_alarm:
            return None
        ahead = Detector(self.terms, copy.deepcopy(self.state))
        for further in range(FORESEEN + 1):
            if ahead.is_alarm:
                return further
            ahead.take(stars)
        return None

    def verdict(self) -> Verdict:
        """``breach`` or ``hold``, with the reason ``evidence`` or ``no evidence``."""
        terms, evidence = self.terms, self.evidence
        grown, count, total = self.state["fall"]
        mean = total / count if grown > 1 else None
        numbers = {
            "rule": Rule.SEQUENTIAL,
            "evidence": round(evidence, 4),
            "alarm": terms.average_run_length,
            "threshold": terms.threshold,
            "ratings": self.state["count"],
            "latest": count if mean is not None else 0,
            "latest_mean": None if mean is None else round(mean, 4),
        }
        message = (
            f"evidence for a mean under {terms.threshold:g} stars: {evidence:,.0f} of {terms.average_run_length:,.0f}"
        )
        if mean is not None:
            message += f"; mean of the latest {count} ratings {mean:.2f}"
        is_alarm = evidence >= terms.average_run_length
        return Verdict(
            Decision.BREACH if is_alarm else Decision.HOLD,
            BreachReason.EVIDENCE if is_alarm else BreachReason.NO_EVIDENCE,
            message,
            numbers,
        )
