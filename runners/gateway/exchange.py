"""One request and its answer as facts: the run begins before the answer does, and ends before the answer's last byte."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.aggregates.base import Aggregate, Context, derive_id
from ...domain.aggregates.run import TaskRun
from ...domain.errors import Hint, NotFound
from ...domain.events import Capability
from ...domain.page.tools import read_stored
from ...domain.rules.routing import DRAWN_BY, NGINX, Route, pin, route
from ...domain.settings.settings import ROLES
from ...domain.text import as_text
from ...domain.vocabulary import Arm, FailureReason
from ...projections.state.open_runs import ACCESS_KEY
from ..agent.abandoned import HELD_BY
from ..environments.names import CHAT
from ..use_cases.runs import BASE
from .completions import CompletionWriter

if TYPE_CHECKING:
    from ...adapters.serving.reply import Reply
    from ...domain.settings.running import ModelSettings
    from ...domain.settings.training import CostSettings
    from ...projections.state.state import State
    from .chat_request import ChatRequest
    from .owner import Change, Desk

DEFAULT_ROLE = "action"
"""The role of requests that name the base model as its endpoint does: programs that change only URL and key."""


NOT_KEPT = ""
"""In place of the content key of a text that is not kept."""


@dataclass
class Exchange:
    """A request whose run has begun."""

    run: TaskRun
    asked: ChatRequest
    role: str
    route: Route
    model: ModelSettings
    """Where it is answered."""
    prices: CostSettings
    keeps_texts: bool = True
    """Whether its texts are stored; its other facts always are."""
    is_repeatable: bool = False
    """Whether it has an idempotency key, so that its answer may be asked for again."""
    tuned: str = ""
    """The model that the adapter is at the endpoint that tuned it; empty for any other adapter."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def name_there(self) -> str:
        """The name of the model that is asked at an endpoint."""
        return self.tuned or self.adapter or self.model.base

    @property
    def adapter(self) -> str | None:
        """The adapter that answers; None is the base."""
        return self.route.adapter

    @property
    def writer(self) -> CompletionWriter:
        """The writer of its completion."""
        return CompletionWriter(self.run.id, self.asked.model, self.asked.wants_usage)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that name the run and who answered."""
        return name_headers(self.run)


@dataclass(frozen=True)
class Ending:
    """The end of an exchange: an answer, whole or in part, and what went wrong."""

    reply: Reply | None = None
    problem: str = ""
    reason: FailureReason = FailureReason.ENVIRONMENT
    """Where there is a problem. ``environment`` counts for no arm."""
    completion: str | None = None
    """The whole answer as JSON, where it may be asked for again."""


@dataclass(frozen=True)
class Repeated:
    """A request that repeats an earlier one by its idempotency key: the run of that one."""

    run: TaskRun
    is_same: bool
    """Whether both ask the same, as far as that is known."""
    text: str | None
    """The answer that was given; None where it was erased or not kept, and while there is none."""
    calls: Sequence[Any]
    completion: str | None = None
    """The whole answer as it was given, JSON; None where it was erased or not kept, and of runs of earlier versions."""


def name_headers(run: TaskRun) -> dict[str, str]:
    """The headers of a response about this run."""
    started = run.started
    assert started is not None
    return {
        "x-request-id": run.id.hex,
        "x-grokputer-run": run.id.hex,
        "x-grokputer-role": started.role,
        "x-grokputer-arm": str(started.arm),
        "x-grokputer-adapter": started.adapter or BASE,
    }


@dataclass(frozen=True)
class ProcessPin:
    """The adapter that this process is pinned to, because a proxy before several such processes draws the arms."""

    adapter: str
    """``base`` for the base."""
    drawn: str | None = None
    """The arm that the proxy says it drew for a request; None where it says nothing."""

    def applies_to(self, role: str, state: State) -> bool:
        """Whether it decides about the role: that of the adapter; the base answers for all roles."""
        return self.adapter == BASE or state.registry.adapters[self.adapter].role == role


def begin(
    asked: ChatRequest,
    holder: str,
    session: str | None,
    id: UUID,
    key: str,
    pinned: ProcessPin | None = None,
    *,
    is_repeatable: bool,
) -> Change[Exchange | Repeated]:
    """The change that begins the run of the request. It raises ``NotFound`` for an unknown model.

    ``holder`` is the content key of the name of the access key's holder, ``key`` the key's id. ``id`` is the run's, always the
    same for a request that ``is_repeatable``: it may come again.
    """

    def change(desk: Desk) -> tuple[Sequence[Aggregate], Exchange | Repeated]:
        run = desk.ledger.get(TaskRun, id) if is_repeatable else TaskRun(id)
        if run.started is not None:
            return (), _repeated(desk, run, asked)
        role, chosen = choose(desk.state, asked.model, id, session, pinned)
        drawn = {DRAWN_BY: NGINX} if is_drawn_outside(desk.state, asked.model, role, pinned) else {}
        keeps_texts = is_sampled(id, desk.state.policy.gateway(role).texts_percent)
        run.start(
            desk.ledger.context(holder),
            role=role,
            arm=chosen.arm,
            adapter=chosen.adapter,
            rollout=chosen.rollout,
            environment=CHAT,
            capabilities=(Capability.QUESTION,),
            task=desk.ledger.put(asked.question, "the question") if keeps_texts else NOT_KEPT,
            seed=0,
            base=desk.base_label,
            session=session,
            policy={**_policy(desk, asked, role), ACCESS_KEY: key, **drawn},
            inputs=tuple(map(desk.ledger.put_picture, asked.inputs)) if keeps_texts else (),
        )
        model, prices = desk.state.policy.model, _prices(desk, chosen)
        tuned = desk.state.registry.name_at_endpoint(chosen.adapter)
        desk.unended.discard(id)  # an earlier attempt at it was not stored
        return (run,), Exchange(run, asked, role, chosen, model, prices, keeps_texts, is_repeatable, tuned)

    return change


def finish(exchange: Exchange, ending: Ending, holder: str) -> Change[TaskRun]:
    """The change that records the answer and ends the run."""
    took_ms = round((time.perf_counter() - exchange.started) * 1000)

    def change(desk: Desk) -> tuple[Sequence[Aggregate], TaskRun]:
        run, reply = exchange.run, ending.reply
        if reply is not None:
            _take_step(desk, exchange, reply, took_ms, holder, ending.completion)
        context = _after(desk, run, holder)
        if ending.problem:
            detail = desk.ledger.put(as_text(ending.problem), "the problem")
            run.fail(ending.reason, detail, took_ms, 0.0, desk.state.policy, context, turn=exchange.role)
        elif reply is None or not (reply.text.strip() or reply.calls):
            run.fail(FailureReason.WRONG, "no answer", took_ms, 0.0, desk.state.policy, context)
        else:
            run.answer(took_ms, context)
        return (run,), run

    return change


def is_sampled(run: UUID, percent: int) -> bool:
    """Whether the texts of the run are kept, where this share of all runs keeps them: always the same for one run."""
    return derive_id("texts", run).int % 100 < percent


def is_drawn_outside(state: State, model: str, role: str, pinned: ProcessPin | None) -> bool:
    """Whether a proxy has drawn the arm of a request to this model: it names a role, which this process is pinned for."""
    names_role = model in ROLES or model == state.policy.model.base
    return names_role and pinned is not None and pinned.applies_to(role, state)


def choose(
    state: State, model: str, id: UUID, session: str | None, pinned: ProcessPin | None = None
) -> tuple[str, Route]:
    """The role and the route of a request to this model. Raises ``NotFound`` for an unknown one.

    A role is routed by its traffic, or to the adapter that the process is pinned to. An adapter, or ``base``, is pinned and
    counts for no arm. The base's own name, which a program asks for that changed only URL and key, is the role ``action``.
    """
    if model in ROLES or model == state.policy.model.base:
        role = model if model in ROLES else DEFAULT_ROLE
        if pinned is not None and is_drawn_outside(state, model, role, pinned):
            own = None if pinned.adapter == BASE else pinned.adapter
            return role, pin(state.traffic(role), own, session, pinned.drawn)
        return role, route(state.traffic(role), id.hex, session)
    if model == BASE:
        return DEFAULT_ROLE, Route(Arm.PINNED, None, None)
    adapter = state.registry.adapters.get(model)
    if adapter is None:
        raise NotFound(
            f"there is no model {model[:60]!r}; there are {', '.join(model_names(state))}", hint=Hint.SEE_ADAPTERS
        )
    return adapter.role, Route(Arm.PINNED, adapter.name, None)


def model_names(state: State) -> list[str]:
    """The names that a request can give as its model."""
    return [*ROLES, BASE, *state.registry.adapters]


def _prices(desk: Desk, chosen: Route) -> CostSettings:
    """The prices of the model that answers."""
    return desk.state.policy.cost.of_model(chosen.adapter, desk.state.policy.model.base)


def _policy(desk: Desk, asked: ChatRequest, role: str) -> dict[str, Any]:
    """The settings of the run: those of the request where it has them."""
    run, state = desk.state.policy.run(role), desk.state
    percent = state.policy.gateway(role).texts_percent
    return {
        **({} if percent == 100 else {"gateway.texts_percent": percent}),
        "run.max_tokens": asked.max_tokens or run.max_tokens,
        "run.temperature": run.temperature if asked.temperature is None else asked.temperature,
        "canary_weight_percent": state.traffic(role).weight_percent,
        HELD_BY: desk.gateway.hex,
    }


def _take_step(desk: Desk, exchange: Exchange, reply: Reply, took_ms: int, holder: str, completion: str | None) -> None:
    asked = exchange.asked

    def put(text: str, what: str) -> str:
        return desk.ledger.put(text, what) if exchange.keeps_texts else NOT_KEPT

    prompt, pictures = _prompt(desk, asked) if exchange.keeps_texts else (NOT_KEPT, [])
    if pictures:
        exchange.run.keep_pictures(pictures, _after(desk, exchange.run, holder))
    exchange.run.take_step(
        _after(desk, exchange.run, holder),
        prompt=put(prompt, "the prompt"),
        answer=put(reply.text, "the answer"),
        tools=put(json.dumps(asked.tools, ensure_ascii=False), "the tools") if asked.tools else None,
        tool_calls=put(json.dumps(reply.calls, ensure_ascii=False), "the calls") if reply.calls else None,
        error="",
        model_ms=took_ms,
        environment_ms=0,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        completion=put(completion, "the answer") if completion and exchange.keeps_texts else None,
    )


def _prompt(desk: Desk, asked: ChatRequest) -> tuple[str, list[str]]:
    """The conversation in JSON, and the content keys of its pictures, which stand in it in place of their marks."""
    prompt, keys = json.dumps(asked.messages, ensure_ascii=False), list[str]()
    for digest, picture in asked.media.items():
        keys.append(desk.ledger.put_picture(picture, digest.removeprefix("sha256:")))
        prompt = prompt.replace(f" {digest}]", f" {keys[-1]}]")
    return prompt, keys


def _repeated(desk: Desk, run: TaskRun, asked: ChatRequest) -> Repeated:
    assert run.started is not None
    question = desk.ledger.get_content(run.started.task)
    if not run.steps:
        return Repeated(run, question in (None, asked.question), None, ())
    step = run.steps[-1]
    prompt = desk.ledger.get_content(step.prompt)
    is_same = prompt is None or json.loads(prompt) == json.loads(_prompt(desk, asked)[0])
    calls = read_stored(step.tool_calls, desk.ledger.get_content)
    text = desk.ledger.get_content(step.answer)
    completion = None if step.completion is None else desk.ledger.get_content(step.completion)
    return Repeated(run, is_same, None if calls is None else text, calls or (), completion)


def _after(desk: Desk, run: TaskRun, holder: str) -> Context:
    """The context of the run's next event, which the one before it causes."""
    return desk.ledger.context(holder, f"{run.id}/{run.version}")
