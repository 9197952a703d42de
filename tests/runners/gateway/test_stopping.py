"""A gateway that is stopped loses nothing; one that is killed leaves runs that the next one ends, for neither arm."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, document, output
from gateways import make_key, process_on, serving

from grokputer.runners.gateway.gateway import Gateway
from grokputer.runners.gateway.service import worker
from grokputer.runners.gateway.service.server import listening
from grokputer.runners.store.log import Log
from grokputer.runners.store.port import LEASE

BODY = json.dumps({"model": "action", "messages": [{"role": "user", "content": "hello"}]}).encode()
MakeLog = Callable[[str], Path]


def ask(url: str, key: str) -> Any:
    request = urllib.request.Request(f"{url}/chat/completions", BODY, {"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read())


def test_a_killed_gateway_has_recorded_what_it_answered_and_the_next_one_ends_the_rest(log_before: MakeLog) -> None:
    stalls, stalled, may_answer = threading.Event(), threading.Event(), threading.Event()

    def answer(question: str) -> str:
        if stalls.is_set():
            stalled.set()
            may_answer.wait(30)
        return "ok"

    with ChatServer(answer, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path)
        with process_on(path) as (process, url):
            assert ask(url, key)["choices"][0]["message"]["content"] == "ok"
            stalls.set()
            waiting = threading.Thread(target=_ask_in_vain, args=(url, key))
            waiting.start()
            assert stalled.wait(30)
            process.send_signal(signal.SIGKILL)
            process.wait()
            waiting.join()
        assert [run["status"] for run in document("runs", db=path)] == ["running", "answered"]
        with serving(path):
            pass
        may_answer.set()
    late, first = document("runs", db=path)
    assert (late["reason"], first["status"]) == ("environment", "answered")
    output("verify", db=path)


def _ask_in_vain(url: str, key: str) -> None:
    try:
        ask(url, key)
    except OSError:
        return
    raise AssertionError("a killed gateway answered")


def test_a_gateway_that_is_told_to_stop_ends_the_answers_in_progress(log_before: MakeLog) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer(question: str) -> str:
        is_asked.set()
        may_answer.wait(30)
        return "at last"

    with ChatServer(answer, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        key, found = make_key(path), []
        with process_on(path) as (process, url):
            asking = threading.Thread(target=lambda: found.append(ask(url, key)))
            asking.start()
            assert is_asked.wait(30)
            process.send_signal(signal.SIGTERM)
            may_answer.set()
            asking.join()
            assert process.wait(30) == 0
    assert found[0]["choices"][0]["message"]["content"] == "at last"
    assert [run["status"] for run in document("runs", db=path)] == ["answered"]


def test_a_gateway_that_is_stopping_says_so_and_cuts_what_does_not_end(log_before: MakeLog) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer(question: str) -> str:
        is_asked.set()
        may_answer.wait(30)
        return "too late"

    async def stop(path: Path, key: str) -> list[int]:
        async with listening(Gateway(path), "127.0.0.1", 0, grace_s=1.0) as port:
            url = f"http://127.0.0.1:{port}/v1"
            first = asyncio.create_task(asyncio.to_thread(status_of, f"{url}/chat/completions", key, BODY))
            await asyncio.to_thread(is_asked.wait, 30)
            stopping = asyncio.create_task(look_while_stopping(url, key))
        return [*await stopping, await first]

    async def look_while_stopping(url: str, key: str) -> list[int]:
        await asyncio.sleep(0.2)
        root = url.removesuffix("/v1")
        asked = ((f"{root}/health/ready", None), (f"{url}/chat/completions", BODY), (f"{root}/health/live", None))
        return [await asyncio.to_thread(status_of, address, key, body) for address, body in asked]

    with ChatServer(answer, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        found = asyncio.run(stop(path, make_key(path)))
        may_answer.set()
    assert found == [503, 503, 200, 0]
    [run] = document("runs", db=path)
    assert run["reason"] == "environment"


def status_of(address: str, key: str, body: bytes | None) -> int:
    """The status of the response; 0 where the connection was cut."""
    request = urllib.request.Request(address, body, {"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def test_a_worker_that_ends_by_itself_is_started_again_and_ends_with_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PAUSES_S", (0.05,))
    path, said = tmp_path / "events.db", list[str]()
    output("init", db=path)

    async def at_work(before: str | None = None) -> str:
        while (found := Log.open(path).database.holder(LEASE)) in (None, before):
            await asyncio.sleep(0.05)
        assert found is not None
        return found

    async def kill_the_first() -> str:
        async with worker.working(path, said.append):
            first = await at_work()
            os.kill(int(first.split()[-1]), signal.SIGKILL)
            return await at_work(first)

    second = asyncio.run(kill_the_first())
    assert said == ["the worker ended with code -9; it starts again in 0.05 s"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(second.split()[-1]), 0)


def test_a_log_that_there_is_not_is_not_made_by_serving_it(tmp_path: Path) -> None:
    result = call("serve", db=tmp_path / "typo.db")
    assert result.exit_code == 1 and "no log at" in result.stderr and "init" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_one_line(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint, closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        result = call("serve", "--port", port, "--no-worker", db=log_before(endpoint.url))
    assert (
        result.exit_code == 1
        and f"cannot listen on 127.0.0.1:{port}: Address already in use; give another" in result.stderr
    )
