"""Whether ratings have fallen: by evidence, or by the plain rule of a rolling mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..settings.settings import Policy
from ..verdict import Verdict
from ..vocabulary import BreachReason, Decision, Rule


@dataclass(frozen=True)
class Window:
    """The latest ratings of one adapter version in one role. A promotion starts an empty window."""

    role: str
    adapter: str | None
    ratings: Sequence[tuple[int, int]]
    """(log position, stars), oldest first."""
    total: int
    """All ratings of this version so far."""
    evidence: Verdict | None = None
    """The sequential rule's verdict on all its ratings; None where that rule is not in force."""

    @property
    def mean(self) -> float:
        """Mean stars, in [1, 5]; 0 when empty."""
        return sum(stars for _, stars in self.ratings) / len(self.ratings) if self.ratings else 0.0


def judge_ratings(window: Window, policy: Policy) -> Verdict:
    """``breach`` or ``hold`` by the rule in force: evidence that the mean is under the threshold, or a rolling mean of
    enough ratings under it."""
    if policy.rating(window.role).rule == Rule.SEQUENTIAL:
        return window.evidence or Verdict(
            Decision.HOLD, BreachReason.NO_EVIDENCE, "no rating yet", {"rule": Rule.SEQUENTIAL}
        )
    threshold, minimum = policy.rating(window.role).threshold, policy.rating(window.role).minimum
    count = len(window.ratings)
    numbers = {"rule": Rule.THRESHOLD, "mean": round(window.mean, 4), "count": count, "threshold": threshold}
    if count < minimum:
        return Verdict(Decision.HOLD, BreachReason.FEW_RATINGS, f"{count} of the {minimum} ratings needed", numbers)
    is_under = window.mean < threshold
    message = (
        f"mean {window.mean:.2f} of the last {count} ratings is {'under' if is_under else 'not under'} {threshold:g}"
    )
    return Verdict(Decision.BREACH if is_under else Decision.HOLD, BreachReason.MEAN, message, numbers)


def is_breach(window: Window, policy: Policy) -> bool:
    """Whether the rule in force finds a breach."""
    return judge_ratings(window, policy).verdict == Decision.BREACH
