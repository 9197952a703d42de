"""Feedback in the forms of TensorZero and Langfuse, at the addresses where their users send it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from ....domain.aggregates.feedback import feedback_id
from ....domain.aggregates.run import TaskRun
from ....domain.errors import BadText, NotPossible
from ....domain.text import check_text
from ....domain.vocabulary import Scope
from ...use_cases.intake.feedback import ProgramFeedback
from ..chat_request import BadRequest, naming, read_object
from ..replies import LONGEST_FORM, json_reply, read_body
from .catalog import run_id
from .feedback import check_comment, check_correction, check_id, read_text, record

if TYPE_CHECKING:
    from ..gateway import Gateway
    from ..owner import Desk

MOST_STARS = 5
IN_STARS = ("stars", "rating")
"""The names of scores that are stars, 1 to 5. All others are from 0 to 1, or boolean."""


async def take_tensorzero(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """``POST /feedback`` of TensorZero. Source: tensorzero.com/docs/gateway/api-reference/feedback."""
    key = gateway.admission.require(request, Scope.FEEDBACK)
    given = read_object(await read_body(request, LONGEST_FORM))
    id = check_id(request.headers.get("idempotency-key")) or uuid4().hex
    feedback = read_tensorzero(given, id)
    if given.get("dryrun") is not True:
        if given.get("metric_name") == "comment":
            feedback = await gateway.owner.act(lambda desk: _with_latest_stars(desk, feedback, key.holder))
        await record(gateway, feedback, key.holder)
    return json_reply({"feedback_id": str(feedback_id(key.holder, id))})


async def take_langfuse(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """``POST /api/public/scores`` of Langfuse. Source: api.reference.langfuse.com, scores.

    The access key comes as the password of Basic authentication, in place of Langfuse's secret key.
    """
    key = gateway.admission.require(request, Scope.FEEDBACK, is_basic=True)
    feedback = read_langfuse(read_object(await read_body(request, LONGEST_FORM)))
    await record(gateway, feedback, key.holder)
    return json_reply({"id": feedback.id})


def read_tensorzero(given: dict[str, Any], id: str) -> ProgramFeedback:
    """TensorZero's feedback. Raises ``BadRequest``.

    A ``demonstration`` is a correction; a ``comment`` has no stars yet.
    """
    run, session = read_text(given, "inference_id"), read_text(given, "episode_id")
    if (run is None) == (session is None):
        raise BadRequest("give either inference_id, which is a run, or episode_id, which is a session", "inference_id")
    name, value = read_text(given, "metric_name"), given.get("value")
    if not name:
        raise BadRequest("metric_name is missing", "metric_name")
    if name not in ("comment", "demonstration"):
        stars = stars_of(name, value)
        return ProgramFeedback(run=None if run is None else run_id(run), session=session, stars=stars, id=id)
    if run is None:
        raise BadRequest(f"a {name} is about an inference; a session takes scores alone", "episode_id")
    if name == "comment":
        return ProgramFeedback(run=run_id(run), comment=check_comment(read_text(given, "value"), "value") or "", id=id)
    return ProgramFeedback(run=run_id(run), correction=_text_of(value), id=id)


def read_langfuse(given: dict[str, Any]) -> ProgramFeedback:
    """Langfuse's score. Raises ``BadRequest``. An observation is a run, and so is a trace."""
    run = read_text(given, "observationId") or read_text(given, "traceId")
    session = None if run is not None else read_text(given, "sessionId")
    if run is None and session is None:
        raise BadRequest("give traceId, which is a run, or sessionId", "traceId")
    name, comment = read_text(given, "name"), check_comment(read_text(given, "comment"), "comment")
    if not name:
        raise BadRequest("name is missing", "name")
    if session is not None and comment:
        raise BadRequest("a session takes a score alone; give a traceId for the comment", "comment")
    target: dict[str, Any] = {"run": None if run is None else run_id(run), "session": session}
    target["id"] = check_id(read_text(given, "id")) or uuid4().hex
    kind, value = given.get("dataType"), given.get("value")
    if kind == "CORRECTION":
        if run is None:
            raise BadRequest("a correction needs a traceId", "traceId")
        return ProgramFeedback(**target, correction=_text_of(value))
    if kind == "BOOLEAN" and not isinstance(value, bool):
        if value not in (0, 1):
            raise BadRequest("value of a BOOLEAN score is 0 or 1", "value")
        value = bool(value)
    return ProgramFeedback(**target, stars=stars_of(name, value), comment=comment)


def stars_of(name: str, value: object) -> int:
    """The stars of a score: of one named ``stars`` or ``rating`` the value, 1 to 5; true is 5 and false 1; a number from 0
    to 1 is spread over 1 to 5, half a star up. Raises ``BadRequest`` for any other value."""
    number = float(value) if isinstance(value, int | float) and abs(value) <= MOST_STARS else math.nan
    if name.lower() in IN_STARS:
        if not isinstance(value, bool) and number in range(1, MOST_STARS + 1):
            return int(number)
        raise BadRequest(f"{name} takes 1, 2, 3, 4 or 5", "value")
    if 0 <= number <= 1:
        return 1 + math.floor((MOST_STARS - 1) * number + 0.5)
    raise BadRequest(
        f"the score {name[:40]!r} takes true, false, or a number from 0 to 1; name it stars for 1 to 5", "value"
    )


def _with_latest_stars(desk: Desk, feedback: ProgramFeedback, holder: str) -> ProgramFeedback:
    """The comment with the stars that the holder gave the run last. Raises ``NotPossible`` where there are none."""
    assert feedback.run is not None
    own = [rating for rating in desk.ledger.get(TaskRun, feedback.run).ratings if rating.actor == holder]
    if not own:
        raise NotPossible(f"run {feedback.run.hex} has no rating of this key's holder; rate it before the comment")
    issues = tuple(desk.ledger.say(own[-1].issues))
    return ProgramFeedback(
        feedback.run, stars=own[-1].stars, comment=feedback.comment, issues=issues, step=own[-1].step, id=feedback.id
    )


def _text_of(value: object) -> str:
    """The right answer: text, or a list of blocks with text."""
    blocks = value if isinstance(value, list) else [value]
    given = [block.get("text") if isinstance(block, dict) else block for block in blocks]
    texts = [text for text in given if isinstance(text, str)]
    if not texts or len(texts) < len(given):
        raise BadRequest("value of a correction is text, or a list of blocks with text", "value")
    with naming("value", BadText):
        text = check_text("\n".join(texts), "value")
    check_correction(text, "value")
    return text
