"""A role's improvement: its ratings are judged, a breach opens a cycle, and a latch prevents repeated breaches."""

from __future__ import annotations

from uuid import UUID

from ..errors import Hint, NotPossible
from ..events import CycleClosed, CycleOpened, Event, RatingThresholdBreached, TriggerSuppressed
from ..evidence.terms import trigger_terms
from ..rules.breach import Window, judge_ratings
from ..settings.settings import Policy
from ..vocabulary import CycleOutcome, Decision
from .base import Aggregate, Context, derive_id


def role_id(role: str) -> UUID:
    """The id of a role's one aggregate."""
    return derive_id("role", role)


class RoleImprovement(Aggregate):
    """The improvement state of a role: at most one open cycle, and a latch after each breach.

    The latch opens when another adapter version is live, or when ``rating.cooldown`` more ratings have come since the
    cycle closed. Without the second condition a declined training would be the last one. The cooldown doubles after
    each cycle that ends without a promotion.
    """

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.open_cycle: str | None = None
        self.opened: RatingThresholdBreached | CycleOpened | None = None
        """The event that opened the newest cycle."""
        self.latched_adapter: str | None = None
        self.is_latched = False
        self.closed_total = 0
        self.cycles_in_vain = 0
        """Cycles closed since the last promotion."""
        self.is_suppression_noted = False

    def look(self, window: Window, policy: Policy, context: Context) -> None:
        """Judge the window after a rating. A breach is recorded once per crossing; a suppressed one is recorded once
        too."""
        verdict = judge_ratings(window, policy)
        if verdict.verdict != Decision.BREACH:
            return
        reason = self._reason_to_suppress(window, policy)
        if reason is None:
            first, last = window.ratings[0][0], window.ratings[-1][0]
            self._record(
                RatingThresholdBreached,
                context,
                role=window.role,
                adapter=window.adapter,
                mean=round(window.mean, 4),
                count=len(window.ratings),
                window=policy.rating(window.role).window,
                threshold=policy.rating(window.role).threshold,
                first_position=first,
                last_position=last,
                total=window.total,
                rule=policy.rating(window.role).rule,
                message=verdict.message,
                numbers=verdict.numbers,
            )
        elif not self.is_suppression_noted:
            self._record(
                TriggerSuppressed,
                context,
                role=window.role,
                adapter=window.adapter,
                mean=round(window.mean, 4),
                count=len(window.ratings),
                reason=reason,
            )

    def _reason_to_suppress(self, window: Window, policy: Policy) -> str | None:
        if self.open_cycle is not None:
            return "cycle in flight"
        if not self.is_latched or self.latched_adapter != window.adapter:
            return None
        waited = window.total - self.closed_total
        return None if waited >= trigger_terms(policy, window.role).wait(self.cycles_in_vain) else "cooldown"

    def open(self, role: str, adapter: str | None, reason: str, context: Context) -> None:
        """Open a cycle at a person's request. Raises ``NotPossible`` while one is open."""
        if self.open_cycle is not None and self.opened is not None:
            raise NotPossible(
                f"role {role} already has an open cycle, opened by {self.opened.actor} at "
                f"{self.opened.time:%Y-%m-%d %H:%M:%S} UTC; it must close first",
                hint=Hint.SEE_STATUS,
            )
        self._record(CycleOpened, context, role=role, adapter=adapter, reason=reason)

    def close(self, role: str, outcome: str, detail: str, total: int, context: Context) -> None:
        """Close the open cycle; without one this records nothing."""
        if self.open_cycle is not None:
            self._record(CycleClosed, context, role=role, outcome=outcome, detail=detail, total=total)

    def _apply(self, event: Event) -> None:
        match event:
            case RatingThresholdBreached() | CycleOpened():
                self.open_cycle, self.opened = event.reference, event
                self.latched_adapter = event.adapter
                self.is_latched = True
                self.is_suppression_noted = False
            case TriggerSuppressed():
                self.is_suppression_noted = True
            case CycleClosed():
                self.open_cycle = None
                self.closed_total = event.total
                self.cycles_in_vain = 0 if event.outcome == CycleOutcome.PROMOTED else self.cycles_in_vain + 1
                self.is_suppression_noted = False
