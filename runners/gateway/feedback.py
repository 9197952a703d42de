"""``/v1/feedback``: ratings and corrections of runs and sessions, in the name of the access key's holder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...domain.aggregates.run import TaskRun, check_stars
from ...domain.errors import NotFound
from ...domain.vocabulary import Scope
from ..use_cases import corrections, ratings, sessions
from .chat_request import BadRequest
from .replies import json_reply, read_body
from .resources import run_id

if TYPE_CHECKING:
    from ...domain.events import TaskRated
    from .gateway import Gateway
    from .owner import Desk

FIELDS = {"id", "run", "session", "stars", "issues", "comment", "step", "correction"}
"""The fields of feedback."""


async def take_feedback(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Rate or correct a run, or rate a session. The same feedback again is recorded once."""
    key = gateway.admission.require(request, Scope.FEEDBACK)
    given = _read_feedback(await read_body(request))
    result, is_new = await gateway.owner.act(lambda desk: _record(desk, given, key.holder))
    return json_reply(result, 201 if is_new else 200)


def _read_feedback(body: bytes) -> dict[str, Any]:
    """The feedback in the body. Raises ``BadRequest``."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(given, dict):
        raise BadRequest("the body is not a JSON object")
    if unknown := sorted(given.keys() - FIELDS):
        raise BadRequest(
            f"{unknown[0][:40]!r} is no field of feedback; there are {', '.join(sorted(FIELDS))}", unknown[0][:40]
        )
    if (given.get("run") is None) == (given.get("session") is None):
        raise BadRequest("give either run or session", "run")
    if given.get("stars") is None and given.get("correction") is None:
        raise BadRequest("give stars, 1 to 5, or a correction, or both", "stars")
    if given.get("session") is not None and given.keys() - {"id", "session", "stars"}:
        raise BadRequest("a session takes stars alone; give a run for the rest", "session")
    for field in ("comment", "correction", "session", "run"):
        if given.get(field) is not None and not isinstance(given[field], str):
            raise BadRequest(f"{field} is no text", field)
    issues = given.get("issues") or []
    if not isinstance(issues, list) or not all(isinstance(issue, str) for issue in issues):
        raise BadRequest("issues is no list of texts", "issues")
    return {**given, "issues": issues}


def _record(desk: Desk, given: dict[str, Any], holder: str) -> tuple[dict[str, Any], bool]:
    """Record the feedback; what is said of it, and whether anything of it is new."""
    if given.get("session") is not None:
        rated = sessions.rate_session(desk.ledger, given["session"], given["stars"], actor=holder)
        return {"session": rated.session, "stars": rated.stars, "runs": [run.hex for run in rated.rated]}, bool(
            rated.rated
        )
    run = desk.ledger.get(TaskRun, run_id(given["run"]))
    if run.started is None:
        raise NotFound(f"there is no run {given['run'][:60]}")
    result: dict[str, Any] = {"run": run.id.hex}
    is_new = False
    if given.get("stars") is not None:
        position, is_new = _rate(desk, run, given, holder)
        result |= {"stars": given["stars"], "position": position}
    if given.get("correction") is not None:
        way = corrections.Answer(given["correction"], given.get("step"))
        corrected = corrections.correct(desk.ledger, run.id, way, actor=holder)
        result |= {"correction": corrected.position, "is_verified": corrected.is_verified}
        is_new = is_new or corrected.is_new
    return result, is_new


def _rate(desk: Desk, run: TaskRun, given: dict[str, Any], holder: str) -> tuple[int, bool]:
    """The position of the rating, and whether it is new: the holder's latest rating again is not."""
    wanted = (check_stars(given["stars"]), given.get("step"), given.get("comment") or None, sorted(given["issues"]))
    own = [rating for rating in run.ratings if rating.actor == holder]
    if own and _says(desk, own[-1]) == wanted:
        position = desk.ledger.position_of(own[-1].reference)
        assert position is not None
        return position, False
    rated = ratings.rate(
        desk.ledger,
        run.id,
        given["stars"],
        actor=holder,
        issues=given["issues"],
        comment=given.get("comment"),
        step=given.get("step"),
    )
    return rated.position, True


def _says(desk: Desk, rating: TaskRated) -> tuple[int, int | None, str | None, list[str]]:
    """Stars, step, comment and issues of a recorded rating, in words."""
    comment = None if rating.comment is None else desk.ledger.get_content(rating.comment)
    return rating.stars, rating.step, comment, sorted(map(desk.ledger.say, rating.issues))
