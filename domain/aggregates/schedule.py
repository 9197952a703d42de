"""The schedule: when ratings and canaries are looked at though nothing has happened to them."""

from __future__ import annotations

from ..events import ScheduleTicked
from .base import Aggregate, Context, derive_id

SCHEDULE_ID = derive_id("schedule")


class Schedule(Aggregate):
    """The times that were kept, one after another."""

    def keep(self, reason: str, context: Context) -> None:
        """Record that it is time for a look."""
        self._record(ScheduleTicked, context, reason=reason)
