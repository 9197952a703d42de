"""Chat completions through the gateway: the unchanged ``openai`` client is answered, and each request is a recorded run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import openai
import pytest
from chat_server import ChatServer, completion, events
from command_line import document
from gateways import RawUpstream, Served, serving

from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.store.log import Log

HELLO: list[Any] = [{"role": "user", "content": "Say hello"}]
MakeLog = Callable[[str], Path]


@contextmanager
def client_of(gateway: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


def runs(path: Path) -> list[dict[str, Any]]:
    return list(document("runs", db=path))


def answer_of(path: Path, run: str) -> tuple[TaskRun, str | None]:
    """The run, and the answer that was recorded."""
    log = Log.open(path)
    loaded = log.get(TaskRun, UUID(run))
    return loaded, log.get_content(loaded.steps[-1].answer) if loaded.steps else None


def test_the_plain_client_is_answered_and_the_run_is_recorded_before_the_answer_ends(log_before: MakeLog) -> None:
    with ChatServer("Hello!", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, client_of(gateway) as client:
            raw = client.chat.completions.with_raw_response.create(
                model="action", messages=HELLO, extra_headers={"x-session-id": "s1"}
            )
            run, answer = answer_of(path, raw.headers["x-grokputer-run"])  # while the gateway runs
    assert raw.parse().choices[0].message.content == answer == "Hello!"
    assert run.started is not None and run.ended is not None
    assert (run.started.arm, run.started.session, run.started.environment) == ("stable", "s1", "chat")
    assert run.tokens == (5, 1)
    assert endpoint.models == ["tiny"]
    names = ("x-grokputer-role", "x-grokputer-arm", "x-grokputer-adapter", "x-request-id")
    assert [raw.headers[name] for name in names] == ["action", "stable", "base", run.id.hex]


def test_the_keys_of_the_gateway_stay_in_it_and_unknown_fields_go_on(log_before: MakeLog) -> None:
    with RawUpstream(completion("ok"), kind="application/json") as endpoint:
        with serving(log_before(endpoint.url)) as gateway, client_of(gateway) as client:
            client.chat.completions.create(model="action", messages=HELLO, extra_body={"top_k": 3})
        [body] = endpoint.asked
        assert body == {"model": "tiny", "messages": HELLO, "top_k": 3}
    with ChatServer("ok", ["tiny"]) as server:
        path = log_before(server.url)
        with serving(path) as gateway, client_of(gateway) as client:
            client.chat.completions.create(model="tiny", messages=HELLO)
        assert server.keys == ["Bearer upstream-key"]
        assert gateway.key.encode() not in path.read_bytes() and b"upstream-key" not in path.read_bytes()


@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_stream_comes_in_parts_with_usage_only_where_it_was_asked_for(log_before: MakeLog, wants_usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if wants_usage else {}
    with ChatServer("Hello there", ["tiny"], streams=True) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, client_of(gateway) as client:
            chunks = list(client.chat.completions.create(model="action", messages=HELLO, stream=True, **options))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello there"
    assert [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage] == ([5] if wants_usage else [])
    [run] = runs(path)
    recorded, answer = answer_of(path, run["id"])
    assert answer == "Hello there" and recorded.tokens == (5, 2)


def test_a_stream_that_breaks_off_raises_in_the_client_and_is_recorded_with_its_part(log_before: MakeLog) -> None:
    part = events("Hello there").split(b"data: [DONE]")[0].split(b'data: {"choices": [{"index": 0, "delta": {}')[0]
    with RawUpstream(part) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, client_of(gateway) as client:
            stream = client.chat.completions.create(model="action", messages=HELLO, stream=True)
            with pytest.raises(openai.APIError, match="broke off"):
                list(stream)
    [run] = runs(path)
    recorded, answer = answer_of(path, run["id"])
    assert answer == "Hello there" and str(recorded.failure) == "environment"


@pytest.mark.parametrize(
    ("upstream", "status", "words"),
    [
        (RawUpstream(b"<html>", kind="text/html"), 502, "did not answer: its reply is not JSON"),
        (RawUpstream(b"", status=500), 502, "answered with HTTP 500"),
        (RawUpstream(b"{}", status=401), 502, "it refuses the key in OPENAI_API_KEY"),
        (RawUpstream(b"{}", status=429), 429, "answered with HTTP 429"),
        (RawUpstream(b'{"error":{"message":"too long"}}', status=400), 400, "too long"),
        (RawUpstream(completion("x")[:-9], kind="application/json", cuts=True), 502, "cannot be reached"),
    ],
)
def test_an_endpoint_that_fails_gives_an_error_of_the_api_and_a_run_that_counts_for_no_arm(
    log_before: MakeLog, upstream: RawUpstream, status: int, words: str
) -> None:
    with upstream as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found, headers, body = gateway.ask("/chat/completions", {"model": "action", "messages": HELLO})
    assert (found, words in body["error"]["message"]) == (status, True)
    [run] = runs(path)
    assert run["id"] == headers["x-grokputer-run"]
    assert str(answer_of(path, run["id"])[0].failure) == "environment"


def test_an_endpoint_that_is_down_is_an_error_and_the_run_ends(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
    with serving(path) as gateway, client_of(gateway) as client:
        with pytest.raises(openai.InternalServerError, match="cannot be reached"):
            client.chat.completions.create(model="action", messages=HELLO)
        with pytest.raises(openai.InternalServerError, match="cannot be reached"):
            client.chat.completions.create(model="action", messages=HELLO, stream=True)
    assert [run["reason"] for run in runs(path)] == ["environment", "environment"]


def test_a_retry_with_the_same_idempotency_key_is_the_same_run_with_the_same_answer(log_before: MakeLog) -> None:
    answers = iter(["first", "second"])
    with ChatServer(lambda _: next(answers), ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        body = {"model": "action", "messages": HELLO}
        with serving(path) as gateway:
            replies = [gateway.ask("/chat/completions", body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
            *_, other = gateway.ask("/chat/completions", body, headers={"Idempotency-Key": "k2"})
            another = {**body, "messages": [{"role": "user", "content": "Say goodbye"}]}
            refused, *_ = gateway.ask("/chat/completions", another, headers={"Idempotency-Key": "k1"})
            wrong, *_ = gateway.ask("/chat/completions", body, headers={"Idempotency-Key": "with space"})
    texts = [reply["choices"][0]["message"]["content"] for _, _, reply in replies]
    assert texts == ["first", "first"] and other["choices"][0]["message"]["content"] == "second"
    assert replies[1][1]["x-grokputer-repeated"] == "true" and len(runs(path)) == 2
    assert (refused, wrong) == (422, 400)


def test_functions_are_offered_upstream_and_calls_come_back_and_are_recorded(log_before: MakeLog) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    with RawUpstream(completion("", choices=[choice]), kind="application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, client_of(gateway) as client:
            answer = client.chat.completions.create(model="action", messages=HELLO, tools=[tool])
        assert endpoint.asked[0]["tools"] == [tool]
    calls = answer.choices[0].message.tool_calls
    assert calls is not None and calls[0].to_dict() == call
    [run] = runs(path)
    step = answer_of(path, run["id"])[0].steps[0]
    assert json.loads(Log.open(path).get_content(step.tool_calls or "") or "") == [call]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (b"{", None, "not JSON"),
        (b"[]", None, "not a JSON object"),
        ({"messages": HELLO}, "model", "model is missing"),
        ({"model": "action"}, "messages", "messages is missing"),
        ({"model": "action", "messages": []}, "messages", "messages is missing"),
        ({"model": "action", "messages": [1]}, "messages", "no object"),
        ({"model": "action", "messages": [{"role": "king", "content": "x"}]}, "messages", "king"),
        ({"model": "action", "messages": HELLO, "max_tokens": 0}, "max_tokens", "no whole number"),
        ({"model": "action", "messages": HELLO, "temperature": "hot"}, "temperature", "no number"),
        ({"model": "action", "messages": HELLO, "temperature": 10**400}, "temperature", "no number"),
        (b'{"model":"action","messages":[{"role":"user","content":"\\ud800"}]}', "messages", "Unicode"),
        ({"model": "action", "messages": HELLO, "temperature": -1}, "temperature", "no number"),
        ({"model": "action", "messages": HELLO, "stream": "yes"}, "stream", "true or false"),
        ({"model": "action", "messages": HELLO, "stream": 1}, "stream", "true or false"),
        ({"model": "action", "messages": HELLO, "stream_options": "usage"}, "stream_options", "no object"),
        ({"model": "action", "messages": HELLO, "stream_options": {"include_usage": 1}}, "stream_options", "true or"),
        ({"model": "action", "messages": HELLO, "n": "3"}, "n", "no whole number"),
        ({"model": "action", "messages": HELLO, "n": 0}, "n", "no whole number"),
        ({"model": "action", "messages": HELLO, "seed": "x"}, "seed", "no whole number"),
        ({"model": "action", "messages": HELLO, "tools": {}}, "tools", "takes a list"),
        ({"model": "action", "messages": HELLO, "tools": ["weather"]}, "tools", "a definition"),
        ({"model": "action", "messages": HELLO, "functions": [{}]}, "functions", "a definition"),
        ({"model": "action", "messages": [{"role": "user", "content": {"text": "x"}}]}, "messages", "a message"),
    ],
)
def test_a_request_in_the_wrong_form_names_its_field_and_records_nothing(
    log_before: MakeLog, body: object, field: str | None, words: str
) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            status, _, said = gateway.ask("/chat/completions", body)
    assert status == 400 and words in said["error"]["message"] and said["error"]["param"] == field
    assert not runs(path) and not endpoint.asked


def test_a_model_that_there_is_not_is_refused_with_the_names_that_there_are(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with (
            serving(path) as gateway,
            client_of(gateway) as client,
            pytest.raises(openai.NotFoundError, match=r"there are action, .*base"),
        ):
            client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert not runs(path)


def test_two_requests_at_once_with_one_idempotency_key_are_one_run(log_before: MakeLog) -> None:
    may_answer = threading.Event()

    def answer(question: str) -> str:
        may_answer.wait(30)
        return "once"

    with ChatServer(answer, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        body, headers = {"model": "action", "messages": HELLO}, {"Idempotency-Key": "k1"}
        first: list[Any] = []
        with serving(path) as gateway:
            asking = threading.Thread(
                target=lambda: first.append(gateway.ask("/chat/completions", body, headers=headers))
            )
            asking.start()
            while not endpoint.asked:
                time.sleep(0.01)
            status, said, _ = gateway.ask("/chat/completions", body, headers=headers)
            may_answer.set()
            asking.join()
    assert (status, said["retry-after"], first[0][0]) == (409, "1", 200)
    assert len(runs(path)) == len(endpoint.asked) == 1


def test_a_client_that_names_a_key_is_told_why_there_is_no_answer_and_does_not_ask_again(log_before: MakeLog) -> None:
    def ask(gateway: Served) -> None:
        with openai.OpenAI(base_url=gateway.url, api_key=gateway.key) as client:
            messages: Any = [{"role": "user", "content": "hi"}]
            client.chat.completions.create(model="action", messages=messages, extra_headers={"Idempotency-Key": "one"})

    with RawUpstream(b"", status=500) as endpoint, serving(log_before(endpoint.url)) as gateway:
        with pytest.raises(openai.InternalServerError, match="answered with HTTP 500") as failed:
            ask(gateway)
        assert failed.value.status_code == 502
        assert len(endpoint.asked) == len(document("runs", db=gateway.path)) == 1
