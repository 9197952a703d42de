"""Feedback as a decision: it is given once under its id."""

from __future__ import annotations

from typing import Any

from given import SOMEONE, given
from grokputer.domain.aggregates.feedback import Feedback, feedback_id
from grokputer.domain.events import FeedbackGiven

SAID: dict[str, Any] = {"run": "ab12", "session": None, "stars": 2, "step": None, "correction": None}


def test_feedback_is_recorded_with_what_it_names() -> None:
    given(Feedback).when(lambda feedback: feedback.give(SOMEONE, **SAID)).then((FeedbackGiven, SAID))


def test_feedback_that_was_given_stays_as_it_was() -> None:
    feedback = Feedback(feedback_id("sha256:aa", "f-1"))
    feedback.give(SOMEONE, **SAID)
    feedback.give(SOMEONE, **{**SAID, "stars": 5})
    assert [event.stars for event in feedback.pending if isinstance(event, FeedbackGiven)] == [2]


def test_ids_of_feedback_are_those_of_one_holder() -> None:
    ids = {feedback_id(holder, id) for holder in ("sha256:aa", "sha256:bb") for id in ("1", "2")}
    assert len(ids) == 4 and feedback_id("sha256:aa", "1") in ids
