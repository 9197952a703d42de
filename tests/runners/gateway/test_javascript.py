"""The unchanged JavaScript client of OpenAI's API is answered by the gateway, and raises its own errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from chat_server import ChatServer, completion, events
from command_line import document
from gateways import RawUpstream, make_key, serving
from in_thread import InThread
from node import run_node

MakeLog = Callable[[str], Path]

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
MESSAGE = {"role": "assistant", "content": None, "tool_calls": [CALL]}


class OpenStream(InThread):
    """An endpoint that writes the beginning of a stream, and goes on until its client has left."""

    def __init__(self) -> None:
        self.was_left = threading.Event()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                frame = json.dumps({"choices": [{"index": 0, "delta": {"content": "Hello "}}]})
                try:
                    while True:
                        self.wfile.write(f"data: {frame}\n\n".encode())
                        self.wfile.flush()
                except OSError:
                    upstream.was_left.set()
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.port}/v1"


def test_the_javascript_client_gets_an_answer_its_usage_and_the_runs_id(log_before: MakeLog) -> None:
    with ChatServer("Hello!", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found = run_node("client.mjs", "whole", gateway)
    [run] = document("runs", db=path)
    assert found["text"] == "Hello!" and found["usage"]["total_tokens"] == 6
    assert found["request"] == found["headers"]["x-grokputer-run"] == run["id"]
    assert found["headers"]["x-grokputer-arm"] == "stable"


def test_the_javascript_client_reads_a_stream_with_usage_where_it_asked_for_it(log_before: MakeLog) -> None:
    with ChatServer("Hello there", ["tiny"], streams=True) as endpoint, serving(log_before(endpoint.url)) as gateway:
        found = run_node("client.mjs", "streamed", gateway)
        helped = run_node("client.mjs", "helper", gateway)
    assert found["plain"]["text"] == found["counted"]["text"] == helped["text"] == "Hello there"
    assert found["plain"]["usage"] is None and found["counted"]["usage"]["prompt_tokens"] == 5
    assert found["plain"]["finish"] == "stop"


def test_the_javascript_client_gets_calls_of_functions_whole_and_streamed(log_before: MakeLog) -> None:
    whole = completion("", choices=[{"index": 0, "finish_reason": "tool_calls", "message": MESSAGE}])
    with RawUpstream(whole, kind="application/json") as endpoint, serving(log_before(endpoint.url)) as gateway:
        found = run_node("client.mjs", "tools", gateway)
        helped = run_node("client.mjs", "helper", gateway)
    assert found["calls"] == [CALL] and found["finish"] == "tool_calls"
    assert (helped["role"], helped["calls"][0]["function"]["name"]) == ("assistant", "weather")
    assert found["streamed"]["calls"] == [{"index": 0, **CALL}] and found["streamed"]["finish"] == "tool_calls"


def test_the_javascript_client_lists_the_models(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint, serving(log_before(endpoint.url)) as gateway:
        found = run_node("client.mjs", "models", gateway)
    assert {"action", "base"} <= set(found["listed"]) and found["one"]["root"] == "tiny"
    assert (found["none"]["kind"], found["none"]["status"]) == ("NotFoundError", 404)


def test_the_javascript_client_raises_its_own_errors_for_what_the_gateway_refuses(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        poor = make_key(path, holder="poor", requests=1)
        with serving(path) as gateway:
            found = run_node("client.mjs", "refused", gateway)
            limited = run_node("client.mjs", "limited", gateway, key=poor)
    kinds = {name: (error["kind"], error["status"], error["code"]) for name, error in found.items()}
    assert kinds == {
        "stranger": ("AuthenticationError", 401, "invalid_api_key"),
        "unknown": ("NotFoundError", 404, "not_found"),
        "wrong": ("BadRequestError", 400, "invalid_request"),
    }
    assert "there are action" in found["unknown"]["words"]
    assert limited["first"] is None
    assert (limited["second"]["kind"], limited["second"]["status"]) == ("RateLimitError", 429)
    assert "used its 1 requests of today" in limited["second"]["words"]


def test_a_stream_that_breaks_off_raises_in_the_javascript_client(log_before: MakeLog) -> None:
    part = events("Hello there").split(b'data: {"choices": [{"index": 0, "delta": {}')[0]
    with RawUpstream(part) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found = run_node("client.mjs", "cut", gateway)
    assert found["kind"] == "APIError" and "broke off" in found["words"]
    assert [run["reason"] for run in document("runs", db=path)] == ["environment"]


def test_a_retry_of_the_javascript_client_with_one_idempotency_key_is_one_run(log_before: MakeLog) -> None:
    answers = iter(["first", "second"])
    with ChatServer(lambda _: next(answers), ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found = run_node("client.mjs", "idempotent", gateway)
    assert found["texts"] == ["first", "first"] and found["other"]["status"] == 422
    assert len(document("runs", db=path)) == 1


def test_a_javascript_client_that_leaves_a_stream_ends_the_answer_and_the_run(log_before: MakeLog) -> None:
    with OpenStream() as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found = run_node("client.mjs", "abort", gateway)
            assert endpoint.was_left.wait(30)
    assert found["text"] == "Hello "
    assert [run["reason"] for run in document("runs", db=path)] == ["environment"]


def test_the_javascript_client_tries_again_after_an_endpoint_failed(log_before: MakeLog) -> None:
    given: list[str | bytes] = [b"<html>", "Hello!"]
    answers = iter(given)
    with ChatServer(lambda _: next(answers), ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found = run_node("client.mjs", "retries", gateway)
    assert found["text"] == "Hello!" and len(document("runs", db=path)) == 2
