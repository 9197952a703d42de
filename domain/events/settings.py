"""The events of the settings and of the schedule."""

from __future__ import annotations

from typing import Any

from .base import Event, fact


@fact("ScheduleKept")
class ScheduleTicked(Event):
    """It was time to look at the ratings of all roles and at all canaries, though nothing happened to them."""

    AGGREGATE = "Schedule"
    reason: str


@fact("PolicyChanged")
class PolicyChanged(Event):
    AGGREGATE = "Settings"
    VERSION = 3
    WORDS = ("actor", "reason")

    key: str
    """As it is called now; settings that were renamed had other keys before version 3."""
    old: Any
    new: Any
    """What is in force after it; of a key that was unset, what it falls back to."""
    reason: str
    is_unset: bool
    """Whether the key has no value of its own any more. Since version 2."""

    def bring_up(self, changed: dict[str, Any]) -> None:
        """Let what was changed before hold this change too."""
        if self.is_unset:
            changed.pop(self.key, None)
        else:
            changed[self.key] = self.new
