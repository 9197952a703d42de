"""A real vLLM server on a CPU, behind a door that writes down what it is asked, as ``vllm_server`` does.

    python -m grokputer.benchmarks.killed.real_vllm PORT FILE PYTHON

PYTHON is that of the environment that ``benchmarks/vllm.py`` makes. A kill of the part ends the door and the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

import aiohttp
from aiohttp import web

from grokputer.benchmarks.killed.asked import write_down
from grokputer.benchmarks.vllm import start_server

HOP = {"host", "content-length", "transfer-encoding", "connection"}
"""Headers of one connection, which are not passed on."""
LONGEST = 1 << 26


class Door:
    """Passes requests to the server at ``inner``, and writes each down with the start of its process."""

    def __init__(self, inner: str, log: Path) -> None:
        self._inner, self._log, self._boot = inner, log, ""

    async def serve(self, port: int) -> None:
        """Serve until the process is ended."""
        async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(600)) as self._client:
            app = web.Application(client_max_size=LONGEST)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await asyncio.Event().wait()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._pass(request)
        except aiohttp.ClientConnectionError:
            assert request.transport is not None
            request.transport.abort()  # the server is not there, or not yet
            return web.Response()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body, began = await request.read(), time.time()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        address = f"{self._inner}{request.path_qs}"
        async with self._client.request(request.method, address, headers=headers, data=body) as got:
            kept = {name: value for name, value in got.headers.items() if name.lower() not in HOP}
            answer = web.StreamResponse(status=got.status, headers=kept)
            if request.method == "POST":
                boot = await self._boot_of()
                write_down(self._log, request.path, json.loads(body), began=began, boot=boot, status=got.status)
            await answer.prepare(request)
            async for piece in got.content.iter_any():
                await answer.write(piece)
            await answer.write_eof()
            return answer

    async def _boot_of(self) -> str:
        """The start of the server's process, as it tells it to everybody."""
        if not self._boot:
            async with self._client.get(f"{self._inner}/metrics") as got:
                found = re.search(r"^process_start_time_seconds (\S+)", await got.text(), re.MULTILINE)
            assert found is not None
            self._boot = found[1]
        return self._boot


def main(port: int, log: Path, python: Path) -> None:
    """Start the server, and serve the door before it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        inner = int(free.getsockname()[1])
    server = start_server(python, inner)

    def end_with_it() -> None:
        os._exit(server.wait() or 1)  # a door without a server is no part that runs

    threading.Thread(target=end_with_it, daemon=True).start()
    try:
        asyncio.run(Door(f"http://127.0.0.1:{inner}", log).serve(port))
    finally:
        server.terminate()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
