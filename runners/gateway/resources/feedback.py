"""``/v1/feedback``: ratings and corrections of runs and sessions, in the name of the access key's holder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiohttp import web

from ....domain.aggregates.run import TaskRun
from ....domain.errors import BadRating, BadText, NotEnded
from ....domain.rules.rating import check_stars, check_words
from ....domain.text import check_text
from ....domain.vocabulary import Scope
from ...feedback.corrections import BadCorrection
from ...use_cases.corrections import check_length
from ...use_cases.intake.feedback import OtherFeedback, ProgramFeedback, TakenFeedback, take_feedback
from ..chat_request import LONGEST_SESSION, BadRequest, naming, read_object
from ..replies import LONGEST_FORM, Refused, json_reply, read_body
from .catalog import run_id

if TYPE_CHECKING:
    from ..gateway import Gateway

FIELDS = ("id", "run", "session", "stars", "issues", "comment", "step", "correction")
"""The fields of feedback."""
LONGEST_ID = 255
"""Characters of an id; chosen."""
WAIT_S = 2.0
"""Seconds that feedback waits for the end of its run; chosen: the answer of a stream is often rated as its last words come."""
LOOK_S = 0.1
"""Seconds between two looks whether the run has ended; chosen."""


async def take(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Rate or correct a run, or rate a session. The same feedback again is recorded once."""
    key = gateway.admission.require(request, Scope.FEEDBACK)
    feedback = read_feedback(read_object(await read_body(request, LONGEST_FORM)))
    taken = await record(gateway, feedback, key.holder)
    return json_reply(say_taken(taken), 201 if taken.is_new else 200)


async def record(gateway: Gateway, feedback: ProgramFeedback, holder: str) -> TakenFeedback:
    """Record the feedback once its run has ended. Raises ``Refused``: 409 where that takes long, and 422 where its id came
    with other feedback before."""
    deadline = time.monotonic() + WAIT_S
    gateway.owner.require_going()
    while True:
        try:
            return await gateway.owner.act(lambda desk: take_feedback(desk.ledger, feedback, holder, desk.state))
        except OtherFeedback as error:
            raise Refused(422, str(error), {"x-should-retry": "false"}) from error
        except NotEnded as error:
            if not await _have_ended(gateway, [UUID(run) for run in error.runs], deadline):
                raise Refused(409, str(error), {"retry-after": "1"}) from error


async def _have_ended(gateway: Gateway, runs: Sequence[UUID], deadline: float) -> bool:
    """Whether one of the runs has ended; waits for that until the deadline."""
    while time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
        if await gateway.owner.read(lambda log: any(log.get(TaskRun, run).ended for run in runs)):
            return True
    return False


def say_taken(taken: TakenFeedback) -> dict[str, Any]:
    """What was recorded, as the gateway says it."""
    if taken.session is not None:
        return {"session": taken.session, "stars": taken.stars, "runs": [run.hex for run in taken.runs]}
    assert taken.run is not None
    said: dict[str, Any] = {"run": taken.run.hex}
    if taken.stars is not None:
        said |= {"stars": taken.stars, "position": taken.position}
    if taken.correction is not None:
        said |= {"correction": taken.correction, "is_verified": taken.is_verified}
    return said


def read_feedback(given: dict[str, Any]) -> ProgramFeedback:
    """The feedback in these fields. Raises ``BadRequest`` with the field that is wrong, and ``NotFound`` for no run's id."""
    if unknown := sorted(given.keys() - set(FIELDS)):
        raise BadRequest(
            f"{unknown[0][:40]!r} is no field of feedback; there are {', '.join(sorted(FIELDS))}", unknown[0][:40]
        )
    if (given.get("run") is None) == (given.get("session") is None):
        raise BadRequest("give either run or session", "run")
    if given.get("stars") is None and given.get("correction") is None:
        raise BadRequest("give stars, 1 to 5, or a correction, or both", "stars")
    more = {name for name, value in given.items() if value is not None} - {"id", "session", "stars"}
    if given.get("session") is not None and more:
        raise BadRequest("a session takes stars alone; give a run for the rest", "session")
    texts = {field: read_text(given, field) for field in ("id", "run", "session", "comment", "correction")}
    if texts["session"] is not None and len(texts["session"]) > LONGEST_SESSION:
        raise BadRequest(f"session takes at most {LONGEST_SESSION} characters", "session")
    step = given.get("step")
    if step is not None and (not isinstance(step, int) or isinstance(step, bool) or step < 1):
        raise BadRequest("step is no whole number from 1 on", "step")
    return ProgramFeedback(
        run=None if texts["run"] is None else run_id(texts["run"]),
        session=texts["session"],
        stars=_read_stars(given.get("stars")),
        issues=_read_issues(given.get("issues")),
        comment=check_comment(texts["comment"], "comment"),
        step=step,
        correction=check_correction(texts["correction"], "correction"),
        id=check_id(texts["id"]),
    )


def read_text(given: dict[str, Any], field: str) -> str | None:
    """The text in the field; None where there is none. Raises ``BadRequest`` for another value."""
    value = given.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequest(f"{field} is no text", field)
    with naming(field, BadText):
        return check_text(value, field)


def check_comment(comment: str | None, field: str) -> str | None:
    """The comment. Raises ``BadRequest`` with the field for one that is longer than is kept."""
    with naming(field, BadRating):
        check_words(comment, ())
    return comment


def check_correction(correction: str | None, field: str) -> str | None:
    """The correction. Raises ``BadRequest`` with the field for one that is blank, or longer than is kept."""
    if correction is not None and not correction.strip():
        raise BadRequest("the correction must not be empty; give the right answer", field)
    with naming(field, BadCorrection):
        check_length(correction or "")
    return correction


def check_id(id: str | None) -> str | None:
    """The id of feedback. Raises ``BadRequest``."""
    if id is not None and not (0 < len(id) <= LONGEST_ID and id.isprintable()):
        raise BadRequest(f"id takes 1 to {LONGEST_ID} printable characters", "id")
    return id


def _read_stars(given: object) -> int | None:
    with naming("stars", BadRating):
        return None if given is None else check_stars(given)


def _read_issues(given: object) -> tuple[str, ...]:
    issues = [] if given is None else given
    if not isinstance(issues, list) or not all(isinstance(issue, str) for issue in issues):
        raise BadRequest("issues is no list of texts", "issues")
    with naming("issues", BadRating, BadText):
        check_words(None, issues)
        return tuple(check_text(issue, "issues") for issue in issues)
