"""The schedule: regular checks of ratings and canaries that no run causes."""

from __future__ import annotations

from ..events import ScheduleKept
from .base import Aggregate, Context, derive_id

SCHEDULE_ID = derive_id("schedule")


class Schedule(Aggregate):
    """The scheduled checks, one after another."""

    def keep(self, reason: str, context: Context) -> None:
        """Record that a scheduled check is due."""
        self._record(ScheduleKept, context, reason=reason)
