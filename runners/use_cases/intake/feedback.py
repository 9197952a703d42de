"""Feedback of programs and of pages on runs and sessions. Under an id of its own it counts once, however often it is sent.

An event says that the feedback was given, and the ratings name that event as their cause. So a retry after a crash, or in
another process, completes what is missing and repeats nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ....domain.aggregates.feedback import Feedback, feedback_id
from ....domain.aggregates.run import TaskRun
from ....domain.errors import GrokputerError
from ....domain.rules.rating import check_stars, check_words
from ....domain.text import check_text
from ....projections.wording.words import ERASED
from ...feedback.ratings import record_rating, require_ended
from ...improvement.process_manager import process_new_events
from .. import corrections, sessions
from ..lookups import require_run

if TYPE_CHECKING:
    from ....domain.events import FeedbackGiven, TaskCorrected, TaskRated
    from ....projections.state.state import State
    from ...store.ledger import Ledger


class OtherFeedback(GrokputerError):
    """An id that came before with feedback that said something else."""


@dataclass(frozen=True)
class ProgramFeedback:
    """Feedback on one run, or on one session: exactly one of them is set. A session takes stars alone."""

    run: UUID | None = None
    session: str | None = None
    stars: int | None = None
    """1 to 5; None where a correction comes alone."""
    issues: tuple[str, ...] = ()
    comment: str | None = None
    step: int | None = None
    correction: str | None = None
    """The right answer."""
    id: str | None = None
    """The program's own id of this feedback. Without one, only what equals the holder's latest rating is a repetition."""


@dataclass(frozen=True)
class TakenFeedback:
    """What was recorded of feedback, now or before."""

    is_new: bool
    """Whether anything of it was recorded now."""
    run: UUID | None = None
    session: str | None = None
    runs: tuple[UUID, ...] = ()
    """The runs of the session that it rated."""
    stars: int | None = None
    position: int | None = None
    """The log position of the run's rating."""
    correction: int | None = None
    """The log position of the correction."""
    is_verified: bool | None = None
    """Whether the correction was tried and did the task."""


def take_feedback(ledger: Ledger, feedback: ProgramFeedback, holder: str, known: State | None = None) -> TakenFeedback:
    """Record the feedback in the name of the holder, a content key. ``known`` is the caller's state, which follows the log.

    Raises ``OtherFeedback``, ``NotFound``, ``NotPossible`` (``NotEnded`` while the run has not ended),
    ``BadRating``, ``BadCorrection`` and ``BadText``; then no rating is recorded.
    """
    check_words(feedback.comment, feedback.issues)
    corrections.check_length(feedback.correction or "")
    given = feedback if feedback.stars is None else replace(feedback, stars=check_stars(feedback.stars))
    taken = (
        _take_session(ledger, given, holder, known)
        if given.session is not None
        else _take_run(ledger, given, holder, known)
    )
    process_new_events(ledger, known)
    return taken


def was_taken(ledger: Ledger, feedback: ProgramFeedback, holder: str) -> bool:
    """Whether the holder has given this feedback before, by its id."""
    return _earlier(ledger, feedback, holder) is not None


def _take_run(ledger: Ledger, given: ProgramFeedback, holder: str, known: State | None) -> TakenFeedback:
    assert given.run is not None
    earlier = _earlier(ledger, given, holder)
    run = require_run(ledger, given.run)
    _require_same(ledger, run, given, earlier)
    require_ended(run)
    if given.step is not None:
        run.require_step(given.step)
    is_new, correction = False, earlier.correction if earlier is not None else None
    if given.stars is not None:
        run.attribute(given.stars, given.step, None)
        for text in (given.comment or "", *given.issues):
            check_text(text, "the comment")
    if given.correction is not None and correction is None:
        way = corrections.Answer(given.correction, given.step)
        is_new = corrections.correct(ledger, run.id, way, actor=holder, known=known).is_new
        correction = _correction_of(ledger, run.id, given.correction).reference
    remembered = None if given.id is None else _remember(ledger, given, holder, correction)
    _require_same(ledger, run, given, remembered)  # another process may have been faster, with other feedback
    rating, cause = None, None if remembered is None else remembered.reference
    if given.stars is not None:
        rating = _rating_of(ledger, run, given, holder, cause)
        if rating is None:
            rating, is_new = _rate(ledger, run, given, holder, cause), True
        _require_same(ledger, ledger.get(TaskRun, run.id), given, remembered)
    return TakenFeedback(
        is_new,
        run=run.id,
        stars=given.stars,
        position=None if rating is None else ledger.position_of(rating.reference),
        correction=None if correction is None else ledger.position_of(correction),
        is_verified=None if correction is None else _read_correction(ledger, correction).is_verified,
    )


def _take_session(ledger: Ledger, given: ProgramFeedback, holder: str, known: State | None) -> TakenFeedback:
    assert given.session is not None
    earlier = _earlier(ledger, given, holder)
    _require_same_session(given, earlier)
    if given.id is None:
        rated = sessions.rate_session(ledger, given.session, given.stars, actor=holder, known=known)
        return TakenFeedback(bool(rated.rated), session=given.session, stars=given.stars, runs=rated.rated)
    runs = sessions.runs_to_rate(ledger, given.session)
    remembered = earlier or _remember(ledger, given, holder, None)
    _require_same_session(given, remembered)
    cause = remembered.reference
    rated = sessions.rate_session(
        ledger, given.session, given.stars, actor=holder, cause=cause, until=remembered.time, runs=runs, known=known
    )
    of_this = tuple(run.id for run in runs if run.id in rated.rated or any(it.caused_by == cause for it in run.ratings))
    is_new = earlier is None or bool(rated.rated)
    return TakenFeedback(is_new, session=given.session, stars=given.stars, runs=of_this)


def _earlier(ledger: Ledger, given: ProgramFeedback, holder: str) -> FeedbackGiven | None:
    """The event of the first time; None for new feedback, and without an id."""
    return None if given.id is None else ledger.get(Feedback, feedback_id(holder, given.id)).given


def _remember(ledger: Ledger, given: ProgramFeedback, holder: str, correction: str | None) -> FeedbackGiven:
    """The event that says that the feedback was given: the first one, also where another process was faster."""
    assert given.id is not None
    context = ledger.context(holder)
    run = None if given.run is None else given.run.hex
    feedback = ledger.write(
        Feedback,
        feedback_id(holder, given.id),
        lambda feedback: feedback.give(
            context, run=run, session=given.session, stars=given.stars, step=given.step, correction=correction
        ),
    )
    assert feedback.given is not None
    return feedback.given


def _require_same(ledger: Ledger, run: TaskRun, given: ProgramFeedback, earlier: FeedbackGiven | None) -> None:
    """Raise ``OtherFeedback`` where the feedback that first came under the id said something else."""
    if earlier is not None and (differs := _difference(ledger, run, given, earlier)):
        raise OtherFeedback(f"feedback {given.id} came before with {differs}; give another id")


def _require_same_session(given: ProgramFeedback, earlier: FeedbackGiven | None) -> None:
    """As ``_require_same``, for feedback on a session."""
    if earlier is not None and (earlier.session, earlier.stars) != (given.session, given.stars):
        raise OtherFeedback(f"feedback {given.id} came before with something else; give another id")


def _difference(ledger: Ledger, run: TaskRun, given: ProgramFeedback, earlier: FeedbackGiven) -> str:
    """What the earlier feedback said otherwise; empty where nothing. Texts that were erased are not compared."""
    if earlier.run != run.id.hex:
        return "another run"
    if earlier.stars != given.stars:
        return "other stars"
    if earlier.step != given.step:
        return "another step"
    if (earlier.correction is None) != (given.correction is None):
        return "no correction" if earlier.correction is None else "a correction"
    known = None if earlier.correction is None else _answer_in(ledger, _read_correction(ledger, earlier.correction))
    if known not in (None, given.correction):
        return "another correction"
    rating = next((it for it in run.ratings if it.caused_by == earlier.reference), None)
    if rating is None:
        return ""
    _, comment, issues = _words(ledger, rating)
    is_erased = comment is None and rating.comment is not None
    if comment != (given.comment or None) and not is_erased:
        return "another comment"
    return "" if ERASED in issues or issues == _clean(given.issues) else "other issues"


def _rating_of(
    ledger: Ledger, run: TaskRun, given: ProgramFeedback, holder: str, cause: str | None
) -> TaskRated | None:
    """The rating that this feedback led to; without an id, the holder's latest one where it says the same."""
    if cause is not None:
        return next((rating for rating in ledger.get(TaskRun, run.id).ratings if rating.caused_by == cause), None)
    own = [rating for rating in run.ratings if rating.actor == holder]
    if not own or own[-1].stars != given.stars:
        return None
    wanted = (given.step, given.comment or None, _clean(given.issues))
    return own[-1] if _words(ledger, own[-1]) == wanted else None


def _rate(ledger: Ledger, run: TaskRun, given: ProgramFeedback, holder: str, cause: str | None) -> TaskRated:
    stars = check_stars(given.stars)
    rated = record_rating(ledger, run, stars, list(given.issues), given.comment, holder, given.step, cause=cause)
    if cause is None:
        return rated.ratings[-1]
    return next(rating for rating in rated.ratings if rating.caused_by == cause)


def _words(ledger: Ledger, rating: TaskRated) -> tuple[int | None, str | None, list[str]]:
    """Step, comment and issues of a recorded rating, in words."""
    comment = None if rating.comment is None else ledger.get_content(rating.comment)
    return rating.step, comment, sorted(map(ledger.say, rating.issues))


def _clean(issues: Collection[str]) -> list[str]:
    return sorted(filter(None, (issue.strip() for issue in issues)))


def _correction_of(ledger: Ledger, run: UUID, answer: str) -> TaskCorrected:
    """The run's correction with this answer, which has just been recorded or was there."""
    corrections = ledger.get(TaskRun, run).corrections[::-1]
    return next((one for one in corrections if _answer_in(ledger, one) == answer), corrections[0])


def _answer_in(ledger: Ledger, correction: TaskCorrected) -> str | None:
    """The right answer that the correction teaches last; None where it was erased."""
    rows = ledger.get_content(correction.correction)
    return None if rows is None else str(json.loads(rows)[-1]["completion"])


def _read_correction(ledger: Ledger, reference: str) -> TaskCorrected:
    position = ledger.position_of(reference)
    assert position is not None
    event: Any = ledger.at(position).event
    corrected: TaskCorrected = event
    return corrected
