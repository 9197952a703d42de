"""Rating: the next run of the queue, the form, and what is saved from it."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlencode
from uuid import UUID

from ....domain.aggregates.run import TaskRun
from ....domain.errors import BadArgument, GrokputerError, NotPossible
from ....domain.rules.rating import ISSUES
from ....domain.settings.settings import ROLES
from ....domain.vocabulary import Rule
from ....projections.wording.sentences import count, short_id
from ...explain.run_story import tell_run
from ...feedback.corrections import parse_calls
from ...feedback.rating_queue import Order, RatingQueue
from ...store.claims import claim_first, holder_of, release
from ...store.states import load_state
from ...use_cases import corrections, ratings
from ...use_cases.lookups import require_role
from ..site.visit import Done, Form, View, Visit
from .runs import describe_run, id_of

LONGEST_COMMENT = 4000


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
    order, role = _read_order(visit.query)
    id = id_of(visit)
    log, name = visit.ledger, visit.visitor.name
    story = tell_run(log, id)
    own = [entry for entry in story.entries if entry["event"] == "TaskRated" and entry["actor"] == name]
    holder = holder_of(log, id)
    if holder is None and story.run.ended is not None:
        claim_first(log, [id], name)
    started = story.run.started
    assert started is not None
    data = {
        "shown": describe_run(log, story),
        "order": str(order),
        "for_role": role or "",
        "waiting": _follow(visit).count(role),
        "own": own[-1] if own else None,
        "other_rater": None if holder in (None, name) else holder,
        "effect": _say_effect(visit, started.role),
        "longest_comment": LONGEST_COMMENT,
        **_choices(),
    }
    return View("rate", f"Rate run {short_id(id.hex)}", data)


def save(visit: Visit) -> Done:
    """Record the rating, and the correction if one was given, and go on to the next run.

    A correction that its environment can try is recorded only if it does the task; the rating stands all the same.
    """
    order, role = _read_order(visit.query)
    id, form, name = id_of(visit), visit.form, visit.visitor.name
    holder = holder_of(visit.ledger, id)
    if holder not in (None, name):
        raise NotPossible(f"{holder} is rating this run now; take the next one")
    comment = form.one("comment").replace("\r\n", "\n") or None
    if comment is not None and len(comment) > LONGEST_COMMENT:
        raise BadArgument(f"the comment has {len(comment)} characters; it takes {LONGEST_COMMENT}")
    issues = [issue for issue in (*form.several("issue"), form.one("own_issue")) if issue]
    rated = ratings.rate(
        visit.ledger,
        id,
        form.one("stars"),
        actor=name,
        issues=issues,
        comment=comment,
        step=form.number("step", 1, 10_000),
    )
    said = f"saved: {count(rated.stars, 'star')} for run {short_id(id.hex)}"
    said += _correct(visit, id)
    release(visit.ledger, id, name)
    after = "/rate" if form.one("then") != "stay" else f"/rate/{id.hex}"
    data = {"run": id.hex, "stars": rated.stars, "position": rated.position}
    return Done(_address(after, order, role), said, undo=_address(f"/rate/{id.hex}", order, role), data=data)


def _correct(visit: Visit, id: UUID) -> str:
    """Record the correction in the form; what came of it, in words that follow those on the rating."""
    text = visit.form.one("correction").replace("\r\n", "\n")
    if not text:
        return ""
    run = visit.ledger.get(TaskRun, id)
    assert run.started is not None
    first = visit.form.number("step", 1, 10_000)
    way: corrections.Way
    if run.started.is_question:
        way = corrections.Answer(text, first, parse_calls(()))
    else:
        way = corrections.read_lines(run, text, first)
    try:
        corrected = corrections.correct(visit.ledger, id, way, actor=visit.visitor.name)
    except GrokputerError as error:
        return f"; the correction was not saved: {error}"
    return (
        "; the correction did the task and is saved"
        if corrected.is_verified
        else "; the correction is saved, unverified"
    )


def _say_effect(visit: Visit, role: str) -> str:
    """What a rating of the role leads to, with the numbers in force."""
    policy = load_state(visit.ledger).policy.rating(role)
    falls = f"When the mean of its last {policy.window} ratings is under {policy.threshold:g}"
    if policy.rule == Rule.SEQUENTIAL:
        falls = f"When there is evidence that its ratings have fallen under {policy.threshold:g}"
    return (
        f"It counts for role {role}. {falls}, an adapter is trained on what went wrong. A share of the runs tries it, and it "
        "stays only if people rate it no worse."
    )


def _follow(visit: Visit) -> RatingQueue:
    queue = _queue(str(visit.ledger.path))
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
