"""The other addresses: models, runs, feedback and health."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiohttp import web

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotFound
from ...domain.settings.settings import ROLES
from ...domain.vocabulary import Scope
from ..use_cases import corrections, ratings, sessions
from ..use_cases.runs import BASE
from .chat_request import BadRequest
from .replies import json_reply

if TYPE_CHECKING:
    from ...projections.state.state import State
    from .gateway import Gateway
    from .owner import Desk

FIELDS = {"id", "run", "session", "stars", "issues", "comment", "step", "correction"}
"""The fields of feedback."""


async def list_models(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """The roles, the base and the adapters, in OpenAI's form."""
    gateway.admission.require(request, Scope.INFER)
    listed = await gateway.owner.act(lambda desk: _models(desk.state))
    return json_reply({"object": "list", "data": listed})


async def show_model(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """One of them."""
    gateway.admission.require(request, Scope.INFER)
    name = request.match_info["model"]
    listed = await gateway.owner.act(lambda desk: _models(desk.state))
    for model in listed:
        if model["id"] == name:
            return json_reply(model)
    raise NotFound(f"there is no model {name[:60]!r}")


async def show_run(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """What the log knows of a run, in JSON."""
    gateway.admission.require(request, Scope.FEEDBACK)
    id = _uuid(request.match_info["run"].removeprefix("chatcmpl-"))
    return json_reply(await gateway.owner.act(lambda desk: _run(desk, id)))


async def take_feedback(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Rate or correct a run, or rate a session. The same feedback again is recorded once."""
    key = gateway.admission.require(request, Scope.FEEDBACK)
    given = _read_feedback(await request.read())
    result, is_new = await gateway.owner.act(lambda desk: _record(desk, given, key.holder))
    return json_reply(result, 201 if is_new else 200)


async def say_live(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """That the process lives."""
    return json_reply({"status": "live"})


async def say_ready(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Whether requests can be taken: the log can be written, and the gateway is not about to stop."""
    problem = "stopping" if gateway.is_draining else gateway.owner.problem
    if problem:
        return json_reply({"status": "not ready", "problem": problem}, 503, {"retry-after": "1"})
    return json_reply({"status": "ready"})


def _models(state: State) -> list[dict[str, Any]]:
    base = state.policy.model.base
    common = {"object": "model", "created": 0, "owned_by": "grokputer"}
    roles = [{"id": role, **common, "kind": "role", "parent": state.traffic(role).stable or BASE} for role in ROLES]
    adapters = [
        {"id": name, **common, "kind": "adapter", "root": adapter.base, "parent": adapter.parent or BASE,
         "role": adapter.role, "status": str(adapter.status)}
        for name, adapter in state.registry.adapters.items()
    ]  # fmt: skip
    return [*roles, {"id": BASE, **common, "kind": "base", "root": base}, *adapters]


def _run(desk: Desk, id: UUID) -> dict[str, Any]:
    run = desk.ledger.get(TaskRun, id)
    started = run.started
    if started is None:
        raise NotFound(f"there is no run {id.hex}")
    content = desk.ledger.get_content
    prompt = content(run.steps[-1].prompt) if run.steps else None
    return {
        "run": id.hex,
        "role": started.role,
        "arm": str(started.arm),
        "adapter": started.adapter or BASE,
        "session": started.session,
        "started": started.time.isoformat(),
        "has_ended": run.ended is not None,
        "succeeded": run.succeeded,
        "failure": None if run.failure is None else str(run.failure),
        "messages": None if prompt is None else json.loads(prompt),
        "answer": content(run.steps[-1].answer) if run.steps else None,
        "tokens": run.tokens,
        "stars": [rating.stars for rating in run.ratings],
        "is_corrected": bool(run.corrections),
    }


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
    run = desk.ledger.get(TaskRun, _uuid(given["run"].removeprefix("chatcmpl-")))
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
    """The position of the rating, and whether it is new: a repeated one of the same person is not."""
    own = [rating for rating in run.ratings if rating.actor == holder]
    if own and (own[-1].stars, own[-1].step) == (given["stars"], given.get("step")):
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


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no run {text[:60]!r}") from None
