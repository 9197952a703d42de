"""Live pages: the position of the log as server-sent events, so that an open page can load what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from ..replies import error_reply

if TYPE_CHECKING:
    from ..gateway import Gateway

LOOK_S = 0.5
"""Seconds between two looks at the position; chosen: a page seems to change at once."""
PING_S = 15.0
"""Seconds after which a comment is sent, so that no proxy takes the connection for dead. Source: HTML standard, 9.2.7."""
MOST_OPEN = 100
"""Live pages at once; more are told to come back. Chosen."""


class Live:
    """The live pages of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._open = 0
        self._stopping = asyncio.Event()

    async def follow(self, request: web.Request, may_read: Callable[[], bool]) -> web.StreamResponse:
        """Send the position whenever it changes, until the client leaves, may no longer read, or the gateway stops."""
        if self._open >= MOST_OPEN:
            return error_reply(503, f"{MOST_OPEN} pages are live; try again later", headers={"retry-after": "30"})
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
        }
        response = web.StreamResponse(headers=headers)
        self._open += 1
        try:
            await response.prepare(request)
            with suppress(ConnectionError):
                await self._send(response, may_read)
        finally:
            self._open -= 1
        return response

    async def stop(self, app: web.Application) -> None:
        """End all of them."""
        self._stopping.set()

    async def _send(self, response: web.StreamResponse, may_read: Callable[[], bool]) -> None:
        last, silent_s = -1, 0.0
        while not self._stopping.is_set() and may_read():
            state = self._gateway.owner.state
            position = 0 if state is None else state.position
            if position != last:
                await response.write(f"id: {position}\ndata: {position}\n\n".encode())
                last, silent_s = position, 0.0
            elif silent_s >= PING_S:
                await response.write(b": still here\n\n")
                silent_s = 0.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_S)
            silent_s += LOOK_S
