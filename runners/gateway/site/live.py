"""Live pages: the position of the log as server-sent events, so that an open page can load what changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp import web

from ..replies import Refused

if TYPE_CHECKING:
    from ..gateway import Gateway

LATER = {"retry-after": "30"}
LOOK_S = 0.5
"""Seconds between two looks at the position; chosen: a page seems to change at once."""
PING_S = 15.0
"""Seconds after which a comment is sent, so that no proxy takes the connection for dead. Source: HTML standard, 9.2.7."""
MOST_OPEN = 100
"""Live pages at once; more are told to come back. Chosen."""
MOST_OF_ONE = 12
"""Live pages of one person, whatever keys the person has; chosen: what two browsers open, six connections each."""


class Seats:
    """The places of live pages: so many in all, and of one person."""

    def __init__(self, most: int = MOST_OPEN, most_of_one: int = MOST_OF_ONE) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._taken: Counter[str] = Counter()

    @contextmanager
    def hold(self, person: str) -> Iterator[None]:
        """Hold a place of the person until the block ends. Raises ``Refused``, 503, where there is none."""
        if self._taken[person] >= self._most_of_one:
            raise Refused(503, f"{self._most_of_one} pages of {person} are live; close some, or try again later", LATER)
        if self._taken.total() >= self._most:
            raise Refused(503, f"{self._most} pages are live; try again later", LATER)
        self._taken[person] += 1
        try:
            yield
        finally:
            self._taken[person] -= 1
            self._taken += Counter()  # forgets those without a place


class Live:
    """The live pages of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._seats = Seats()
        self._stopping = asyncio.Event()

    async def follow(self, request: web.Request, person: str, may_read: Callable[[], bool]) -> web.StreamResponse:
        """Send the person the position whenever it changes, until the client leaves, may no longer read, or the gateway stops.

        Raises ``Refused``, 503, where too many pages are live.
        """
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
        }
        response = web.StreamResponse(headers=headers)
        with self._seats.hold(person):
            await response.prepare(request)
            with suppress(ConnectionError):
                await self._send(response, may_read)
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
