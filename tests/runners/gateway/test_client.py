"""``grokputer.Client`` and ``grokputer.AsyncClient`` at a real gateway: what they return, and what they do again."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chat_server import ChatServer, completion, events
from command_line import document, lines
from gateways import RawUpstream, Served, make_key, process_on, serving
from small_media import picture, wav

import grokputer
from grokputer.api.client import calls
from grokputer.domain.page.media import write_url

MakeLog = Callable[[str], Path]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
TOOL: Mapping[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


class Caller:
    """A client whose methods are called by name: the plain one, or the asynchronous one in a loop of its own."""

    def __init__(self, is_async: bool, address: str, key: str, **options: Any) -> None:
        self._runner = asyncio.Runner() if is_async else None
        self._client: Any = (grokputer.AsyncClient if is_async else grokputer.Client)(address, key, **options)

    def __call__(self, method: str, *args: Any, **options: Any) -> Any:
        result = getattr(self._client, method)(*args, **options)
        return self._runner.run(result) if self._runner is not None else result

    def parts(self, *args: Any, **options: Any) -> tuple[list[str], grokputer.ChatAnswer]:
        """The parts of a streamed answer, and the whole."""
        if self._runner is not None:
            return self._runner.run(self._parts(*args, **options))
        with self._client.stream(*args, **options) as stream:
            return list(stream), stream.answer

    async def _parts(self, *args: Any, **options: Any) -> tuple[list[str], grokputer.ChatAnswer]:
        async with self._client.stream(*args, **options) as stream:
            return [part async for part in stream], stream.answer

    def close(self) -> None:
        self("close")
        if self._runner is not None:
            self._runner.close()


Connect = Callable[..., Caller]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of each kind for a gateway."""
    opened: list[Caller] = []

    def make(address: str, key: str, **options: Any) -> Caller:
        opened.append(Caller(request.param, address, key, **options))
        return opened[-1]

    yield make
    for caller in opened:
        caller.close()


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(calls, "LONGEST_WAIT_S", 0.2)


def test_an_answer_names_its_run_and_is_rated_and_corrected(log_before: MakeLog, connect: Connect) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            ask = connect(gateway.url, gateway.key)
            answer = ask("chat", "Capital of France?", max_tokens=10)
            rated = ask("rate", answer, 2, issues=["imprecise"], comment="no")
            again = ask("rate", answer.run, 2, issues=["imprecise"], comment="no", id=rated.id)
            corrected = ask("correct", answer, "Paris")
            run = ask("run", answer)
            models = ask("models")
    assert (answer.text, answer.role, answer.arm, answer.adapter) == ("Lyon", "action", "stable", "base")
    assert (answer.prompt_tokens, answer.answer_tokens, answer.finish) == (5, 1, "stop")
    assert rated.is_new and not again.is_new and again.position == rated.position
    assert corrected.is_new and corrected.correction is not None and corrected.is_verified is False
    assert isinstance(run, grokputer.GatewayRun) and run.started.tzinfo is not None
    assert (run.answer, run.stars, run.is_corrected, run.tokens) == ("Lyon", [2], True, (5, 1))
    assert {(model.id, model.kind) for model in models} >= {("action", "role"), ("base", "base")}
    assert len(lines(path, "--event", "TaskRated")) == 1


def test_pictures_and_sounds_are_shown_with_the_last_message(
    log_before: MakeLog, connect: Connect, tmp_path: Path
) -> None:
    png, sound = picture(), wav()
    (tmp_path / "a.png").write_bytes(png)
    with ChatServer("A dot.", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            ask = connect(gateway.url, gateway.key)
            answer = ask("chat", "What is it?", images=[tmp_path / "a.png", png], sounds=[sound])
            for given, words in (
                (b"<svg>", "it is not a picture"),
                (tmp_path / "b.png", "b.png cannot be read: No such"),
            ):
                with pytest.raises(grokputer.BadArgument, match=words):
                    ask("chat", "What is it?", images=[given])
    parts: Any = endpoint.asked[0]
    assert [part["type"] for part in parts] == ["text", "image_url", "image_url", "input_audio"]
    assert parts[1]["image_url"]["url"] == write_url(png) and parts[3]["input_audio"]["format"] == "wav"
    [started] = lines(path, "--event", "TaskStarted")
    assert answer.text == "A dot." and len(started["data"]["inputs"]) == 2


def test_a_streamed_answer_comes_in_parts_and_whole_with_its_counts(log_before: MakeLog, connect: Connect) -> None:
    text = "one\u2028two\r\n\r\ndata: [DONE]\n\nevent: x"
    with ChatServer(text, ["tiny"], streams=True) as endpoint, serving(log_before(endpoint.url)) as gateway:
        parts, answer = connect(gateway.url, gateway.key).parts("Say hello")
    assert len(parts) > 3 and "".join(parts) == answer.text == text
    assert (answer.prompt_tokens, answer.answer_tokens, answer.finish) == (5, 2, "stop")


def test_calls_of_functions_come_back_whole_and_streamed(log_before: MakeLog, connect: Connect) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    body = completion("", choices=[{"index": 0, "finish_reason": "tool_calls", "message": message}])
    with RawUpstream(body, kind="application/json") as endpoint, serving(log_before(endpoint.url)) as gateway:
        ask = connect(gateway.url, gateway.key)
        whole, (_, streamed) = ask("chat", "How warm?", tools=[TOOL]), ask.parts("How warm?", tools=[TOOL])
    assert [*whole.tool_calls] == [*streamed.tool_calls] == [CALL]
    assert whole.finish == streamed.finish == "tool_calls" and streamed.message["content"] is None


def test_what_the_gateway_refuses_is_an_error_with_its_status(log_before: MakeLog, connect: Connect) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        poor, narrow = make_key(path, holder="poor", requests=1), make_key(path, "feedback", holder="narrow")
        with serving(path) as gateway:
            for key, kind, status in (("gp_wrong", grokputer.KeyRefused, 401), (narrow, grokputer.KeyRefused, 403)):
                with pytest.raises(kind) as refused:
                    connect(gateway.url, key)("chat", "hello")
                assert refused.value.status == status
            limited = connect(gateway.url, poor)
            limited("chat", "hello")
            with pytest.raises(grokputer.RateLimited, match="used its 1 requests") as spent:
                limited("chat", "hello")
            assert spent.value.retry_after_s is not None
            ask = connect(gateway.url, gateway.key)
            with pytest.raises(grokputer.GatewayError, match="there are action") as unknown:
                ask("chat", "hello", "gpt-9")
            assert (unknown.value.status, unknown.value.code) == (404, "not_found")
            with pytest.raises(grokputer.GatewayError, match="from 1 to 5"):
                ask("rate", ask("chat", "hello"), 6)


def test_a_stream_that_breaks_off_raises_with_its_run(log_before: MakeLog, connect: Connect) -> None:
    part = events("Hello there").split(b'data: {"choices": [{"index": 0, "delta": {}')[0]
    with RawUpstream(part) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, pytest.raises(grokputer.AnswerBroken, match="broke off") as broken:
            connect(gateway.url, gateway.key).parts("Say hello")
    [run] = document("runs", db=path)
    assert broken.value.run == run["id"]


def test_a_model_that_failed_is_asked_again_in_another_run(
    log_before: MakeLog, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    given: list[str | bytes] = [b"<html>", b"<html>", "Hello!"]
    answers = iter(given)
    with ChatServer(lambda _: next(answers), ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            assert connect(gateway.url, gateway.key)("chat", "Say hello").text == "Hello!"
    assert [run["status"] for run in document("runs", db=path)] == ["answered", "failed", "failed"]


def test_a_run_under_an_idempotency_key_of_ones_own_is_one_run_for_ever(log_before: MakeLog, connect: Connect) -> None:
    given: list[str | bytes] = [b"<html>", "first", "second"]
    answers = iter(given)
    with ChatServer(lambda _: next(answers), ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            ask = connect(gateway.url, gateway.key)
            with pytest.raises(grokputer.GatewayError, match="did not answer"):
                ask("chat", "Say hello", idempotency_key="k1")
            texts = [ask("chat", "Say hello", idempotency_key="k2") for _ in range(2)]
    assert [(answer.text, answer.is_repeated) for answer in texts] == [("first", False), ("first", True)]
    assert len(document("runs", db=path)) == 2


def test_a_gateway_that_is_killed_and_started_again_gives_the_answer_once(
    log_before: MakeLog, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    is_asked, may_answer, found = threading.Event(), threading.Event(), list[Any]()

    def answer(question: str) -> str:
        is_asked.set()
        may_answer.wait(60)
        return "at last"

    with ChatServer(answer, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path)
        with process_on(path) as (process, url):
            ask = connect(url, key, retries=1000)
            asking = threading.Thread(target=lambda: found.append(ask("chat", "hello")))
            asking.start()
            assert is_asked.wait(60)
            process.send_signal(signal.SIGKILL)
            process.wait()
        may_answer.set()
        with process_on(path, urlsplit(url).port or 0):
            asking.join()
            given = ask("rate", found[0], 4, id="f-1"), ask("rate", found[0], 4, id="f-1")
    assert found[0].text == "at last"
    statuses = [(run["status"], run["reason"]) for run in document("runs", db=path)]
    assert statuses == [("answered", None), ("failed", "environment")]
    assert [one.is_new for one in given] == [True, False]


def test_a_gateway_that_is_not_there_is_tried_again_and_then_an_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    ask = connect("http://127.0.0.1:1/v1/", "gp_x", retries=2)
    with pytest.raises(grokputer.GatewayUnreachable, match="cannot be reached") as error:
        ask("chat", "hello")
    assert error.value.status is None


def test_a_session_is_a_context_whose_requests_belong_together(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"], streams=True) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, grokputer.Client(gateway.url, gateway.key) as client:
            with client.session("größe 7") as session:
                session.chat("Where is it?")
                with session.stream("And now?") as stream:
                    list(stream)
                assert session.last is not None and session.last.text == "ok"
                rated = session.rate(4, id="s")
                again = session.rate(4, id="s")
            asyncio.run(ask_in_session(gateway))
    assert len(rated.runs) == 2 and rated.is_new and not again.is_new
    assert {run["session"] for run in lines_of_start(path)} == {"größe 7", "order 8"}


async def ask_in_session(gateway: Served) -> None:
    async with (
        grokputer.AsyncClient(gateway.url, gateway.key) as client,
        client.session("order 8") as session,
    ):
        await session.chat("Where is it?")
        assert (await session.rate(5)).stars == 5


def lines_of_start(path: Path) -> list[dict[str, Any]]:
    return [line["data"] for line in lines(path, "--event", "TaskStarted")]


def test_a_client_needs_a_key_and_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROKPUTER_KEY", raising=False)
    with pytest.raises(grokputer.BadArgument, match="set GROKPUTER_KEY"):
        grokputer.Client()
    monkeypatch.setenv("GROKPUTER_KEY", "gp_x")
    with pytest.raises(grokputer.BadArgument, match="no address of a gateway"):
        grokputer.Client("localhost:8484")
    grokputer.Client().close()


def test_names_that_no_header_holds_are_refused_before_they_are_sent(connect: Connect) -> None:
    ask = connect("http://127.0.0.1:1", "gp_x")
    for options in ({"session": "a\r\nb: c"}, {"session": " "}, {"idempotency_key": "k" * 201}):
        with pytest.raises(grokputer.BadArgument, match="printable characters"):
            ask("chat", "hello", **options)
    with pytest.raises(grokputer.BadArgument, match="other characters"):
        connect("http://127.0.0.1:1", "gp_\n")


def test_a_client_loads_nothing_of_the_logs_side() -> None:
    program = (
        "import sys, json, grokputer; grokputer.Client; grokputer.AsyncClient; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"eventsourcing", "sqlite3", "torch", "aiohttp", "openai", "grokputer.runners.store.ledger"}
