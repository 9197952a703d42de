"""Comparing a run that a program gives again with the run that was recorded under the same id.

An unknown duration or count of the given run contradicts nothing, and neither does what was erased from the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotPossible
from ...domain.events import StepTaken, TaskAnswered, TaskFailed
from ...domain.events.base import KEY
from ...domain.page.tools import read_stored
from ...domain.rules.imported import IMPORTED, UNKNOWN
from .foreign import ForeignRating
from .program_runs import ProgramRun, ProgramStep, show

if TYPE_CHECKING:
    from ..store.log import Log


class _Erased(str):
    """Stands for a text that was erased."""


ERASED = _Erased("(erased)")

RUN_FIELDS = ("task", "succeeded", "reason", "detail", "role", "adapter", "session", "duration_ms")
"""The fields of a run that are compared one by one; its steps and ratings have fields of their own."""
STEP_FIELDS = ("prompt", "answer", "error", "duration_ms", "prompt_tokens", "completion_tokens", "tools", "tool_calls")
MAY_BE_UNKNOWN = ("duration_ms", "prompt_tokens", "completion_tokens")


def read_back(log: Log, run: TaskRun) -> ProgramRun:
    """The ended run as the program gave it, in the form of ``check_run``, without its id and rating.

    Texts that were erased are ``ERASED``.
    """
    started, ended = run.started, run.ended
    assert started is not None and ended is not None
    failed = ended if isinstance(ended, TaskFailed) else None
    return ProgramRun(
        environment=started.environment,
        task=_text(log, started.task),
        steps=tuple(_read_step(log, step) for step in run.steps),
        succeeded=None if isinstance(run.ended, TaskAnswered) else failed is None,
        reason=None if failed is None else failed.reason,
        detail="" if failed is None else _text(log, failed.detail),
        role=started.role,
        adapter=UNKNOWN if started.adapter == IMPORTED else started.adapter,
        session=started.session,
        duration_ms=ended.duration_ms,
    )


def read_ratings(log: Log, run: TaskRun) -> list[ForeignRating]:
    """People's ratings of the run, in words; erased texts are ``ERASED``."""
    return [
        ForeignRating(
            rating.stars,
            None if rating.comment is None else _text(log, rating.comment),
            tuple(_text(log, issue) for issue in rating.issues),
            _text(log, rating.actor),
            rating.step,
        )
        for rating in run.ratings
        if rating.source == "human"
    ]


def require_same(log: Log, run: TaskRun, given: ProgramRun) -> None:
    """Raise ``NotPossible`` where the recorded run is another than the given one, with the first difference."""
    for field, known, now in _differences(read_back(log, run), given):
        raise NotPossible(
            f"id {show(given.id)} is that of run {run.id.hex[:8]}, whose {field} is {show(known)}, and it is given as "
            f"{show(now)}; give another run another id, and a recorded run unchanged"
        )


def is_rated_so(log: Log, run: TaskRun, given: ProgramRun, rating: ForeignRating) -> bool:
    """Whether the rating is in the log already, and not a new one by another person.

    Raises ``NotPossible`` where the same person has rated the run otherwise.
    """
    own = [known for known in read_ratings(log, run) if known.rater in (rating.rater, ERASED)]
    if any(_is_same_rating(known, rating) for known in own):
        return True
    for known in own:
        if known.rater is not ERASED:
            raise NotPossible(
                f"id {show(given.id)} is that of run {run.id.hex[:8]}, which {show(known.rater)} has rated {known.stars} "
                f"with {_describe(known)}, and it is given with {rating.stars} and {_describe(rating)}; rate the recorded "
                "run to change its rating"
            )
    return False


def _differences(known: ProgramRun, given: ProgramRun) -> Iterator[tuple[str, object, object]]:
    for field in RUN_FIELDS:
        yield from _difference(field, getattr(known, field), getattr(given, field))
    if len(known.steps) != len(given.steps):
        yield "number of steps", len(known.steps), len(given.steps)
    for number, (was, now) in enumerate(zip(known.steps, given.steps, strict=False), 1):
        for field in STEP_FIELDS:
            for name, before, after in _difference(field, getattr(was, field), getattr(now, field)):
                yield f"{name} of step {number}", before, after


def _difference(field: str, known: object, given: object) -> Iterator[tuple[str, object, object]]:
    is_open = given is None and field in MAY_BE_UNKNOWN
    if known is not ERASED and known != given and not is_open:
        yield field, known, given


def _is_same_rating(known: ForeignRating, given: ForeignRating) -> bool:
    pairs = [(known.comment, given.comment), *zip(known.issues, given.issues, strict=False)]
    is_same_number = (known.stars, known.step, len(known.issues)) == (given.stars, given.step, len(given.issues))
    return is_same_number and all(was is ERASED or was == now for was, now in pairs)


def _describe(rating: ForeignRating) -> str:
    comment = "no comment" if rating.comment is None else f"comment {show(rating.comment)}"
    issues = f", issues {show(list(rating.issues))}" if rating.issues else ""
    step = "" if rating.step is None else f", step {rating.step} at fault"
    return f"{comment}{issues}{step}"


def _read_step(log: Log, step: StepTaken) -> ProgramStep:
    prompt = _text(log, step.prompt)
    is_whole = not step.error or KEY.fullmatch(step.error) is not None  # earlier programs left parts of an error out
    return ProgramStep(
        prompt if prompt is ERASED else tuple(json.loads(prompt)),
        _text(log, step.answer),
        _text(log, step.error) if is_whole else ERASED,
        step.model_ms,
        step.prompt_tokens,
        step.completion_tokens,
        _items(log, step.tools),
        _items(log, step.tool_calls),
    )


def _items(log: Log, key: str | None) -> Any:
    """The definitions or calls under the key; empty without one."""
    items = read_stored(key, log.get_content)
    return ERASED if items is None else tuple(items)


def _text(log: Log, field: str) -> str:
    """The text that the field holds or names."""
    if not KEY.fullmatch(field):
        return field
    text = log.get_content(field)
    return ERASED if text is None else text
