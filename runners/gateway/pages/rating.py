"""Rating: the next run of the queue, the form, and what is saved from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from ....domain.aggregates.run import TaskRun
from ....domain.errors import BadArgument, BadRating, GrokputerError, NotPossible
from ....domain.rules.rating import (
    ISSUES,
    LONGEST_COMMENT,
    LONGEST_CORRECTION,
    LONGEST_ISSUE,
    check_stars,
    check_words,
    propose_fault,
)
from ....domain.settings.settings import ROLES, Policy
from ....domain.vocabulary import Rule
from ....projections.wording.sentences import count, short_id
from ...explain.run_story import tell_run
from ...feedback.claims import claim_first, holder_of, release
from ...feedback.corrections import parse_calls
from ...feedback.doubts import propose_issues
from ...feedback.rating_queue import Order, RatingQueue
from ...feedback.readings import is_reading
from ...store.states import load_state
from ...use_cases import corrections
from ...use_cases.intake.feedback import OtherFeedback, ProgramFeedback, take_feedback, was_taken
from ...use_cases.lookups import require_role
from ..chat_request import naming
from ..replies import Refused
from ..site.visit import Done, Form, View, Visit
from .runs import describe_run, id_of

FIELDS = ("stars", "issue", "own_issue", "comment", "step", "correction", "then", "id")


@cache
def _queue(path: str) -> RatingQueue:
    """The queue of the log at the path; one for each process."""
    return RatingQueue()


def show_next(visit: Visit) -> View | Done:
    """The next run that waits, which the visitor then has for some minutes; without one, that nothing waits."""
    order, role = _read_order(visit.query)
    queue = _follow(visit)
    skipped = visit.query.one("after")
    waiting = queue.count(role)
    run = claim_first(visit.ledger, (run for run in queue.next(order, role) if run.hex != skipped), visit.visitor.name)
    if run is not None:
        return Done(_address(f"/rate/{run.hex}", order, role), "", data={"run": run.hex, "waiting": waiting})
    data = {"order": str(order), "role": role or "", "waiting": waiting}
    return View("nothing_to_rate", "Rate", data)


def show_form(visit: Visit) -> View:
    """The run, and the form for its rating, with what the visitor said before."""
    return _form(visit)


def _form(visit: Visit, typed: str = "") -> View:
    """The form; with a correction that was typed and is not saved."""
    order, role = _read_order(visit.query)
    id = id_of(visit)
    log, name = visit.ledger, visit.visitor.name
    story = tell_run(log, id)
    own = [entry for entry in story.entries if entry["event"] == "TaskRated" and entry["actor"] == name]
    holder = holder_of(log, id)
    if holder is None and story.run.ended is not None:
        claim_first(log, [id], name)
    started, policy = story.run.started, load_state(log).policy
    assert started is not None
    data = {
        "shown": describe_run(log, story),
        "order": str(order),
        "for_role": role or "",
        "waiting": _follow(visit).count(role),
        "own": own[-1] if own else None,
        "proposed": list(propose_issues(log, story.run, policy)),
        "blames": {issue: propose_fault([issue], story.run.roles) for issue in ISSUES},
        "other_rater": None if holder in (None, name) else holder,
        "effect": _say_effect(policy, started.role),
        "typed": typed,
        "longest": {"comment": LONGEST_COMMENT, "issue": LONGEST_ISSUE, "correction": LONGEST_CORRECTION},
        **_choices(),
    }
    return View("rate", f"Rate run {short_id(id.hex)}", data)


def save(visit: Visit) -> Done:
    """Record the rating, and the correction if one was given, and go on to the next run. One form is recorded once.

    A correction that its environment can try is recorded only if it does the task; the rating stands all the same.
    """
    order, role = _read_order(visit.query)
    id, name = id_of(visit), visit.visitor.name
    feedback = _read_rating(visit, id)
    actor = visit.ledger.name_key(name)
    holder = holder_of(visit.ledger, id)
    if holder not in (None, name) and not was_taken(visit.ledger, feedback, actor):
        raise NotPossible(f"{holder} is rating this run now; take the next one")
    try:
        taken = take_feedback(visit.ledger, feedback, actor)
    except OtherFeedback as error:
        again = (
            str(error) if visit.visitor.is_program else "this form was saved before; load the run again to change it"
        )
        raise Refused(422, again) from error
    corrected = _correct(visit, id)
    said = f"saved: {count(taken.stars or 0, 'star')} for run {short_id(id.hex)}{corrected.said}"
    data = {"run": id.hex, "stars": taken.stars, "position": taken.position, "correction": corrected.to_json()}
    own = f"/rate/{id.hex}"
    if corrected.failed is not None:
        shown = _form(visit, visit.form.one("correction").replace("\r\n", "\n"))
        return Done(_address(own, order, role), said, data=data, failed=corrected.failed, form=shown)
    release(visit.ledger, id, name)
    after = "/rate" if visit.form.one("then") != "stay" else own
    return Done(_address(after, order, role), said, undo=_address(own, order, role), data=data)


def _read_rating(visit: Visit, id: UUID) -> ProgramFeedback:
    """The rating in the form. Raises ``BadRequest``."""
    form = visit.form
    comment = form.one("comment").replace("\r\n", "\n") or None
    issues = tuple(issue for issue in (*form.several("issue"), form.one("own_issue")) if issue.strip())
    with naming("stars", BadRating):
        stars = check_stars(form.one("stars"))
    with naming("comment", BadRating):
        check_words(comment, ())
    with naming("issue", BadRating):
        check_words(None, issues)
    return ProgramFeedback(
        run=id,
        stars=stars,
        issues=issues,
        comment=comment,
        step=form.number("step", 1, 10_000),
        id=visit.form_id,
    )


@dataclass(frozen=True)
class _Corrected:
    """What came of the correction in the form."""

    status: str = ""
    """``verified``, ``unverified`` or ``failed``; empty where none was given."""
    position: int | None = None
    failed: GrokputerError | None = None

    @property
    def said(self) -> str:
        """In words that follow those on the rating."""
        return {
            "verified": "; the correction did the task and is saved",
            "unverified": "; the correction is saved, unverified",
            "failed": f"; the correction was not saved: {self.failed}",
        }.get(self.status, "")

    def to_json(self) -> dict[str, Any] | None:
        """As a program is told it; None where no correction was given."""
        reason = "" if self.failed is None else str(self.failed)
        return {"status": self.status, "position": self.position, "reason": reason} if self.status else None


def _correct(visit: Visit, id: UUID) -> _Corrected:
    """Record the correction in the form."""
    text = visit.form.one("correction").replace("\r\n", "\n")
    if not text:
        return _Corrected()
    run = visit.ledger.get(TaskRun, id)
    assert run.started is not None
    first = visit.form.number("step", 1, 10_000)
    way: corrections.Way
    if run.started.is_question or is_reading(run, first):
        way = corrections.Answer(text, first, parse_calls(()))
    else:
        way = corrections.read_lines(run, text, first)
    try:
        corrected = corrections.correct(visit.ledger, id, way, actor=visit.visitor.name)
    except GrokputerError as error:
        return _Corrected("failed", failed=error)
    return _Corrected("verified" if corrected.is_verified else "unverified", corrected.position)


def _say_effect(settings: Policy, role: str) -> str:
    """What a rating of the role leads to, with the numbers in force."""
    policy = settings.rating(role)
    falls = f"When the mean of its last {policy.window} ratings is under {policy.threshold:g}"
    if policy.rule == Rule.SEQUENTIAL:
        falls = f"When there is evidence that its ratings have fallen under {policy.threshold:g}"
    return (
        f"It counts for role {role}. {falls}, an adapter is trained on what went wrong. A share of the runs tries it, and it "
        "stays only if people rate it no worse."
    )


def _follow(visit: Visit) -> RatingQueue:
    queue = _queue(visit.ledger.label)
    queue.follow(visit.ledger)
    return queue


def _read_order(query: Form) -> tuple[Order, str | None]:
    """The order of the queue and the role. Raises ``BadArgument``, ``NotFound``."""
    given, role = query.one("order") or Order.SAMPLE, query.one("role") or None
    if given not in list(Order):
        raise BadArgument(f"the queue has no order {given[:40]!r}; it has {', '.join(Order)}")
    return Order(given), None if role is None else require_role(role)


def _address(path: str, order: Order, role: str | None) -> str:
    given = {"order": str(order)} if order != Order.SAMPLE else {}
    given |= {"role": role} if role else {}
    return f"{path}?{urlencode(given)}" if given else path


def _choices() -> dict[str, list[str]]:
    return {"orders": [str(order) for order in Order], "roles": list(ROLES), "issues": list(ISSUES)}
