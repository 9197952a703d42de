"""Gateways that are killed again and again under load: what a client was given whole is in the log, and nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from command_line import document, output
from gateways import make_key, serve_command, serving

DONE = b"data: [DONE]\n\n"
KILLS, CLIENTS, GATEWAYS = 60, 32, 2
"""Kills in all, and gateways that are killed; one more on the same log lives through it."""
MakeLog = Callable[[str], Path]


def endpoint(asked: Counter[str]) -> web.Application:
    """An endpoint that answers each question after a few ms, whole or in three parts, and counts the questions."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        question = body["messages"][0]["content"]
        asked[question] += 1
        await asyncio.sleep(random.uniform(0, 0.02))
        if not body.get("stream"):
            return web.json_response({"choices": [{"message": {"content": f"answer to {question}"}}]})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for part in ("answer ", "to ", question):
            chunk = {"choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await asyncio.sleep(0.002)
        await response.write(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n' + DONE)
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    return app


@dataclass
class Load:
    """Clients that ask all the time, and ask again with the same ``Idempotency-Key`` where they got no whole answer."""

    key: str
    urls: list[str]
    """The gateways' addresses; a client takes one at random each time."""
    given: dict[str, list[str]] = field(default_factory=dict)
    """By question, the runs whose whole answers a client was given, each time that it was."""
    is_over: bool = False

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            await asyncio.gather(*(self._ask_on(session, number) for number in range(CLIENTS)))

    async def _ask_on(self, session: aiohttp.ClientSession, client: int) -> None:
        number = 0
        while not self.is_over:
            question, number = f"q{client}-{number}", number + 1
            body = {
                "model": "action",
                "stream": random.random() < 0.5,
                "messages": [{"role": "user", "content": question}],
            }
            for _ in range(random.choice((1, 1, 1, 2))):  # some ask again although they were answered
                await self._ask(session, question, body)

    async def _ask(self, session: aiohttp.ClientSession, question: str, body: dict[str, object]) -> None:
        headers = {"authorization": f"Bearer {self.key}", "Idempotency-Key": question}
        for _ in range(3):
            try:
                url = f"{random.choice(self.urls)}/chat/completions"
                async with session.post(url, json=body, headers=headers) as response:
                    answer = await response.read()
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(0.05)
                continue
            is_whole = (
                response.status == 200 and (not body["stream"] or answer.endswith(DONE)) and b'"error"' not in answer
            )
            if is_whole:
                assert question in answer.decode().replace('"}, "finish', ""), answer
                self.given.setdefault(question, []).append(response.headers["x-grokputer-run"])
                return
            if response.headers.get("x-should-retry") == "false":
                return  # the run of this key ended without a whole answer
            await asyncio.sleep(0.02)


async def start_gateway(path: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(*serve_command(path), stdout=subprocess.PIPE, env=os.environ)
    assert process.stdout is not None
    while not (found := re.search(rb"http://[\d.:]+/v1", await process.stdout.readline())):
        assert process.returncode is None
    return process, found[0].decode()


async def kill_often(path: Path, load: Load) -> None:
    """Kill gateways and start others in their places, so many times in all, and then stop the clients."""
    left = iter(range(KILLS))

    async def kill_in_turn() -> None:
        for _ in left:
            process, url = await start_gateway(path)
            load.urls.append(url)
            await asyncio.sleep(random.uniform(0.2, 1.5))
            load.urls.remove(url)
            process.send_signal(signal.SIGKILL)
            await process.wait()

    steady, url = await start_gateway(path)
    load.urls.append(url)
    try:
        clients = asyncio.create_task(load.run())
        await asyncio.gather(*(kill_in_turn() for _ in range(GATEWAYS)))
        load.is_over = True
        await clients
    finally:
        steady.kill()
        await steady.wait()


@pytest.mark.slow
def test_gateways_killed_sixty_times_under_load_lose_no_answer_and_record_none_twice(
    log_before: MakeLog,
) -> None:
    asked: Counter[str] = Counter()

    async def play() -> Load:
        runner = web.AppRunner(endpoint(asked), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        path = log_before(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        load = Load(make_key(path), [])
        await kill_often(path, load)
        await runner.cleanup()
        paths.append(path)
        return load

    paths: list[Path] = []
    load = asyncio.run(play())
    [path] = paths
    with serving(path):
        pass  # it ends what the killed ones left
    runs = {run["id"]: run for run in document("runs", "--limit", "1000000", db=path)}
    given = {run for runs_of in load.given.values() for run in runs_of}
    assert len(load.given) > 100
    assert [run for run in given if runs.get(run, {}).get("status") != "answered"] == []
    assert all(len(set(runs_of)) == 1 for runs_of in load.given.values())  # an answer again is the same run
    assert {question for question, times in asked.items() if times > 1} == set()  # and is not asked for twice
    assert not [run for run in runs.values() if run["status"] == "running"]
    assert {run["reason"] for run in runs.values() if run["status"] == "failed"} <= {"environment"}
    output("verify", db=path)
