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
    WORDS = ("actor", "reason")

    key: str
    old: Any
    new: Any
    reason: str
