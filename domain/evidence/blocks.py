"""Which outcomes are compared: each of the canary's with a few of the stable arm's from the same time, each used once.

Composed like this, neither the share of the traffic, nor a canary that gets few runs, nor a drift of both arms tilts the
comparison. Which outcomes form a block depends on how many there are, never on what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..vocabulary import Arm
from .terms import CanaryTerms

WAITING_PER_MORE = 12
"""A block takes one stable outcome more for so many that wait. Chosen by simulation: taking all that there are leaves the next
canary outcomes with few or none, and what a block tells grows ever less with its size."""


@dataclass(frozen=True)
class Block:
    """One canary outcome and the stable ones it is held against, all in [0, 1]."""

    canary: float
    stable: tuple[float, ...]
    """At least one, in order of size: equal blocks are equal, whatever came first."""
    rate: float
    """The stable arm's mean over what was used before, so that the bet is made before its outcomes are seen."""


class Blocks:
    """Fold of both arms' outcomes into blocks. ``state`` is JSON-plain."""

    def __init__(self, terms: CanaryTerms, state: dict[str, Any] | None = None) -> None:
        self._terms = terms
        blank = {"canary": [], "stable": [], "used": 0, "total": 0.0}
        self.state: dict[str, Any] = state if state is not None else blank

    def take(self, arm: str, outcome: float) -> None:
        """Let an outcome of the ``canary`` or the ``stable`` arm wait; the oldest that waits gives way to it."""
        waiting = self.state[arm]
        waiting.append(outcome)
        if len(waiting) > self._terms.kept:
            given_way = waiting.pop(0)
            if arm == Arm.STABLE:
                self._use((given_way,))

    def next(self, fewest: int) -> Block | None:
        """The next block, if a canary outcome waits and at least ``fewest`` stable ones do."""
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
