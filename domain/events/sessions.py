"""The event that a run is an imported session of another program."""

from __future__ import annotations

from .base import Event, fact


@fact("SessionImported")
class SessionImported(Event):
    """Follows the ``TaskStarted`` of an imported run. The events' own times are those of the import."""

    AGGREGATE = "TaskRun"
    TEXTS = ("session",)

    session: str
    """Content key of the session as the other program logged it: one JSON object."""
    started: str | None
    """When the session began, ISO 8601, UTC; None where it is not logged."""
    ended: str | None
    """When the session ended, ISO 8601, UTC; None where it is not logged."""
    step_times: tuple[str | None, ...]
    """When each step began, in the order of the steps: ISO 8601, UTC, or None."""
    success: bool | None
    """The outcome that the session itself states; None where it states none."""
