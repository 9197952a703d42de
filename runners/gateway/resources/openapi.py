"""``/openapi.json``: the gateway's API described for programs. The table here has one line for each address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ....domain.vocabulary import Scope
from ..replies import json_reply
from .schemas import FEEDBACK_ID, SCHEMAS, SESSION, Schema, ref

if TYPE_CHECKING:
    from ..gateway import Gateway

JSON, EVENTS = "application/json", "text/event-stream"
METRICS_FORMS = ("text/plain", "application/openmetrics-text")


@dataclass(frozen=True)
class Operation:
    """What one address does."""

    summary: str
    scope: Scope | None
    """The scope that a key needs; None where no key is needed."""
    gives: dict[int, str]
    """The schema of the response by its status. Every other response is an ``Error``."""
    takes: str | None = None
    """The schema of the request's body."""
    headers: tuple[str, ...] = ()
    """The headers that a request may have, of ``HEADERS``."""
    is_basic: bool = False
    """Whether the key may be the password of Basic authentication."""
    texts: tuple[str, ...] = ()
    """The other kinds of content that a response of status 200 may have, which is text then."""


HEADERS: dict[str, tuple[str, Schema]] = {
    "x-session-id": ("The session of the request: it stays on one arm, and can be rated as a whole.", SESSION),
    "Idempotency-Key": (
        "A request with the same key is the same run with the same answer.",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
    "idempotency-key": ("The id of this feedback; under the same id it counts once.", FEEDBACK_ID),
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/v1/chat/completions"): Operation(
        "Ask a model. The request is a run, which is recorded before the answer ends.",
        Scope.INFER, {200: "ChatCompletion"}, "ChatRequest", ("x-session-id", "Idempotency-Key"), texts=(EVENTS,),
    ),
    ("GET", "/v1/models"): Operation("The names that a request may give as its model.", Scope.INFER, {200: "Models"}),
    ("GET", "/v1/models/{model}"): Operation("One of them.", Scope.INFER, {200: "Model"}),
    ("GET", "/v1/runs/{run}"): Operation("What the log knows of a run.", Scope.FEEDBACK, {200: "Run"}),
    ("POST", "/v1/feedback"): Operation(
        "Rate or correct a run, or rate a session.", Scope.FEEDBACK, {200: "Recorded", 201: "Recorded"}, "Feedback"
    ),
    ("POST", "/feedback"): Operation(
        "Feedback in TensorZero's form.",
        Scope.FEEDBACK, {200: "TensorZeroRecorded"}, "TensorZeroFeedback", ("idempotency-key",),
    ),
    ("POST", "/api/public/scores"): Operation(
        "Feedback in Langfuse's form. The password is an access key, the user name does not matter.",
        Scope.FEEDBACK, {200: "LangfuseRecorded"}, "LangfuseScore", is_basic=True,
    ),
    ("GET", "/health/live"): Operation("Whether the process lives.", None, {200: "Health"}),
    ("GET", "/health/ready"): Operation(
        "Whether requests can be recorded now.", None, {200: "Health", 503: "Health"}
    ),
    ("GET", "/metrics"): Operation(
        "The metrics of the log and of this process, for Prometheus.", Scope.METRICS, {}, texts=METRICS_FORMS
    ),
}  # fmt: skip
"""Every address of the API but that of this document."""


async def show_openapi(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """The document. It needs no key: it says nothing that the sources do not say."""
    return json_reply(describe_api())


@cache
def describe_api() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all addresses."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, address), operation in OPERATIONS.items():
        paths.setdefault(address, {})[method.lower()] = _describe(address, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Grokputer gateway",
            "version": version("grokputer"),
            "description": "Ask models in the form of OpenAI's API, and rate and correct what they answered.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access key, as 'grokputer keys create' makes it.",
                },
                "password": {"type": "http", "scheme": "basic", "description": "An access key as the password."},
            },
        },
    }


def _describe(address: str, operation: Operation) -> dict[str, Any]:
    content: dict[str, Any]
    responses: dict[str, Any] = {}
    for status in sorted({*operation.gives, *([200] if operation.texts else [])}):
        content = {JSON: {"schema": ref(operation.gives[status])}} if status in operation.gives else {}
        if status == 200:
            content |= {kind: {"schema": {"type": "string"}} for kind in operation.texts}
        responses[str(status)] = {"description": _say(status), "content": content}
    responses["default"] = {"description": "Refused, or failed.", "content": {JSON: {"schema": ref("Error")}}}
    described: dict[str, Any] = {"summary": operation.summary, "responses": responses, "security": []}
    parameters = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for part in address.split("/")
        if part.startswith("{")
    ]
    for name in operation.headers:
        words, schema = HEADERS[name]
        parameters.append({"name": name, "in": "header", "description": words, "schema": schema})
    if parameters:
        described["parameters"] = parameters
    if operation.takes is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": ref(operation.takes)}}}
    if operation.scope is not None:
        described["security"] = [{"key": []}, *([{"password": []}] if operation.is_basic else [])]
        described["description"] = f"It needs a key with the scope {operation.scope}."
    return described


def _say(status: int) -> str:
    return {200: "Done.", 201: "Recorded.", 503: "Not now."}[status]
