"""Feedback of another program or of a page's form, under an id of its own, so that it can be given again without harm."""

from __future__ import annotations

from uuid import UUID

from ..events import Event, FeedbackGiven
from .base import Aggregate, Context, derive_id


def feedback_id(holder: str, id: str) -> UUID:
    """The id of the feedback that this holder of an access key gives under this id. ``holder`` is a content key."""
    return derive_id("feedback", holder, id)


class Feedback(Aggregate):
    """One state: given. What it says is in the events that it caused."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.given: FeedbackGiven | None = None

    def give(
        self,
        context: Context,
        *,
        run: str | None,
        session: str | None,
        stars: int | None,
        step: int | None,
        correction: str | None,
    ) -> None:
        """Record that it was given; the fields are those of ``FeedbackGiven``. Idempotent: the first time stands."""
        if self.given is None:
            said = {"run": run, "session": session, "stars": stars, "step": step, "correction": correction}
            self._record(FeedbackGiven, context, **said)

    def _apply(self, event: Event) -> None:
        if isinstance(event, FeedbackGiven):
            self.given = event
