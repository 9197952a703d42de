"""The client of a gateway for programs with an event loop. It has the methods of ``Client``, each to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx2 as httpx

from ...domain.errors import NotPossible
from . import calls
from .calls import Attempts, Call, Media, Messages, Place, Run, StreamReader
from .results import ChatAnswer, GatewayError, GatewayModel, GatewayRun, GivenFeedback


class AsyncClient:
    """A gateway, asked with one access key from one event loop. It is an asynchronous context manager.

    ``address`` is by default that of ``GROKPUTER_URL``, else this machine's; ``key`` is that of ``GROKPUTER_KEY``.

    Each method makes further attempts, at most ``retries``, where the gateway cannot be reached, is restarted, is busy, or
    its model fails; all attempts of a request are one run, and all attempts of feedback count once. Raises ``BadArgument``
    without a key, and the methods raise ``GatewayError``.
    """

    def __init__(self, address: str | None = None, key: str | None = None, *, retries: int = calls.RETRIES) -> None:
        self._place = Place.of(address, key)
        self._retries = retries
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(calls.SILENT_S, connect=calls.CONNECT_S))

    async def chat(
        self,
        messages: Messages,
        model: str = "action",
        *,
        session: str | None = None,
        images: Sequence[Media] = (),
        sounds: Sequence[Media] = (),
        tools: Sequence[Mapping[str, Any]] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> ChatAnswer:
        """The answer to a question in words, or to a conversation in OpenAI's form.

        ``model`` is a role, an adapter or ``base``. ``images`` and ``sounds`` are shown with the last message: files by
        their paths, or their bytes. ``options`` are further fields of OpenAI's API. The request with an
        ``idempotency_key`` of one's own is one run for ever, whichever process sends it.
        """
        more = {"tools": tools, "max_tokens": max_tokens, "temperature": temperature, **options}
        response = await self._do(
            calls.chat_call(calls.add_media(messages, images, sounds), model, session, idempotency_key, False, more)
        )
        return calls.read_chat(response.json(), response.headers)

    def stream(
        self,
        messages: Messages,
        model: str = "action",
        *,
        session: str | None = None,
        images: Sequence[Media] = (),
        sounds: Sequence[Media] = (),
        tools: Sequence[Mapping[str, Any]] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> AsyncChatStream:
        """The answer in parts, as it is written; the arguments are those of ``chat``. Further attempts end when it begins."""
        more = {"tools": tools, "max_tokens": max_tokens, "temperature": temperature, **options}
        call = calls.chat_call(calls.add_media(messages, images, sounds), model, session, idempotency_key, True, more)
        return AsyncChatStream(self, call)

    async def rate(
        self,
        run: Run,
        stars: int,
        *,
        issues: Sequence[str] = (),
        comment: str | None = None,
        step: int | None = None,
        id: str | None = None,
    ) -> GivenFeedback:
        """Rate a run, 1 to 5 stars, in the name of the key's holder. ``step`` is the step that went wrong.

        Under an ``id`` of one's own the rating counts once, whichever process sends it.
        """
        fields = {"stars": stars, "issues": list(issues) or None, "comment": comment, "step": step}
        return await self._give(calls.feedback_call(id, run=calls.name_run(run), **fields))

    async def correct(self, run: Run, answer: str, *, step: int | None = None, id: str | None = None) -> GivenFeedback:
        """Give the right answer, for the only step of the run or for the step that is named."""
        return await self._give(calls.feedback_call(id, run=calls.name_run(run), correction=answer, step=step))

    async def rate_session(self, session: str, stars: int, *, id: str | None = None) -> GivenFeedback:
        """Rate each ended run of a session that the key's holder has not rated."""
        return await self._give(calls.feedback_call(id, session=session, stars=stars))

    async def run(self, run: Run) -> GatewayRun:
        """What the log knows of a run."""
        return calls.read_run((await self._do(calls.run_call(run))).json())

    async def models(self) -> list[GatewayModel]:
        """The names that a request may give as its model."""
        return calls.read_models((await self._do(calls.MODELS)).json())

    def session(self, name: str | None = None) -> AsyncClientSession:
        """A conversation: all its requests stay on one arm, and can be rated as a whole. Without a name it gets a new one."""
        return AsyncClientSession(self, name or f"session-{uuid4().hex[:12]}")

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _give(self, call: Call) -> GivenFeedback:
        response = await self._do(call)
        return calls.read_feedback(response.json(), response.status_code, call)

    async def _do(self, call: Call) -> httpx.Response:
        """The response to the call, after as many attempts as it takes."""
        attempts = Attempts(call, self._retries)
        while True:
            try:
                response = await self._http.request(**attempts.call.options(self._place))
                calls.read_body(response.status_code, response.headers, response.content)
                return response
            except httpx.TransportError as error:
                wait_s = attempts.after(calls.unreachable(self._place, error))
            except GatewayError as error:
                wait_s = attempts.after(error)
            await asyncio.sleep(wait_s)

    async def _open(self, call: Call) -> httpx.Response:
        """The response to the call, whose body has not been read."""
        attempts = Attempts(call, self._retries)
        while True:
            try:
                request = self._http.build_request(**attempts.call.options(self._place))
                response = await self._http.send(request, stream=True)
                if response.status_code == 200:
                    return response
                body = await response.aread()
                await response.aclose()
                calls.read_body(response.status_code, response.headers, body)
            except httpx.TransportError as error:
                wait_s = attempts.after(calls.unreachable(self._place, error))
            except GatewayError as error:
                wait_s = attempts.after(error)
            await asyncio.sleep(wait_s)


class AsyncChatStream:
    """An answer in parts, as an asynchronous context: iterating it gives them, and ``answer`` is the whole after its end.

    Entering it asks. Leaving it ends an answer that is not wanted any more. Raises ``AnswerBroken`` where the answer breaks
    off.
    """

    def __init__(self, client: AsyncClient, call: Call) -> None:
        self._client = client
        self._call = call
        self._response: httpx.Response | None = None
        self._reader = StreamReader({})

    async def __aenter__(self) -> Self:
        self._response = await self._client._open(self._call)
        self._reader = StreamReader(self._response.headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[str]:
        response = self._opened()
        try:
            async for data in response.aiter_bytes():
                for part in self._reader.read(data):
                    yield part
        except httpx.TransportError as error:
            raise self._reader.broken(str(calls.unreachable(self._client._place, error))) from error
        finally:
            await self.close()
        self._reader.answer()

    @property
    def run(self) -> str:
        """The hex id of its run."""
        return str(self._opened().headers["x-grokputer-run"])

    @property
    def answer(self) -> ChatAnswer:
        """The whole answer. Raises ``AnswerBroken`` before its end."""
        return self._reader.answer()

    async def close(self) -> None:
        """Stop reading. Idempotent."""
        if self._response is not None:
            await self._response.aclose()

    def _opened(self) -> httpx.Response:
        if self._response is None:
            raise NotPossible("this answer has not been asked for; use 'async with client.stream(...) as stream'")
        return self._response


class AsyncClientSession:
    """A conversation with a gateway, as a context. Its requests carry the session's ``name``."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self.name = name
        self.last: ChatAnswer | None = None
        """The last whole answer."""

    async def chat(self, messages: Messages, model: str = "action", **options: Any) -> ChatAnswer:
        """As ``AsyncClient.chat``, within the session."""
        self.last = await self._client.chat(messages, model, session=self.name, **options)
        return self.last

    def stream(self, messages: Messages, model: str = "action", **options: Any) -> AsyncChatStream:
        """As ``AsyncClient.stream``, within the session."""
        return self._client.stream(messages, model, session=self.name, **options)

    async def rate(self, stars: int, *, id: str | None = None) -> GivenFeedback:
        """Rate the session as a whole."""
        return await self._client.rate_session(self.name, stars, id=id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
