"""Several vLLM servers as upstream: the request's own bytes go to one that was proven to apply the adapter.

Where that server is lost or has forgotten the adapter before an answer begins, another one is asked, or the same one after it
has loaded the adapter again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp

from ....domain.errors import (
    DamagedWeights,
    EnvironmentUnavailable,
    GrokputerError,
    LogError,
    NotServed,
    UnknownAdapter,
)
from ....domain.vocabulary import FailureReason
from .endpoint import EndpointUpstream
from .upstream import NoAnswer, Stream, Whole

if TYPE_CHECKING:
    from ....adapters.serving.reply import Reply
    from ....domain.ports import EndpointChooser, Model
    from ..exchange import Exchange

ATTEMPTS = 3
"""Servers that a request is sent to before it fails; chosen: one that is lost, its like, and one that has loaded again."""


class FleetUpstream(EndpointUpstream):
    """Answers of the endpoints of a model. ``model`` prepares an adapter and returns the model; it is called in a thread."""

    def __init__(self, model: Callable[[str | None], Model]) -> None:
        super().__init__()
        self._model = model

    async def answer(self, exchange: Exchange, headers: Mapping[str, str]) -> Whole:
        """The answer of a server; see ``Upstream.answer``."""
        for left in reversed(range(ATTEMPTS)):
            async with AsyncExitStack() as stack:
                directed = await self.direct(exchange, stack)
                try:
                    return await super().answer(directed, headers)
                except NoAnswer as error:
                    await self.doubt(error, exchange, directed, left)
        raise AssertionError("the last attempt returns or raises")

    def stream(self, exchange: Exchange, headers: Mapping[str, str]) -> Stream:
        """The answer of a server in parts."""
        return _FleetStream(self, exchange, headers)

    def stream_of(self, directed: Exchange, headers: Mapping[str, str]) -> Stream:
        """The answer of the server that was chosen, in parts."""
        return super().stream(directed, headers)

    async def direct(self, exchange: Exchange, stack: AsyncExitStack) -> Exchange:
        """The exchange with the chosen server and the adapter's name there; it counts as asked until the stack closes.

        Raises ``NoAnswer``.
        """
        try:
            chosen = await asyncio.to_thread(lambda: self._chooser(exchange).choose(exchange.adapter))
        except (UnknownAdapter, DamagedWeights, NotServed) as error:
            told = "the adapter is not available"
            raise NoAnswer(str(error), told=told, reason=FailureReason.ERROR) from error
        except EnvironmentUnavailable as error:
            raise NoAnswer(str(error), told="no endpoint answers") from error
        except LogError as error:  # a proof could not be recorded, which is no fault of the adapter
            raise NoAnswer(str(error), 503, told="the log cannot be written") from error
        except GrokputerError as error:
            raise NoAnswer(str(error), told="the model is not available", reason=FailureReason.ERROR) from error
        endpoint = stack.enter_context(chosen)
        route = exchange.route if endpoint.adapter is None else replace(exchange.route, adapter=endpoint.adapter)
        return replace(exchange, model=replace(exchange.model, endpoint=endpoint.url), route=route)

    async def doubt(self, error: NoAnswer, exchange: Exchange, directed: Exchange, left: int) -> None:
        """Have the server looked at before it is asked again. Raises the error where asking again is of no use."""
        is_lost = isinstance(error.__cause__, aiohttp.ClientConnectionError)
        has_forgotten = exchange.adapter is not None and error.reason == FailureReason.ERROR
        if not left or not (is_lost or has_forgotten):
            raise error
        await asyncio.to_thread(lambda: self._chooser(exchange).doubt(directed.model.endpoint or ""))

    def _chooser(self, exchange: Exchange) -> EndpointChooser:
        chooser = self._model(exchange.adapter).endpoints
        if chooser is None:
            raise NotServed("the model has no endpoints any more; ask again")
        return chooser

    async def _require_served(self, exchange: Exchange) -> None:
        """Nothing to ask: the chosen server was proven to apply the adapter."""


class _FleetStream:
    """One answer in parts, of the first server with which it begins."""

    def __init__(self, upstream: FleetUpstream, exchange: Exchange, headers: Mapping[str, str]) -> None:
        self._upstream, self._exchange, self._headers = upstream, exchange, headers
        self._stack = AsyncExitStack()
        self._inner: Stream = upstream.stream_of(exchange, headers)

    async def __aenter__(self) -> _FleetStream:
        for left in reversed(range(ATTEMPTS)):
            async with AsyncExitStack() as stack:
                directed = await self._upstream.direct(self._exchange, stack)
                self._inner = self._upstream.stream_of(directed, self._headers)
                try:
                    await stack.enter_async_context(self._inner)
                except NoAnswer as error:
                    await self._upstream.doubt(error, self._exchange, directed, left)
                    continue
                self._stack = stack.pop_all()
                return self
        raise AssertionError("the last attempt returns or raises")

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()

    def frames(self) -> AsyncIterator[bytes]:
        return self._inner.frames()

    def so_far(self) -> Reply:
        return self._inner.so_far()
