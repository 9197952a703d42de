"""What can be read over HTTP: models, runs, and whether the gateway is well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiohttp import web

from ....domain.aggregates.run import TaskRun
from ....domain.errors import NotFound
from ....domain.settings.settings import ROLES
from ....domain.vocabulary import Scope
from ...use_cases.runs import BASE
from ..exchange import NOT_KEPT
from ..replies import json_reply

if TYPE_CHECKING:
    from ...store.log import Log
    from ..gateway import Gateway


async def list_models(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """The roles, the base and the adapters, in OpenAI's form."""
    gateway.admission.require(request, Scope.INFER)
    return json_reply({"object": "list", "data": _models(gateway)})


async def show_model(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """One of them."""
    gateway.admission.require(request, Scope.INFER)
    name = request.match_info["model"]
    for model in _models(gateway):
        if model["id"] == name:
            return json_reply(model)
    raise NotFound(f"there is no model {name[:60]!r}")


async def show_run(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """What the log knows of a run, in JSON."""
    gateway.admission.require(request, Scope.FEEDBACK)
    id = run_id(request.match_info["run"])
    return json_reply(await gateway.owner.read(lambda log: _run(log, id)))


async def say_live(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """That the process lives."""
    return json_reply({"status": "live"})


async def say_ready(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Whether requests can be taken: the log can be written, and the gateway is not about to stop."""
    problem = "stopping" if gateway.admission.room.is_closed else gateway.owner.problem
    if problem:
        return json_reply({"status": "not ready", "problem": problem}, 503, {"retry-after": "1"})
    return json_reply({"status": "ready"})


def _models(gateway: Gateway) -> list[dict[str, Any]]:
    state = gateway.owner.state
    assert state is not None  # it is there before requests are taken
    base = state.policy.model.base
    common = {"object": "model", "created": 0, "owned_by": "grokputer"}
    roles = [{"id": role, **common, "kind": "role", "parent": state.traffic(role).stable or BASE} for role in ROLES]
    adapters = [
        {"id": name, **common, "kind": "adapter", "root": adapter.base, "parent": adapter.parent or BASE,
         "role": adapter.role, "status": str(adapter.status)}
        for name, adapter in dict(state.registry.adapters).items()  # a copy: another thread adds to it
    ]  # fmt: skip
    return [*roles, {"id": BASE, **common, "kind": "base", "root": base}, *adapters]


def _run(log: Log, id: UUID) -> dict[str, Any]:
    run = log.get(TaskRun, id)
    started = run.started
    if started is None:
        raise NotFound(f"there is no run {id.hex}")
    content = log.get_content
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
        "pictures": {key: content(key) for key in run.pictures},
        "keeps_texts": bool(run.steps[-1].prompt) if run.steps else started.task != NOT_KEPT,
        "tokens": run.tokens,
        "stars": [rating.stars for rating in run.ratings],
        "is_corrected": bool(run.corrections),
    }


def run_id(text: str) -> UUID:
    """The id that the text names, also as the id of a completion. Raises ``NotFound``."""
    try:
        return UUID(text.removeprefix("chatcmpl-"))
    except ValueError:
        raise NotFound(f"there is no run {text[:60]!r}") from None
