"""What the gateway costs beside the model: CPU time, latency and memory of requests through it to a mock endpoint.

    python benchmarks/gateway.py requests --rounds 3
    python benchmarks/gateway.py streams --requests 320
    python benchmarks/gateway.py requests --pause-ms 100 --clients 16       # people, who read an answer before they ask
    python benchmarks/gateway.py requests --litellm litellm/bin/litellm      # LiteLLM beside it, from its own environment
    python benchmarks/gateway.py memory --requests 200000

The mock endpoint, each gateway and the clients are processes of their own. CPU seconds are those of the gateway's process
alone, its threads included; of several interleaved rounds the least is printed. Each request is recorded by three events and
three texts, durable before its answer ends; LiteLLM records nothing. A stream has 68 frames, 5 ms apart. The overhead is the
gateway's latency less that of the endpoint asked directly, in the same run, as a multiple of the disk's fdatasync. Clients
that ask at once keep the gateway busy all the time, so their latency is that of a queue; with pauses, of random length around
a mean, it is that of an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

PROGRAM = "from grokputer.cli import main; main()"
FRAMES, APART_S = 68, 0.005
ANSWER = "The capital of France is Paris. " * 6
"""0.2 KB, as the requests are."""
MASTER_KEY = "sk-a-long-key-of-the-benchmark-alone"
SYNCS = 200
PARTS = 10
"""Looks at the memory."""


@dataclass
class Server:
    """A server under load. Without a process only its latencies are measured."""

    name: str
    url: str
    key: str
    pid: int | None


def main() -> None:
    """Print one row for each server and number of clients."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("what", choices=("requests", "streams", "memory", "mock"))
    options.add_argument("--requests", type=int, default=2000)
    options.add_argument("--clients", type=int, nargs="+", default=[1, 16, 32])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--pause-ms", type=float, default=0.0, help="mean pause of a client before each request")
    options.add_argument("--folder", type=Path, help="where the log is made; default: a temporary folder")
    options.add_argument("--litellm", help="LiteLLM's program, in an environment of its own")
    arguments = options.parse_args()
    if arguments.what == "mock":
        web.run_app(mock(), host="127.0.0.1", port=0, access_log=None, print=_say)
        return
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        servers(Path(folder), arguments.litellm) as all_of,
    ):
        if arguments.what == "memory":
            measure_memory(all_of[1], arguments.requests)
        else:
            measure(all_of, arguments, Path(folder))


def measure(all_of: list[Server], arguments: argparse.Namespace, folder: Path) -> None:
    """The least CPU time of a request, and latencies, of each server in turn."""
    cpu: dict[tuple[str, int], list[float]] = {}
    took: dict[tuple[str, int], list[float]] = {}
    is_stream, syncs = arguments.what == "streams", sync_ms(folder)
    for _ in range(arguments.rounds):
        for clients in arguments.clients:
            for server in all_of:
                count = arguments.requests if server.name != "LiteLLM" else max(clients, arguments.requests // 10)
                asyncio.run(load(server, is_stream, clients, clients * 2))  # warm
                before = cpu_s(server)
                took.setdefault((server.name, clients), []).extend(
                    asyncio.run(load(server, is_stream, clients, count, arguments.pause_ms / 1000))
                )
                cpu.setdefault((server.name, clients), []).append((cpu_s(server) - before) / count * 1e6)
        syncs += sync_ms(folder)
    sync = p99(syncs)
    _say(f"an fdatasync takes {statistics.median(syncs):.2f} ms (p50) and {sync:.2f} ms (p99)\n")
    names = ("CPU us a request", "us a frame", "p50 ms", "p99 ms", "p99 overhead, in p99 of fdatasync", "memory MB")
    _say(f"| server | clients | {' | '.join(names)} |\n|---|---{'|---' * len(names)}|")
    for server in all_of:
        for clients in arguments.clients:
            times, least = [1000 * it for it in took[server.name, clients]], min(cpu[server.name, clients])
            overhead = (p99(times) - 1000 * p99(took[all_of[0].name, clients])) / sync
            cells = [f"{statistics.median(times):.1f}", f"{p99(times):.1f}"]
            if server.pid is None:
                cells = ["", "", *cells, "", ""]
            else:
                frame = f"{least / FRAMES:.0f}" if is_stream else ""
                cells = [f"{least:.0f}", frame, *cells, f"{overhead:.1f}", f"{memory_mb(server):.0f}"]
            _say(f"| {server.name} | {clients} | {' | '.join(cells)} |")


def measure_memory(server: Server, count: int) -> None:
    """The gateway's memory while it answers so many requests, whole ones and every tenth in a stream's form."""
    _say("| requests | memory MB | CPU us a request |\n|---|---|---|")
    asyncio.run(load(server, False, 32, 2000))
    for part in range(PARTS + 1):
        before = cpu_s(server)
        if part:
            asyncio.run(load(server, False, 32, count // PARTS))
        each = (cpu_s(server) - before) / (count // PARTS) * 1e6
        _say(f"| {part * count // PARTS} | {memory_mb(server):.1f} | {each:.0f} |")


@contextmanager
def servers(folder: Path, litellm: str | None) -> Iterator[list[Server]]:
    """The endpoint itself, the gateway before it, and LiteLLM before it where its program is given."""
    processes: list[subprocess.Popen[str]] = []

    def start(command: list[str], pattern: str = r"http://[\d.]+:\d+") -> tuple[subprocess.Popen[str], str]:
        environment = {**os.environ, "OPENAI_API_KEY": "mock", "LITELLM_MASTER_KEY": MASTER_KEY}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=folder
        )
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(pattern, line):
                return process, f"{found[0]}/v1"
        sys.exit(f"{command} did not start")

    try:
        _, endpoint = start([sys.executable, __file__, "mock"])
        key = prepare(folder, endpoint)
        command = ["serve", "--port", "0", "--no-worker", "--no-pages", "--db", str(folder / "events.db")]
        gateway, url = start([sys.executable, "-c", PROGRAM, *command])
        all_of = [Server("the endpoint", endpoint, key, None), Server("grokputer", url, key, gateway.pid)]
        if litellm is not None:
            settings = folder / "litellm.yaml"
            settings.write_text(json.dumps({
                "model_list": [{"model_name": "action", "litellm_params": {
                    "model": "openai/mock", "api_base": endpoint, "api_key": "mock"}}],
                "general_settings": {"master_key": MASTER_KEY},
            }))  # fmt: skip
            port = "4747"
            other, _ = start(
                [litellm, "--config", str(settings), "--host", "127.0.0.1", "--port", port], r"Uvicorn running on \S+"
            )
            all_of.append(Server("LiteLLM", f"http://127.0.0.1:{port}/v1", MASTER_KEY, other.pid))
        yield all_of
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()


def prepare(folder: Path, endpoint: str) -> str:
    """A log before the endpoint, and a key to its gateway."""
    from grokputer.domain.vocabulary import Scope
    from grokputer.runners.store.ledger import Ledger
    from grokputer.runners.use_cases.access_keys import create_key
    from grokputer.runners.use_cases.settings import change_setting

    ledger = Ledger.create(folder / "events.db")
    for name, value in {"model.backend": "openai", "model.endpoint": endpoint, "model.base": "mock"}.items():
        change_setting(ledger, name, value, actor="bench")
    key = create_key(ledger, "load", scopes=[Scope.INFER], limits={}, actor="bench").key
    ledger.close()
    return key


async def load(server: Server, is_stream: bool, clients: int, count: int, pause_s: float = 0.0) -> list[float]:
    """The seconds of each of so many requests, from so many clients at once. Each client waits before each request, for a
    time that is exponentially distributed around ``pause_s``."""
    body = json.dumps(
        {"model": "action", "stream": is_stream, "messages": [{"role": "user", "content": "Capital of France? " * 10}]}
    ).encode()
    headers = {"authorization": f"Bearer {server.key}", "content-type": "application/json"}
    took: list[float] = []
    left, chance = iter(range(count)), random.Random(count)

    async def client(session: aiohttp.ClientSession) -> None:
        for _ in left:
            if pause_s:
                await asyncio.sleep(chance.expovariate(1 / pause_s))
            began = time.perf_counter()
            async with session.post(f"{server.url}/chat/completions", data=body, headers=headers) as response:
                answer = await response.read()
                assert response.status == 200 and (not is_stream or answer.endswith(b"data: [DONE]\n\n")), answer
            took.append(time.perf_counter() - began)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return took


def mock() -> web.Application:
    """The endpoint that answers at once."""
    usage = {"prompt_tokens": 40, "completion_tokens": 40, "total_tokens": 80}
    message = {"role": "assistant", "content": ANSWER}
    common = {"id": "chatcmpl-1", "created": 0, "model": "mock"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    whole = json.dumps({**common, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    delta = {"index": 0, "delta": {"content": "token "}, "finish_reason": None}
    frame = f"data: {json.dumps({**common, 'object': 'chat.completion.chunk', 'choices': [delta]})}\n\n".encode()
    last = f"data: {json.dumps({**common, 'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n".encode()

    async def answer(request: web.Request) -> web.StreamResponse:
        if not json.loads(await request.read()).get("stream"):
            return web.Response(body=whole, content_type="application/json")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(FRAMES):
            await response.write(frame)
            await asyncio.sleep(APART_S)
        await response.write(last)
        return response

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "mock"}]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/v1/models", models)
    return app


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[int(len(values) * 0.99)]


def sync_ms(folder: Path) -> list[float]:
    """The milliseconds of some appends of 4 KB with an fdatasync each."""
    file, took = os.open(folder / "synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND), list[float]()
    for _ in range(SYNCS):
        began = time.perf_counter()
        os.write(file, b"x" * 4096)
        os.fdatasync(file)
        took.append((time.perf_counter() - began) * 1000)
    os.close(file)
    return took


def cpu_s(server: Server) -> float:
    """CPU seconds of the server's process so far; 0 without one."""
    if server.pid is None:
        return 0.0
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(server: Server) -> float:
    """Resident memory of the server's process."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _say(*words: Any) -> None:
    print(*words, flush=True)


if __name__ == "__main__":
    main()
