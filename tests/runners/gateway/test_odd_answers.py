"""Answers of endpoints that are not what an endpoint should answer: none of them counts, and none tells where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from chat_server import completion
from command_line import document, lines
from gateways import RawUpstream, Served, make_key, make_log_before, serving

from grokputer.runners.store.log import Log

BODY: dict[str, Any] = {"model": "action", "messages": [{"role": "user", "content": "Say hello"}]}
JSON = "application/json"
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


class Odd(NamedTuple):
    """A gateway before an endpoint that the test tells what to answer, and the key of a program that only asks."""

    gateway: Served
    endpoint: RawUpstream
    infer: str

    def ask(self, *, key: str = "", stream: bool = False) -> tuple[int, str]:
        """The status and the whole body, as text."""
        status, _, answered = self.gateway.ask_text("/chat/completions", {**BODY, "stream": stream}, key=key)
        return status, answered

    def last_run(self) -> dict[str, Any]:
        """The newest run, and why it failed in the log's words."""
        run = max(document("runs", db=self.gateway.path), key=lambda run: run["position"])
        failed = [event for event in lines(self.gateway.path, "--event", "TaskFailed") if event["id"] == run["id"]]
        detail = Log.open(self.gateway.path).say(failed[0]["data"]["detail"]) if failed else ""
        return {**run, "detail": detail}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with RawUpstream(b"") as endpoint:
        path = tmp_path_factory.mktemp("odd") / "events.db"
        make_log_before(path, endpoint.url)
        infer = make_key(path, "infer", holder="bob")
        with serving(path) as gateway:
            yield Odd(gateway, endpoint, infer)


FAILING = {
    "no JSON": {"body": b"<html>", "kind": "text/html"},
    "an error": {"body": b"", "status": 500},
    "a refused key": {"body": b"{}", "status": 401},
    "too many requests": {"body": b"{}", "status": 429},
    "a refused request": {"body": b"no", "status": 400},
    "a body that breaks off": {"body": completion("x")[:-9], "kind": JSON, "cuts": True},
    "a redirect": {"body": b"", "status": 307, "headers": {"Location": "http://inner.example/v2"}},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("what", FAILING)
def test_a_program_that_only_asks_does_not_learn_the_endpoints_address(odd: Odd, what: str, stream: bool) -> None:
    odd.endpoint.answer(**FAILING[what])  # type: ignore[arg-type]
    _, told = odd.ask(key=odd.infer, stream=stream)
    address = odd.endpoint.url.removeprefix("http://")
    assert "the endpoint " in told
    assert address not in told and str(odd.endpoint.port) not in told and "inner.example" not in told
    assert address in odd.last_run()["detail"]
    assert address in odd.ask(stream=stream)[1]  # the key of an admin


def test_an_endpoint_that_cannot_be_reached_is_not_named_to_a_program_that_only_asks(tmp_path: Path) -> None:
    with RawUpstream(b"") as endpoint:
        path = make_log_before(tmp_path / "events.db", endpoint.url)
    key = make_key(path, "infer", holder="bob")
    with serving(path) as gateway:
        status, _, told = gateway.ask("/chat/completions", BODY, key=key)
        *_, known = gateway.ask("/chat/completions", BODY)
    assert (status, told["error"]["message"]) == (502, "the endpoint cannot be reached")
    assert known["error"]["message"].startswith(f"{endpoint.url} cannot be reached: ")


@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_of_an_endpoint_is_not_followed_and_the_error_says_what_to_set(odd: Odd, stream: bool) -> None:
    for status in (301, 302, 303, 307, 308):
        odd.endpoint.answer(
            b"<html>", status=status, headers={"Location": "http://me:secret@127.0.0.1:1/v2?key=secret"}
        )
        asked = len(odd.endpoint.asked)
        found, told = odd.ask(stream=stream)
        message = json.loads(told)["error"]["message"]
        assert found == 502 and "redirects to" in message and "set model.endpoint to its final address" in message
        assert "/v2" in message and "secret" not in message and len(odd.endpoint.asked) == asked + 1


ODD_COUNTS = ["1e999", "-5", "true", '"7"', "1.5", "null", "[]", "{}", "1e15", "99999999999999999999999999"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("count", ODD_COUNTS)
def test_a_count_of_tokens_that_is_no_count_is_not_recorded_and_the_answer_passes_through(
    odd: Odd, count: str, stream: bool
) -> None:
    usage = f'{{"prompt_tokens": {count}, "completion_tokens": 3}}'.encode()
    if stream:
        frame = b'data: {"choices": [{"index": 0, "delta": {"content": "ok"}}], "usage": %s}\n\n' % usage
        body = frame + END
        odd.endpoint.answer(body)
    else:
        body = completion("ok").replace(json.dumps(json.loads(completion("ok"))["usage"]).encode(), usage)
        odd.endpoint.answer(body, kind=JSON)
    assert odd.ask(stream=stream) == (200, body.decode())
    run = odd.last_run()
    step = lines(odd.gateway.path, "--event", "StepTaken")[-1]["data"]
    assert (run["status"], step["prompt_tokens"], step["completion_tokens"]) == ("answered", None, 3)


@pytest.mark.parametrize("stream", [False, True])
def test_a_number_that_json_does_not_have_makes_an_answer_that_failed(odd: Odd, stream: bool) -> None:
    if stream:
        odd.endpoint.answer(b'data: {"choices": [{"delta": {"content": "ok"}, "logprobs": [NaN]}]}\n\n' + END)
    else:
        odd.endpoint.answer(completion("ok").replace(b"5", b"-Infinity"), kind=JSON)
    assert "its reply is not JSON" in odd.ask(stream=stream)[1]
    assert (odd.last_run()["reason"], odd.last_run()["steps"]) == ("environment", 0)


@pytest.mark.parametrize(
    "chunk",
    [
        '{"choices": 5}', '{"choices": "x"}', '{"choices": {}}', '{"choices": [5]}', '{"choices": [null]}', "5", "[]",
        '{"choices": [{"delta": 5}]}', '{"choices": [{"delta": "x"}]}', '{"choices": [{"delta": {"content": 5}}]}',
        '{"choices": [{"delta": {"tool_calls": 5}}]}', '{"choices": [{"delta": {}}, 5]}', '"x"', "true", "null",
    ],
)  # fmt: skip
@pytest.mark.parametrize("said", ["", "ok"])
def test_a_stream_with_a_part_in_another_form_is_an_answer_that_failed(odd: Odd, chunk: str, said: str) -> None:
    first = f'data: {{"choices": [{{"index": 0, "delta": {{"content": "{said}"}}}}]}}\n\n'.encode()
    odd.endpoint.answer(first + f"data: {chunk}\n\n".encode() + END)
    _, told = odd.ask(stream=True)
    *_, error, end = told.strip().split("\n\n")
    assert '"code": "upstream_failed"' in error and end == "data: [DONE]" and f"data: {chunk}\n" not in told
    run = odd.last_run()
    assert (run["status"], run["reason"], run["steps"]) == ("failed", "environment", 1 if said else 0)


@pytest.mark.parametrize(
    "body", [b"data: [DONE]\n\n", b'data: {"choices": []}\n\ndata: [DONE]\n\n', b"data: {}\n\ndata: [DONE]\n\n"]
)
def test_a_stream_without_a_choice_is_an_answer_that_failed(odd: Odd, body: bytes) -> None:
    odd.endpoint.answer(body)
    assert "its reply has no choices" in odd.ask(stream=True)[1]
    assert odd.last_run()["reason"] == "environment"


def test_a_stream_may_have_parts_without_choices_and_lists_of_texts(odd: Odd) -> None:
    content = '[{"type": "thinking", "thinking": []}, {"type": "text", "text": "ok"}]'
    parts = ['{"choices": []}', '{"choices": null, "x": 1}', f'{{"choices": [{{"delta": {{"content": {content}}}}}]}}']
    odd.endpoint.answer("".join(f"data: {part}\n\n" for part in parts).encode() + END)
    told = odd.ask(stream=True)[1]
    run = odd.last_run()
    assert content in told and run["status"] == "answered"
