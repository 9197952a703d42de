"""The evidence about a canary: that it is no worse than the stable arm, and that it is worse.

Each is the wealth of a few bets, multiplied over blocks and averaged. It is valid at any stopping time and for any
traffic split, under two conditions: outcomes are assigned run by run (or count as one average per session, where
sessions stay on one arm), and the terms stay as they were at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..vocabulary import Arm
from .blocks import Blocks
from .evalues import PER_RATE, Paid, rating_pay, success_pay
from .terms import CanaryTerms, RampStep

CEILING = 1e200
"""Wealth is capped here. Too small a value is still valid evidence, and the numbers stay finite."""

ARMS = (Arm.CANARY, Arm.STABLE)


class Evidence:
    """Fold of both arms' outcomes. ``state`` is JSON-plain and complete: a loaded state continues bit for bit."""

    def __init__(self, terms: CanaryTerms, state: dict[str, Any]) -> None:
        """Continue from a saved state, under the terms that it began with."""
        self.terms = terms
        self.state = state
        self._fewest = terms.fewest_matched(self.state["weight_percent"])
        self._success = Blocks(terms, self.state["success"]["blocks"])
        self._rating = Blocks(terms, self.state["rating"]["blocks"])
        self._pay = success_pay(terms)
        self._deciding = terms.deciding

    @classmethod
    def begin(cls, terms: CanaryTerms, weight_percent: int) -> Evidence:
        """Evidence without outcomes, at this canary share, 1 to 99 %."""
        return cls(terms, _blank(terms, weight_percent))

    def weigh(self, weight_percent: int, *, by_hand: bool = False) -> None:
        """Set the canary's share, 1 to 99 %; the ramp no longer changes a share that was set by hand."""
        self.state["weight_percent"] = weight_percent
        self.state["is_by_hand"] = by_hand or self.state["is_by_hand"]
        self._fewest = self.terms.fewest_matched(weight_percent)

    @property
    def ramp(self) -> tuple[RampStep, ...]:
        """The steps that still raise its share automatically; none once a person has set the share."""
        return () if self.state["is_by_hand"] else self.terms.ramp

    def extend(self) -> None:
        """Allow as many canary outcomes again before a person must decide. The evidence so far is kept."""
        self.state["extended_at"] = self.canary_outcomes

    def fail_critically(self, arm: str) -> None:
        """Count a critical error of the arm, beside its run's outcome."""
        self.state[arm]["critical"] += 1

    @property
    def canary_outcomes(self) -> int:
        """The canary's runs, or sessions, with known and with unknown success."""
        counts = self.state["canary"]
        outcomes: int = counts["runs"] + counts.get("unknown", 0)
        return outcomes

    def judge(self, arm: str, success: float) -> None:
        """Count the outcome of a run whose success was unknown when it ended."""
        self.state[arm]["unknown"] -= 1
        self.end(arm, success)

    def end(self, arm: str, success: float | None) -> None:
        """Count the outcome of a run of the ``canary`` or ``stable`` arm: 1 for a success, 0 for anything else.

        None where it is unknown. Where sessions are the unit, the mean over the session's runs of known success.
        """
        counts = self.state[arm]
        if success is None:
            counts["unknown"] = counts.get("unknown", 0) + 1
            return
        counts["runs"] += 1
        counts["succeeded"] += success
        self._success.take(arm, float(success))
        while block := self._success.next(self._fewest):
            paid = self._pay(int(block.rate * PER_RATE + 0.5), block.canary, block.stable)
            self._settle(self.state["success"], paid)

    def rate(self, arm: str, stars: float) -> None:
        """Count a run's rating, or the mean of a cluster of ratings, in [1, 5]. A run counts once."""
        counts = self.state[arm]
        counts["rated"] += 1
        counts["stars"] += stars
        self._rating.take(arm, (stars - 1) / 4)
        while block := self._rating.next(self._fewest):
            self._settle(self.state["rating"], rating_pay(self.terms, block.canary, block.stable))

    def _settle(self, side: dict[str, Any], paid: Paid) -> None:
        """Multiply the bets by what the block paid, and keep the maximum of their mean."""
        _grow(side["no_worse"], paid.no_worse)
        _grow(side["worse"], paid.worse)
        side["blocks_seen"] += 1
        side["most_no_worse"] = max(side["most_no_worse"], _mean(side["no_worse"]))
        worse = _mean([_mean(self.state[name]["worse"]) for name in self._deciding])
        self.state["most_worse"] = max(self.state["most_worse"], worse)

    @property
    def success_no_worse(self) -> float:
        """Maximum so far of the evidence that the canary's success is no worse than the margin allows; 1 is no evidence."""
        most: float = self.state["success"]["most_no_worse"]
        return most

    @property
    def rating_no_worse(self) -> float:
        """Maximum so far of the evidence that its rating is no worse than the margin allows; 1 is no evidence."""
        most: float = self.state["rating"]["most_no_worse"]
        return most

    @property
    def no_worse(self) -> float:
        """The minimum over the deciding metrics: each of them must be shown."""
        least: float = min(self.state[name]["most_no_worse"] for name in self._deciding)
        return least

    @property
    def worse(self) -> float:
        """Maximum so far of the evidence that the canary is worse, over all deciding metrics; 1 is no evidence."""
        most: float = self.state["most_worse"]
        return most


def _blank(terms: CanaryTerms, weight_percent: int) -> dict[str, Any]:
    def side(no_worse: Sequence[float], worse: Sequence[float]) -> dict[str, Any]:
        return {
            "blocks": Blocks(terms).state,
            "no_worse": [1.0] * len(no_worse),
            "worse": [1.0] * len(worse),
            "most_no_worse": 1.0,
            "blocks_seen": 0,
        }

    return {
        "weight_percent": weight_percent,
        "is_by_hand": False,
        "success": side(terms.no_worse_shifts, terms.worse_shifts),
        "rating": side(terms.no_worse_bets, terms.worse_bets),
        "most_worse": 1.0,
        **{arm: {"runs": 0, "succeeded": 0, "critical": 0, "rated": 0, "stars": 0} for arm in ARMS},
        "extended_at": 0,
    }


def _grow(wealth: list[float], paid: Sequence[float]) -> None:
    for index, factor in enumerate(paid):
        grown = wealth[index] * factor
        wealth[index] = grown if grown < CEILING else CEILING


def _mean(wealth: Sequence[float]) -> float:
    return sum(wealth) / len(wealth)
