"""Keeping the schedule: a look at all ratings every ``schedule.every_s``, and at a canary when time alone says something new.

What is due is told from the log and the state, so a time that was missed is caught up once by the next worker. Each look is
an event, and what follows from it follows as from any other: whatever was decided can be decided again from the log.
"""

from __future__ import annotations

import time

from ...domain.aggregates.base import ACTOR
from ...domain.aggregates.rollout import is_news
from ...domain.aggregates.schedule import SCHEDULE_ID, Schedule
from ...domain.durations import say_time
from ...projections.state.rollouts import LONGEST_BAKE_GAP_S, Rollout
from ...projections.state.state import State
from ..store.ledger import Ledger

CHECK_S = 60.0
"""Seconds after which a worker looks at the clock again; chosen."""


class ScheduleKeeper:
    """One worker's watch on what is due. Its own looks it spaces by a clock that nobody can set."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._looked: dict[str, float] = {}
        """When the clock, under the empty name, and each canary, by its rollout, were looked at."""

    def keep(self, state: State) -> bool:
        """Record that it is time for a look; False where it is not."""
        reason = self._due(state)
        if reason is not None:
            context = self.ledger.context(ACTOR)
            self.ledger.write(Schedule, SCHEDULE_ID, lambda it: it.keep(reason, context))
        return reason is not None

    def _due(self, state: State) -> str | None:
        every_s = state.policy.schedule.every_s
        if self._is_time("", min(CHECK_S, every_s)) and self._is_missed(state, every_s):
            return f"every {say_time(every_s)}"
        for rollout in state.undecided.values():
            interval = state.policy.canary(rollout.role).interval_s
            if self._is_time(rollout.id, interval) and self._is_canary_due(rollout, state):
                return f"time has passed for {rollout.adapter}"
        return None

    def _is_time(self, name: str, interval_s: float) -> bool:
        """Whether this worker has not looked at it for so long; then it does now."""
        now = time.monotonic()
        if now - self._looked.get(name, -1e9) < interval_s:
            return False
        self._looked[name] = now
        return True

    def _is_missed(self, state: State, every_s: float) -> bool:
        """Whether the last look, or else the log's beginning, is too long ago, or lies ahead because the clock was set back."""
        if not state.position:
            return False
        kept = self.ledger.last(SCHEDULE_ID) or self.ledger.at(1)
        since = (self.ledger.clock.now() - kept.event.time).total_seconds()
        return since >= every_s or since < 0

    def _is_canary_due(self, rollout: Rollout, state: State) -> bool:
        """Whether a look now would say something new, or the time that it needs would else not count."""
        now = self.ledger.clock.now()
        if is_news(state.look(rollout.id, now), rollout.phase, rollout.said):
            return True
        return state.needs_time(rollout.id) and state.rollouts.gap(now) >= LONGEST_BAKE_GAP_S
