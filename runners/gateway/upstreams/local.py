"""A model of this process as upstream: the local model, or a plug-in's. Threads ask it, and it batches what waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ....adapters.serving.reply import Reply
from ....domain.errors import DamagedWeights, EnvironmentUnavailable, GrokputerError, NotServed, UnknownAdapter
from ....domain.page.media import IMAGE, BadMedia, complain_of_untaken, kinds_of
from ....domain.page.messages import Completion, Request
from ....domain.ports import complete, takes_of
from ....domain.vocabulary import Backend, FailureReason
from .upstream import NoAnswer, Stream, Whole

if TYPE_CHECKING:
    from ....domain.ports import Model
    from ....projections.state.state import State
    from ...wiring.services import Services
    from ..chat_request import ChatRequest
    from ..exchange import Exchange

MOST_AT_ONCE = 16
"""Requests that a model answers at once; measured: a batch of 16 costs 1.7 times one request."""
MOST_WAITING = 256
"""Requests that wait for the model; more are refused; chosen."""


class LocalUpstream:
    """Answers of the model in ``services``, which is loaded at the first request.

    ``state`` is the newest state of the log: its settings choose the model, and its registry has the adapters.
    """

    def __init__(self, services: Services, state: Callable[[], State]) -> None:
        self._services = services
        self._state = state
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "model")
        self._loading = threading.Lock()
        self._open = 0

    async def answer(self, exchange: Exchange, headers: Mapping[str, str]) -> Whole:
        """The model's answer; see ``Upstream.answer``."""
        reply = await self.ask(lambda: self._complete(exchange))
        return Whole(exchange.writer.whole(reply), reply)

    def stream(self, exchange: Exchange, headers: Mapping[str, str]) -> Stream:
        """The model's answer in parts."""
        return _LocalStream(self, exchange)

    async def close(self) -> None:
        """Wait for the answers in progress, and close the model."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._services.close)

    @property
    def open(self) -> int:
        """The requests that the model answers or that wait for it."""
        return self._open

    async def ask(self, work: Callable[[], Reply]) -> Reply:
        """The reply that the work makes in a thread. Raises ``NoAnswer``, with status 429 where too many wait."""
        if self._open >= MOST_WAITING:
            raise NoAnswer(f"{self._open} requests wait for the model; try again in a moment", 429, retry_after="1")
        self._open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (UnknownAdapter, DamagedWeights, NotServed) as error:
            raise NoAnswer(str(error), reason=FailureReason.ERROR) from error
        except EnvironmentUnavailable as error:
            raise NoAnswer(str(error)) from error
        except GrokputerError as error:
            raise NoAnswer(str(error), reason=FailureReason.ERROR) from error
        finally:
            self._open -= 1

    def _complete(self, exchange: Exchange) -> Reply:
        return _reply(complete(self.model(exchange.adapter), _request(exchange)))

    async def complain_of(self, asked: ChatRequest) -> str:
        """Why the model cannot be asked with the request's pictures, sounds and other parts; empty where it can.

        Raises ``GrokputerError`` where there is no model.
        """
        try:
            kinds = kinds_of(asked.media)
        except BadMedia as error:
            return f"messages has a picture or sound that cannot be read: {error}"
        kinds |= {part.strip("[]").split(" ")[0] for part in asked.unread}
        if not kinds:
            return ""

        def complain() -> str:
            takes, name = takes_of(self.model(None)), self._services.base_label
            if (problem := complain_of_untaken(kinds, takes, name)) or not asked.unread:
                return problem
            instead = "text, or a picture as a data: URL" if IMAGE in takes else "text"
            return f"messages has {asked.unread[0]}, which the model {name} is not shown; send {instead}"

        return await asyncio.to_thread(complain)  # a model may have to be loaded, and its files be read for its name

    def model(self, adapter: str | None) -> Model:
        """The model, loaded, with the adapter. Called in a thread."""
        with self._loading:
            self._services.state = state = self._state()
            model = self._services.model
            if state.policy.model.backend != Backend.VLLM:
                self._services.prepare(adapter)
                return model
        self._services.prepare(adapter)  # each server has a lock of its own, so that a proof holds up no other adapter
        return model


class _LocalStream:
    """One answer in parts, as the model writes it."""

    def __init__(self, upstream: LocalUpstream, exchange: Exchange) -> None:
        self._upstream, self._exchange = upstream, exchange
        self._parts: list[str] = []
        self._whole: Reply | None = None
        self._is_wanted = True

    async def __aenter__(self) -> _LocalStream:
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._is_wanted = False

    async def frames(self) -> AsyncIterator[bytes]:
        loop, parts = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def take(text: str) -> None:
            if not self._is_wanted:
                raise NoAnswer("the client has left")
            loop.call_soon_threadsafe(parts.put_nowait, text)

        def work() -> Reply:
            return _reply(self._upstream.model(self._exchange.adapter).stream(_request(self._exchange), take))

        asked = asyncio.ensure_future(self._upstream.ask(work))
        asked.add_done_callback(lambda _: parts.put_nowait(None))
        while (text := await parts.get()) is not None:
            if text:
                yield self._exchange.writer.text(text, is_first=not self._parts)
                self._parts.append(text)
        self._whole = await asked
        for frame in self._exchange.writer.end(self._whole):
            yield frame

    def so_far(self) -> Reply:
        return self._whole or Reply("".join(self._parts), None, None)


def _request(exchange: Exchange) -> Request:
    asked, started = exchange.asked, exchange.run.started
    assert started is not None
    return Request(
        asked.messages,
        exchange.adapter,
        started.policy["run.max_tokens"],
        started.policy["run.temperature"],
        (asked.seed or 0) % 2**31,
        asked.tools,
        asked.media,
    )


def _reply(completion: Completion) -> Reply:
    return Reply(completion.text, completion.prompt_tokens, completion.completion_tokens, completion.tool_calls)
