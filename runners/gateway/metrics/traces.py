"""An ended run as a trace of OpenTelemetry, in OTLP's JSON. It has times, counts and names, and no words of anybody.

Ids follow from the run's, so a run that is sent twice is the same trace. Sources: the OTLP specification 1.5 (JSON), and
OpenTelemetry's semantic conventions for generative AI.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ....domain.events import TaskFailed
from ....projections.state.ratings import BASE
from .folded import OPERATION

if TYPE_CHECKING:
    from ....domain.aggregates.run import TaskRun
    from ....domain.events import StepTaken

INTERNAL, CLIENT = 1, 3
"""Kinds of spans."""
OK, ERROR = 1, 2
"""Statuses of spans."""
CHAT, PROVIDER = OPERATION


def write_request(runs: Iterable[TaskRun]) -> dict[str, Any]:
    """The body of a request that exports these runs, which have ended."""
    resource = {"service.name": "grokputer", "service.version": version("grokputer")}
    spans = [span for run in runs for span in write_spans(run)]
    scope = {"name": "grokputer", "version": version("grokputer")}
    return {
        "resourceSpans": [
            {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [{"scope": scope, "spans": spans}]}
        ]
    }


def write_spans(run: TaskRun) -> list[dict[str, Any]]:
    """The span of the run, and one for each answer of a model."""
    started, ended = run.started, run.ended
    assert started is not None and ended is not None
    failure, tokens = (str(ended.reason) if isinstance(ended, TaskFailed) else None), run.tokens
    whole = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.agent.name": started.role,
        "gen_ai.request.model": started.adapter or BASE,
        "gen_ai.conversation.id": started.session,
        "gen_ai.usage.input_tokens": tokens and tokens[0],
        "gen_ai.usage.output_tokens": tokens and tokens[1],
        "error.type": failure,
        "grokputer.run": run.id.hex,
        "grokputer.arm": str(started.arm),
        "grokputer.rollout": started.rollout,
        "grokputer.environment": started.environment,
        "grokputer.steps": ended.steps,
        "grokputer.succeeded": run.succeeded,
    }
    root = {
        **_span(run, "run", f"invoke_agent {started.role}", INTERNAL, (started.time, ended.time), whole),
        "status": {"code": ERROR if failure else OK},
    }
    adapters = {each["role"]: each["adapter"] or started.adapter or BASE for each in started.assignments}
    return [
        root,
        *(_write_step(run, step, root["spanId"], adapters) for step in run.steps if step.model_ms is not None),
    ]


def _write_step(run: TaskRun, step: StepTaken, parent: str, adapters: Mapping[str, str]) -> dict[str, Any]:
    role, model_ms = run.role_of(step), step.model_ms or 0
    model = adapters.get(role, BASE)
    ended = step.time - timedelta(milliseconds=step.environment_ms)
    values = {
        "gen_ai.operation.name": CHAT,
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": model,
        "gen_ai.agent.name": role,
        "gen_ai.usage.input_tokens": step.prompt_tokens,
        "gen_ai.usage.output_tokens": step.completion_tokens,
        "grokputer.step": step.step,
        "grokputer.step.failed": bool(step.error),
    }
    times = ended - timedelta(milliseconds=model_ms), ended
    return {**_span(run, str(step.step), f"{CHAT} {model}", CLIENT, times, values), "parentSpanId": parent}


def _span(
    run: TaskRun, part: str, name: str, kind: int, times: tuple[datetime, datetime], values: Mapping[str, Any]
) -> dict[str, Any]:
    began, ended = times
    return {
        "traceId": run.id.hex,
        "spanId": hashlib.sha256(f"{run.id.hex}/{part}".encode()).hexdigest()[:16],
        "name": name,
        "kind": kind,
        "startTimeUnixNano": _nanoseconds(min(began, ended)),
        "endTimeUnixNano": _nanoseconds(ended),
        "attributes": _attributes(values),
    }


def _nanoseconds(time: datetime) -> str:
    """Since 1970, as JSON has it: a 64-bit number is text."""
    since = time - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return str((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000)


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that are known."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}
