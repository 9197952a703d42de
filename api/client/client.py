"""The client of a gateway for programs without an event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx2 as httpx

from . import calls
from .calls import Attempts, Call, Media, Messages, Place, Run, StreamReader
from .results import ChatAnswer, GatewayError, GatewayModel, GatewayRun, GivenFeedback


class Client:
    """A gateway, asked with one access key. Threads may share it. It is a context manager, which closes its connections.

    ``address`` is by default that of ``GROKPUTER_URL``, else this machine's; ``key`` is that of ``GROKPUTER_KEY``.

    Each method makes further attempts, at most ``retries``, where the gateway cannot be reached, is restarted, is busy, or
    its model fails; all attempts of a request are one run, and all attempts of feedback count once. Raises ``BadArgument``
    without a key, and the methods raise ``GatewayError``.
    """

    def __init__(self, address: str | None = None, key: str | None = None, *, retries: int = calls.RETRIES) -> None:
        self._place = Place.of(address, key)
        self._retries = retries
        self._http = httpx.Client(timeout=httpx.Timeout(calls.SILENT_S, connect=calls.CONNECT_S))

    def chat(
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
        response = self._do(
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
    ) -> ChatStream:
        """The answer in parts, as it is written; the arguments are those of ``chat``. Further attempts end when it begins."""
        more = {"tools": tools, "max_tokens": max_tokens, "temperature": temperature, **options}
        call = calls.chat_call(calls.add_media(messages, images, sounds), model, session, idempotency_key, True, more)
        return ChatStream(self._open(call), self._place)

    def rate(
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
        return self._give(calls.feedback_call(id, run=calls.name_run(run), **fields))

    def correct(self, run: Run, answer: str, *, step: int | None = None, id: str | None = None) -> GivenFeedback:
        """Give the right answer, for the only step of the run or for the step that is named."""
        return self._give(calls.feedback_call(id, run=calls.name_run(run), correction=answer, step=step))

    def rate_session(self, session: str, stars: int, *, id: str | None = None) -> GivenFeedback:
        """Rate each ended run of a session that the key's holder has not rated."""
        return self._give(calls.feedback_call(id, session=session, stars=stars))

    def run(self, run: Run) -> GatewayRun:
        """What the log knows of a run."""
        return calls.read_run(self._do(calls.run_call(run)).json())

    def models(self) -> list[GatewayModel]:
        """The names that a request may give as its model."""
        return calls.read_models(self._do(calls.MODELS).json())

    def session(self, name: str | None = None) -> ClientSession:
        """A conversation: all its requests stay on one arm, and can be rated as a whole. Without a name it gets a new one."""
        return ClientSession(self, name or f"session-{uuid4().hex[:12]}")

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _give(self, call: Call) -> GivenFeedback:
        response = self._do(call)
        return calls.read_feedback(response.json(), response.status_code, call)

    def _do(self, call: Call) -> httpx.Response:
        """The response to the call, after as many attempts as it takes."""
        attempts = Attempts(call, self._retries)
        while True:
            try:
                response = self._http.request(**attempts.call.options(self._place))
                calls.read_body(response.status_code, response.headers, response.content)
                return response
            except httpx.TransportError as error:
                wait_s = attempts.after(calls.unreachable(self._place, error))
            except GatewayError as error:
                wait_s = attempts.after(error)
            time.sleep(wait_s)

    def _open(self, call: Call) -> httpx.Response:
        """The response to the call, whose body has not been read."""
        attempts = Attempts(call, self._retries)
        while True:
            try:
                request = self._http.build_request(**attempts.call.options(self._place))
                response = self._http.send(request, stream=True)
                if response.status_code == 200:
                    return response
                body = response.read()
                response.close()
                calls.read_body(response.status_code, response.headers, body)
            except httpx.TransportError as error:
                wait_s = attempts.after(calls.unreachable(self._place, error))
            except GatewayError as error:
                wait_s = attempts.after(error)
            time.sleep(wait_s)


class ChatStream:
    """An answer in parts: iterating it gives them, and ``answer`` is the whole once it has ended.

    Leaving its ``with`` block, or ``close``, ends an answer that is not wanted any more. Raises ``AnswerBroken`` where the
    answer breaks off.
    """

    def __init__(self, response: httpx.Response, place: Place) -> None:
        self._response = response
        self._place = place
        self._reader = StreamReader(response.headers)
        self.run: str = response.headers["x-grokputer-run"]
        """The hex id of its run."""

    def __iter__(self) -> Iterator[str]:
        try:
            for data in self._response.iter_bytes():
                yield from self._reader.read(data)
        except httpx.TransportError as error:
            raise self._reader.broken(str(calls.unreachable(self._place, error))) from error
        finally:
            self.close()
        self._reader.answer()

    @property
    def answer(self) -> ChatAnswer:
        """The whole answer. Raises ``AnswerBroken`` before its end."""
        return self._reader.answer()

    def close(self) -> None:
        """Stop reading. Idempotent."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ClientSession:
    """A conversation with a gateway, as a context. Its requests carry the session's ``name``."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name
        self.last: ChatAnswer | None = None
        """The last whole answer."""

    def chat(self, messages: Messages, model: str = "action", **options: Any) -> ChatAnswer:
        """As ``Client.chat``, within the session."""
        self.last = self._client.chat(messages, model, session=self.name, **options)
        return self.last

    def stream(self, messages: Messages, model: str = "action", **options: Any) -> ChatStream:
        """As ``Client.stream``, within the session."""
        return self._client.stream(messages, model, session=self.name, **options)

    def rate(self, stars: int, *, id: str | None = None) -> GivenFeedback:
        """Rate the session as a whole."""
        return self._client.rate_session(self.name, stars, id=id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
