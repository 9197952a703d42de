"""Matching: each canary outcome is compared with a few stable outcomes of the same time, and each outcome is used once.

Matched like this, neither the traffic share, nor a canary with few runs, nor a drift of both arms biases the
comparison. The size of a block depends on how many outcomes wait, never on their values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..vocabulary import Arm
from .terms import CanaryTerms

WAITING_PER_MORE = 12
"""Waiting stable outcomes for each one that a block takes beyond the fewest. Chosen by simulation: a block that takes all
leaves none for the next canary outcomes, and each further outcome adds less."""


@dataclass(frozen=True)
class Block:
    """One canary outcome and the stable outcomes that it is compared with, all in [0, 1]."""

    canary: float
    stable: tuple[float, ...]
    """At least one, sorted: equal blocks are equal, whatever the order of arrival."""
    rate: float
    """The stable arm's mean over the outcomes used before, so that the bet is made before its outcomes are seen."""


class Blocks:
    """Fold of both arms' outcomes into blocks. ``state`` is JSON-plain."""

    def __init__(self, terms: CanaryTerms, state: dict[str, Any] | None = None) -> None:
        self._terms = terms
        blank = {"canary": [], "stable": [], "used": 0, "total": 0.0}
        self.state: dict[str, Any] = state if state is not None else blank

    def take(self, arm: str, outcome: float) -> None:
        """Add an outcome of the ``canary`` or the ``stable`` arm to the waiting ones; beyond the limit the oldest is
        dropped."""
        waiting = self.state[arm]
        waiting.append(outcome)
        if len(waiting) > self._terms.kept:
            oldest = waiting.pop(0)
            if arm == Arm.STABLE:
                self._use((oldest,))

    def next(self, fewest: int) -> Block | None:
        """The next block, if a canary outcome and at least ``fewest`` stable outcomes wait."""
        canary, stable = self.state["canary"], self.state["stable"]
        if not canary or len(stable) < fewest:
            return None
        count = min(fewest + len(stable) // WAITING_PER_MORE, self._terms.most_matched)
        newest = tuple(sorted(stable[-count:]))
        del stable[-count:]
        block = Block(canary.pop(0), newest, self._rate())
        self._use(newest)
        return block

    def _rate(self) -> float:
        terms = self._terms
        rate: float = (terms.prior_rate * terms.prior_runs + self.state["total"]) / (
            terms.prior_runs + self.state["used"]
        )
        return rate

    def _use(self, outcomes: tuple[float, ...]) -> None:
        self.state["used"] += len(outcomes)
        self.state["total"] += sum(outcomes)
