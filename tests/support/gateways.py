"""A gateway in a thread of the test, on a log of its own, before an endpoint of the test's."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from in_thread import InThread

from grokputer.domain.vocabulary import Scope
from grokputer.runners.gateway.gateway import Gateway
from grokputer.runners.gateway.service.server import listening
from grokputer.runners.gateway.service.server import run as run_in_loop
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.access_keys import create_key
from grokputer.runners.use_cases.settings import change_setting

PROGRAM = "from grokputer.cli import main; main()"


@dataclass
class Served:
    """A gateway that listens."""

    url: str
    """The base URL of its API."""
    key: str
    """A key with all scopes."""
    path: Path

    def ask(
        self, address: str, body: object = None, *, key: str | None = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        """The status, headers and JSON of a request; an empty ``key`` is the gateway's own, None sends none."""
        status, found, answered = self.ask_text(address, body, key=key, headers=headers)
        return status, found, json.loads(answered)

    def ask_text(
        self, address: str, body: object = None, *, key: str | None = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        """As ``ask``, with the body as the text that came."""
        given = {} if key is None else {"authorization": f"Bearer {key or self.key}"}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{address}", data, {**given, **(headers or {})})
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, dict(response.headers), response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read().decode()


def make_log_before(path: Path, url: str) -> Path:
    """A new log at the path, whose runs go to the endpoint at this URL."""
    ledger = Ledger.create(path)
    for key, value in {"model.backend": "openai", "model.endpoint": url, "model.base": "tiny"}.items():
        change_setting(ledger, key, value, actor="ada")
    ledger.close()
    return path


def make_key(path: Path, *scopes: str, holder: str = "ada", **limits: float) -> str:
    """A new key of the log; with all scopes where none is named."""
    ledger = Ledger.open(path)
    made = create_key(ledger, holder, scopes=scopes or list(Scope), limits=limits, actor="eve")
    ledger.close()
    return made.key


@contextmanager
def serving(
    path: Path, *, with_api: bool = True, with_pages: bool = True, say: Callable[[str], None] = lambda line: None
) -> Iterator[Served]:
    """A gateway on the log until the block ends, then stopped as a signal stops it. ``say`` gets its lines."""
    key = make_key(path)
    ready, stop = threading.Event(), asyncio.Event()
    at: dict[str, Any] = {}

    def work() -> None:
        try:
            run_in_loop(run())
        except Exception as error:
            at["error"] = error
            ready.set()

    async def run() -> None:
        at["loop"] = asyncio.get_running_loop()
        gateway = Gateway(path, say=say, with_api=with_api, with_pages=with_pages)
        async with listening(gateway, "127.0.0.1", 0, grace_s=5) as port:
            at["port"] = port
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    if "error" in at:
        raise at["error"]
    try:
        yield Served(f"http://127.0.0.1:{at['port']}/v1", key, path)
    finally:
        at["loop"].call_soon_threadsafe(stop.set)
        thread.join()


def serve_command(path: Path, port: int = 0) -> list[str]:
    """The command that starts a gateway on the log, without a worker. Port 0 is a free one."""
    return [sys.executable, "-c", PROGRAM, "serve", "--port", str(port), "--no-worker", "--db", str(path)]


def started(command: list[str]) -> list[str]:
    """The lines that the program prints until it serves; it is killed then."""
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "http://" in line:
                process.kill()
    return lines


@contextmanager
def process_on(path: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A gateway in a process of its own, and its base URL; killed at the end. Port 0 is a free one."""
    with subprocess.Popen(serve_command(path, port), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
            yield process, url
        finally:
            process.kill()


class RawUpstream(InThread):
    """An endpoint that writes these bytes as the body of every answer, and then breaks the connection off or ends it."""

    def __init__(
        self,
        body: bytes,
        *,
        status: int = 200,
        kind: str = "text/event-stream",
        cuts: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer(body, status=status, kind=kind, cuts=cuts, headers=headers)
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                upstream.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                body = upstream.body
                self.send_response(upstream.status)
                for name, value in upstream.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) + (100 if upstream.cuts else 0)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()
                self.close_connection = True

            def do_GET(self) -> None:
                listed = json.dumps({"data": [{"id": "tiny"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(listed)))
                self.end_headers()
                self.wfile.write(listed)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        kind: str = "text/event-stream",
        cuts: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer so from now on."""
        self.body, self.status, self.cuts = body, status, cuts
        self.headers = {"Content-Type": kind, **(headers or {})}
