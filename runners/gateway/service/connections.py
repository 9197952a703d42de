"""The open connections of clients, which are bounded: those without a key make room for those with one.

Each connection takes one of the files that a process may have open. A program without a key could take all of them, and
then no client is answered.
"""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING, cast

from ..replies import Refused

if TYPE_CHECKING:
    from aiohttp import web

MOST = 4096
"""Connections at most; chosen: some 20 KB of memory each."""
OWN_FILES = 200
"""Files that are not for connections: the log's, those of libraries, and connections that come in one turn of the loop."""
LEAST = 16
"""Connections at least, whatever the limit of open files."""


def most_connections(files: int) -> int:
    """The number of connections for a process that may have so many open files; -1 is without a limit.

    Half of the files, because an answer may take a connection to the endpoint too.
    """
    return MOST if files < 0 else min(MOST, max(LEAST, (files - OWN_FILES) // 2))


class Connections:
    """The connections of one gateway, ``most`` at a time; None derives it from the limit of open files.

    A connection is a stranger's until a request on it has shown a valid key. Where one more comes than there is room for,
    the oldest stranger's is cut. It is not the newest: that may be a client whose key is under way. An eighth of the places
    is for strangers alone, so that a new client is always heard.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0]) if most is None else most
        self._strangers: dict[asyncio.Protocol, _Connection] = {}
        """By its reader, oldest first."""
        self._known: dict[asyncio.Protocol, _Connection] = {}

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def accept(self, reader: asyncio.Protocol) -> asyncio.Protocol:
        """The protocol of a new connection, which the reader reads. The oldest stranger's connection makes room for it."""
        while len(self) >= self.most and self._strangers:
            self._strangers.pop(next(iter(self._strangers))).cut()
        connection = self._strangers[reader] = _Connection(self, reader)
        return connection

    def trust(self, request: web.Request) -> None:
        """Note that the request has a valid key. Raises ``Refused``, 503, where clients with keys have all their places."""
        reader: asyncio.Protocol = request.protocol
        if reader in self._known or reader not in self._strangers:
            return
        if len(self._known) >= self.most - max(1, self.most // 8):
            raise Refused(
                503,
                f"{len(self._known)} connections are open; close those that are idle, or try again later",
                {"retry-after": "1", "connection": "close"},
            )
        self._known[reader] = self._strangers.pop(reader)

    def forget(self, reader: asyncio.Protocol) -> None:
        """Note that the reader's connection has ended."""
        self._strangers.pop(reader, None)
        self._known.pop(reader, None)


class _Connection(asyncio.Protocol):
    """One connection: what comes goes to its reader, unless it was cut before it began."""

    def __init__(self, connections: Connections, reader: asyncio.Protocol) -> None:
        self._connections, self._reader = connections, reader
        self._transport: asyncio.WriteTransport | None = None
        self._is_cut = False

    def cut(self) -> None:
        """End the connection without a word."""
        self._is_cut = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A loop's own class of transport need not be asyncio's: uvloop's is not.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._reader.connection_made(transport)
        if self._is_cut:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.forget(self._reader)
        self._reader.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._reader.data_received(data)

    def eof_received(self) -> bool | None:
        return self._reader.eof_received()

    def pause_writing(self) -> None:
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        self._reader.resume_writing()
