"""The scheduler: checks of all ratings every ``schedule.every_s``, and of a canary when time alone changes its verdict.

What is due follows from the log and the state, so the next worker makes up once for missed checks. Each check is an
event, and its consequences follow as from any other event: every decision can be repeated from the log.
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
"""Seconds between two checks of the schedule by a worker; chosen."""


class ScheduleKeeper:
    """One worker's scheduler. It spaces its checks by a monotonic clock."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._looked: dict[str, float] = {}
        """Monotonic time of the last check, of the schedule (empty name) and of each canary (by its rollout)."""

    def keep(self, state: State) -> bool:
        """Record that a check is due; False where none is."""
        reason = self._due(state)
        if reason is not None:
            context = self.ledger.context(ACTOR)
            self.ledger.write(Schedule, SCHEDULE_ID, lambda schedule: schedule.keep(reason, context))
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
        """Whether the last check is at least ``interval_s`` ago; if so, the check counts as made now."""
        now = time.monotonic()
        if now - self._looked.get(name, -1e9) < interval_s:
            return False
        self._looked[name] = now
        return True

    def _is_missed(self, state: State, every_s: float) -> bool:
        """Whether the last check, or else the log's beginning, is too long ago, or in the future because the clock was
        set back."""
        if not state.position:
            return False
        kept = self.ledger.last(SCHEDULE_ID) or self.ledger.at(1)
        since = (self.ledger.clock.now() - kept.event.time).total_seconds()
        return since >= every_s or since < 0

    def _is_canary_due(self, rollout: Rollout, state: State) -> bool:
        """Whether a check now would change the verdict, or its waiting time would otherwise not count."""
        now = self.ledger.clock.now()
        if is_news(state.look(rollout.id, now), rollout.phase, rollout.last_verdict):
            return True
        return state.needs_time(rollout.id) and state.rollouts.gap(now) >= LONGEST_BAKE_GAP_S
