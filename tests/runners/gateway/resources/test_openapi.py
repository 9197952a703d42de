"""The description of the API: every address is in it, every response fits it, and nothing that it allows is a 5xx."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from chat_server import completion
from gateways import RawUpstream, Served, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_schemas import JUNK, misfits, values_of

from grokputer.runners.gateway.gateway import ADDRESSES, ALWAYS
from grokputer.runners.gateway.resources.openapi import EVENTS, HEADERS, OPERATIONS, describe_api
from grokputer.runners.gateway.resources.schemas import SCHEMAS

MakeLog = Callable[[str], Path]

ASKED = {"model": "action", "messages": [{"role": "user", "content": "Capital of France?"}]}
DOCUMENT = "/openapi.json"


@contextmanager
def served(log_before: MakeLog) -> Iterator[Served]:
    """A gateway, whose URL is without ``/v1``."""
    with (
        RawUpstream(completion("Lyon"), kind="application/json") as endpoint,
        serving(log_before(endpoint.url)) as gateway,
    ):
        yield replace(gateway, url=gateway.url.removesuffix("/v1"))


def test_every_address_of_the_api_is_described_and_no_other_one() -> None:
    assert OPERATIONS.keys() == ({**ADDRESSES, **ALWAYS}.keys() - {("GET", DOCUMENT)})
    described = {(method.upper(), path) for path, found in describe_api()["paths"].items() for method in found}
    assert described == OPERATIONS.keys()
    named = {name for it in OPERATIONS.values() for name in (*it.gives.values(), it.takes) if name}
    assert named <= SCHEMAS.keys()


def test_the_document_is_given_without_a_key(log_before: MakeLog) -> None:
    with served(log_before) as gateway:
        status, headers, said = gateway.ask(DOCUMENT, key=None)
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    assert said == json.loads(json.dumps(describe_api()))
    assert said["openapi"] == "3.1.0"


def test_responses_fit_the_schemas_that_describe_them(log_before: MakeLog) -> None:
    with served(log_before) as gateway:
        run = gateway.ask("/v1/chat/completions", ASKED)[1]["x-grokputer-run"]
        tools = [{"type": "function", "function": {"name": "weather"}}]
        asked: list[tuple[str, str, Any]] = [
            ("/v1/chat/completions", "/v1/chat/completions", {**ASKED, "tools": tools}),
            ("/v1/models", "/v1/models", None),
            ("/v1/models/{model}", "/v1/models/base", None),
            ("/v1/feedback", "/v1/feedback", {"run": run, "stars": 2, "correction": "Paris", "id": "1"}),
            ("/v1/feedback", "/v1/feedback", {"run": run, "stars": 2, "correction": "Paris", "id": "1"}),
            ("/feedback", "/feedback", {"inference_id": run, "metric_name": "ok", "value": True}),
            ("/api/public/scores", "/api/public/scores", {"traceId": run, "name": "ok", "value": 0.5}),
            ("/v1/runs/{run}", f"/v1/runs/{run}", None),
            ("/health/live", "/health/live", None),
            ("/health/ready", "/health/ready", None),
            ("/v1/feedback", "/v1/feedback", {"run": run}),
            ("/v1/runs/{run}", "/v1/runs/none", None),
        ]
        for described, address, body in asked:
            status, _, said = gateway.ask(address, body)
            operation = OPERATIONS["GET" if body is None else "POST", described]
            name = operation.gives.get(status, "Error")
            assert status < 500 and misfits(said, SCHEMAS[name], SCHEMAS) == [], (address, status)


def test_the_schemas_refuse_what_the_gateway_refuses() -> None:
    assert misfits({"error": "x"}, SCHEMAS["Error"], SCHEMAS)
    assert misfits({"run": "x", "stars": 6}, SCHEMAS["Feedback"], SCHEMAS)
    assert misfits({"run": "x", "score": 5}, SCHEMAS["Feedback"], SCHEMAS)
    assert misfits({"model": "action", "messages": []}, SCHEMAS["ChatRequest"], SCHEMAS)
    assert not misfits(ASKED, SCHEMAS["ChatRequest"], SCHEMAS)


REQUESTS = st.sampled_from(sorted(OPERATIONS)).flatmap(
    lambda at: st.tuples(
        st.just(at),
        st.text(min_size=1, max_size=40) | st.sampled_from(["base", "action", "RUN", "../../etc/passwd", "%00", "."]),
        _bodies(OPERATIONS[at].takes),
        st.fixed_dictionaries({}, optional={name: values_of(HEADERS[name][1], {}) for name in OPERATIONS[at].headers}),
    )
)
"""An address, what stands in its braces, a body and headers."""


def _bodies(name: str | None) -> st.SearchStrategy[Any]:
    if name is None:
        return st.none()
    fitting = values_of(SCHEMAS[name], SCHEMAS)
    runs = {"run", "inference_id", "traceId", "observationId"} & SCHEMAS[name]["properties"].keys()
    known = st.tuples(fitting, st.sampled_from(sorted(runs))).map(_with_run) if runs else fitting
    return known | fitting | JUNK | st.binary(max_size=40)


def _with_run(drawn: tuple[Any, str]) -> Any:
    body, field = drawn
    return {**body, field: "RUN"} if isinstance(body, dict) else body


def send(connection: HTTPConnection, key: str, run: str, request: Any) -> tuple[int, str, bytes]:
    """The status, kind and body of the response to a generated request."""
    (method, address), inserted, body, headers = request
    part = quote(run if inserted == "RUN" else inserted, safe="", errors="replace")
    path = address.replace("{model}", part).replace("{run}", part)
    data = body if isinstance(body, bytes | None) else json.dumps(body).replace('"RUN"', f'"{run}"').encode()
    fitting = {
        name: value.encode() for name, value in headers.items() if isinstance(value, str) and value.isprintable()
    }
    connection.request(method, path, data, {"Authorization": f"Bearer {key}", **fitting})
    response = connection.getresponse()
    return response.status, response.headers.get_content_type(), response.read()


def check(connection: HTTPConnection, key: str, run: str, request: Any) -> int:
    """Send the request, and check that its response is described; the status."""
    status, kind, body = send(connection, key, run, request)
    assert status < 500, (request, status, body)
    operation = OPERATIONS[request[0]]
    if status == 200 and kind in operation.texts:
        assert kind != EVENTS or body.endswith(b"data: [DONE]\n\n")
        return status
    assert kind == "application/json"
    assert misfits(json.loads(body), SCHEMAS[operation.gives.get(status, "Error")], SCHEMAS) == [], request
    return status


@pytest.mark.parametrize("times", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_no_generated_request_is_answered_with_a_server_error(log_before: MakeLog, times: int) -> None:
    statuses: Counter[int] = Counter()
    with served(log_before) as gateway:
        run = gateway.ask("/v1/chat/completions", ASKED)[1]["x-grokputer-run"]
        connection = HTTPConnection(urlsplit(gateway.url).netloc)

        @settings(max_examples=times, deadline=None, database=None, suppress_health_check=[*HealthCheck])
        @given(REQUESTS)
        def ask(request: Any) -> None:
            statuses[check(connection, gateway.key, run, request)] += 1

        ask()
        connection.close()
    assert statuses[200] > times / 20 and statuses[400] > times / 20, statuses
    assert math.fsum(statuses.values()) >= times
