"""The events of the settings and of the schedule."""

from __future__ import annotations

from typing import Any

from .base import Event, fact


@fact("ScheduleKept")
class ScheduleKept(Event):
    """A scheduled check of all roles' ratings and of all canaries was due."""

    AGGREGATE = "Schedule"
    reason: str


@fact("PolicyChanged")
class PolicyChanged(Event):
    AGGREGATE = "Settings"
    VERSION = 4
    TEXTS = ("document",)
    WORDS = ("actor", "reason")

    key: str
    """Its current name; settings that were renamed had other keys before version 3."""
    old: Any
    new: Any
    """The value in force afterwards; for a key that was unset, the value that it falls back to."""
    reason: str
    is_unset: bool
    """Whether the key's own value was removed. Since version 2."""
    document: str | None
    """The content key of the file whose text the new value is; None for all other values. Since version 4."""

    def bring_up(self, changed: dict[str, Any]) -> None:
        """Apply this change to the dictionary of changed settings."""
        if self.is_unset:
            changed.pop(self.key, None)
        else:
            changed[self.key] = self.new
