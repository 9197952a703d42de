"""The event of feedback that another program gave under an id of its own."""

from __future__ import annotations

from .base import Event, fact


@fact("FeedbackGiven")
class FeedbackGiven(Event):
    """Feedback came under this id for the first time. Its ratings name this event as their cause, so they are recorded once."""

    AGGREGATE = "Feedback"

    run: str | None
    """The run, as hex id; None where a session is rated."""
    session: str | None
    """The session that is rated as a whole; None where one run is."""
    stars: int | None
    """1 to 5; None where the feedback is a correction alone."""
    step: int | None
    """The step that it names."""
    correction: str | None
    """The reference of the ``TaskCorrected`` with its correction; None without one."""
