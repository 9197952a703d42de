"""The fact that a run is a session of another program, and what that program logged of it."""

from __future__ import annotations

from .base import Event, fact


@fact("SessionImported")
class SessionImported(Event):
    """Stands right after the ``TaskStarted`` of a run that was imported; the events' own times are those of the import."""

    AGGREGATE = "TaskRun"
    TEXTS = ("session",)

    session: str
    """Content key of the session as the other program logged it: JSON, one object."""
    started: str | None
    """When the session began, ISO 8601, UTC; None where it does not say."""
    ended: str | None
    """When the session ended, likewise."""
    step_times: tuple[str | None, ...]
    """When each step began, likewise, in the order of the steps."""
    success: bool | None
    """What the session itself says of its outcome; None where it says nothing."""
