"""When ratings have fallen, by evidence: a betting Shiryaev-Roberts e-detector.

Against each rating is bet that the mean lies under the threshold; the wealth of all who began to bet at some time is the
evidence. For any ratings with a mean not under the threshold it grows by at most 1 per rating on average, so the average run
to a false alarm at ``A`` is at least ``A``, with nothing to calibrate.

Source: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2022), sections 2
and 3; the mixture over bets is their section 3.3.
"""

from __future__ import annotations

import copy
from typing import Any

from ..verdict import Verdict
from ..vocabulary import BreachReason, Decision
from .terms import TriggerTerms

CEILING = 1e15
"""Evidence is not counted beyond this: less than is due is still valid, and the numbers stay finite."""

LEAST_FACTOR = 0.05
"""What a bet loses at most leaves this of it; the bets that would lose more are cut. Only thresholds under 1.55 stars do."""


FORESEEN = 1000
"""Further ratings at most that an alarm is foreseen over; chosen: a few milliseconds."""


class Detector:
    """Fold of ratings since the adapter went live. It starts anew at promotion and when a cycle closes (``Detector(terms)``).

    ``state`` is JSON-plain and all there is: what is loaded goes on to the same bits.
    """

    def __init__(self, terms: TriggerTerms, state: dict[str, Any] | None = None) -> None:
        self.terms = terms
        self._target = (terms.threshold - 1) / 4
        most = (1 - LEAST_FACTOR) / (1 - self._target) if self._target < 1 else max(terms.bets)
        self._bets = tuple(min(bet, most) for bet in terms.bets)
        blank = {"wealth": [0.0] * len(terms.bets), "count": 0, "fall": [0.0, 0, 0.0]}
        self.state: dict[str, Any] = state if state is not None else blank

    def take(self, stars: float) -> None:
        """Add one rating, or one average of a burst, in [1, 5]."""
        surprise = self._target - (stars - 1) / 4
        wealth = self.state["wealth"]
        for index, bet in enumerate(self._bets):
            grown = (wealth[index] + 1) * (1 + bet * surprise)
            wealth[index] = grown if grown < CEILING else CEILING
        self.state["count"] += 1
        self._date(stars, surprise)

    def _date(self, stars: float, surprise: float) -> None:
        """Keep from where on a single bet would have paid best: where the fall seems to have begun (Page's CUSUM)."""
        fall = self.state["fall"]
        best, count, total = fall if fall[0] > 1 else (1.0, 0, 0.0)
        grown = best * (1 + self._bets[0] * surprise)
        fall[:] = [grown if grown < CEILING else CEILING, count + 1, total + stars]

    @property
    def evidence(self) -> float:
        """That the mean lies under the threshold, 0 and more; the alarm is at ``average_run_length``."""
        wealth = self.state["wealth"]
        mean: float = sum(wealth) / len(wealth)
        return mean

    @property
    def is_alarm(self) -> bool:
        """Whether the evidence reaches the alarm now."""
        return self.evidence >= self.terms.average_run_length

    def ratings_to_alarm(self, stars: float) -> int | None:
        """How many further ratings of so many stars would raise the alarm; None where ``FORESEEN`` would not.

        Ratings that are not under the threshold raise none but a false one.
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
        """``breach`` or ``hold``, with ``evidence`` or ``no evidence`` for its reason."""
        terms, evidence = self.terms, self.evidence
        grown, count, total = self.state["fall"]
        mean = total / count if grown > 1 else None
        numbers = {
            "rule": "sequential",
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
