"""Running a gateway: it listens, perhaps with a worker beside it, until a signal stops it."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ....domain.errors import BadArgument
from ...store.place import Place as LogPlace
from ..admission import is_loopback
from ..gateway import Gateway
from .protocol import Protocol
from .worker import working

if TYPE_CHECKING:
    from ...store.ledger import Ledger

GRACE_S = 30.0
"""Seconds that answers in progress have at a stop; chosen. Meanwhile the gateway says that it is not ready."""
CUT_S = 1.0
"""Seconds that everything else has then, as pages have; aiohttp waits twice as long. Chosen."""
IDLE_S = 75.0
"""Seconds in which a connection has to send the head of a request; chosen: as nginx keeps idle connections."""
HANDLING: dict[str, Any] = {"access_log": None, "keepalive_timeout": IDLE_S, "auto_decompress": False}
"""How a connection is handled: no line for each request, and no unpacking of bodies, which could fill the memory."""
GARBAGE = 20_000
"""New objects after which Python searches for garbage; chosen: a request leaves fewer than ten. Python's own 700 cost about
5 % of a request."""


@dataclass(frozen=True)
class Place:
    """Where a gateway listens. Raises ``BadArgument`` for a place that strangers reach without a list of its names."""

    host: str = "127.0.0.1"
    port: int = 8484
    """0 takes a free one."""
    names: Collection[str] = ()
    """The hosts that it answers for, beside this machine's own names."""

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.names:
            raise BadArgument(
                f"{self.host} is reached from other machines; name the hosts that the gateway answers for, as in "
                "--allow-host grokputer.example.org"
            )


@dataclass(frozen=True)
class Parts:
    """What runs. Raises ``BadArgument`` where nothing would be served."""

    api: bool = True
    pages: bool = True
    worker: bool = True

    def __post_init__(self) -> None:
        if not self.api and not self.pages:
            raise BadArgument(
                "without the API and the pages there is nothing to serve; a worker alone is 'grokputer work'"
            )


def run(main: Coroutine[object, object, None]) -> None:
    """Run to the end in uvloop's event loop, or in Python's own where uvloop has no build, as on Windows.

    uvloop takes about a tenth of a request's processor time; see benchmarks/README.md.
    """
    if find_spec("uvloop") is None:
        asyncio.run(main)
        return
    import uvloop

    uvloop.run(main)


async def serve(
    log: LogPlace,
    place: Place,
    parts: Parts,
    *,
    say: Callable[[str], None],
    begin: Callable[[Ledger], None] | None = None,
) -> None:
    """Serve the log until SIGINT or SIGTERM; answers in progress end first. ``say`` gets the addresses, and
    before them what is wrong. ``begin`` is called once, when nothing is left that could refuse the start.

    Raises ``LogError``, and ``OSError`` where it cannot listen.
    """
    gateway = Gateway(log, place.names, say, with_api=parts.api, with_pages=parts.pages)
    async with AsyncExitStack() as stack, listening(gateway, place.host, place.port) as port:
        if begin is not None:
            await gateway.owner.act(lambda desk: begin(desk.ledger))
        worker = await stack.enter_async_context(working(log, say)) if parts.worker else None
        address = f"http://{f'[{place.host}]' if ':' in place.host else place.host}:{port}"
        _let_memory_rest()
        if parts.api:
            say(f"serving {address}/v1")
        if parts.pages:
            say(f"pages at {address}/")
        try:
            await _stopped()
        finally:
            if worker is not None:
                worker.stop()  # it ends while answers in progress do


@asynccontextmanager
async def listening(gateway: Gateway, host: str, port: int, *, grace_s: float = GRACE_S) -> AsyncIterator[int]:
    """The port at which the gateway answers until the block ends; answers in progress then have so many seconds.

    Raises ``LogError``, and ``OSError`` where it cannot listen.
    """
    runner = web.AppRunner(gateway.application(), shutdown_timeout=CUT_S)
    await runner.setup()
    listener = None
    try:
        server = runner.server
        assert server is not None
        loop = asyncio.get_running_loop()

        def connect() -> asyncio.Protocol:
            own = Protocol(server, loop=loop, **HANDLING)
            return gateway.connections.accept(own)

        listener = await loop.create_server(connect, host, port)
        yield listener.sockets[0].getsockname()[1]
        await gateway.drain(grace_s)
    finally:
        if listener is not None:
            listener.close()
        await runner.cleanup()


def _let_memory_rest() -> None:
    """Spare the objects of the start, some hundred thousand that never go, each later search for garbage, and search less
    often: requests leave few cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


async def _stopped() -> None:
    """Wait for a signal that stops the program."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
