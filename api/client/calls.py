"""Requests to a gateway and the meaning of its responses, without any connection: both clients share them."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2 as httpx

from ...domain.errors import BadArgument
from ...domain.page.media import AUDIO, IMAGE, BadMedia, media_part, write_url
from .results import (
    AnswerBroken,
    ChatAnswer,
    GatewayError,
    GatewayModel,
    GatewayRun,
    GatewayUnreachable,
    GivenFeedback,
    KeyRefused,
    RateLimited,
)

ADDRESS = "http://127.0.0.1:8484"
"""Where ``grokputer serve`` listens by default."""
CONNECT_S, SILENT_S = 10.0, 330.0
"""Seconds to connect, and between two parts of a response; chosen: the gateway itself waits 300 for a model."""
RETRIES = 5
"""Attempts after the first; chosen: with the waits between them they span the restart of a gateway."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0
"""Seconds before the second attempt, doubled for each further one up to the other number; chosen."""
MOST_WAIT_S = 30.0
"""The longest wait that a gateway may ask for; a longer one, as for the next day, raises at once; chosen."""
AGAIN = (408, 409, 429, 500, 502, 503, 504)
"""The statuses after which another attempt may succeed."""

LONGEST_NAME = 200
"""Characters of a session's name, as the gateway takes them, and of an idempotency key."""

Run = str | UUID | ChatAnswer
"""A run: its id, or the answer that it gave."""
Messages = str | Sequence[Mapping[str, Any]]
"""A question in words, or a conversation in OpenAI's form."""
Media = str | Path | bytes
"""A picture or a sound: a file by its path, or its bytes."""


@dataclass(frozen=True)
class Place:
    """The gateway, and the key for it."""

    address: str
    key: str

    @classmethod
    def of(cls, address: str | None, key: str | None) -> Place:
        """By default that of ``GROKPUTER_URL`` and ``GROKPUTER_KEY``. Raises ``BadArgument`` without a key."""
        where = address or os.environ.get("GROKPUTER_URL") or ADDRESS
        given = key or os.environ.get("GROKPUTER_KEY")
        if not given:
            raise BadArgument(
                "a client needs a key: give key=, or set GROKPUTER_KEY; 'grokputer keys create' makes one"
            )
        if not (given.isascii() and given.isprintable()):
            raise BadArgument("the key of a client has other characters than a key of 'grokputer keys create'")
        if not where.startswith(("http://", "https://")):
            raise BadArgument(f"{where!r} is no address of a gateway; give one such as {ADDRESS}")
        return cls(where.rstrip("/").removesuffix("/v1"), given)


@dataclass(frozen=True)
class Call:
    """One request, which may take several attempts."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    """The idempotency key of a completion, the same in each attempt; None for other requests."""
    is_own_key: bool = False
    """Whether the caller chose the key, and means one run by it."""

    def options(self, place: Place) -> dict[str, Any]:
        """The arguments of httpx for it."""
        headers = {"authorization": f"Bearer {place.key}", "content-type": "application/json", **self.headers}
        if self.key is not None:
            headers["idempotency-key"] = self.key
        return {
            "method": self.method,
            "url": place.address + self.path,
            "headers": {name: value.encode() for name, value in headers.items()},
            "content": None if self.body is None else json.dumps(self.body).encode(),
        }


@dataclass
class Attempts:
    """The attempts of one call: what is sent next, and after which wait."""

    call: Call
    retries: int
    made: int = 0

    def after(self, error: GatewayError) -> float:
        """Seconds to wait before the next attempt. Raises the error where another attempt is of no use.

        A run that ended without an answer cannot be asked again under its idempotency key. It cost what it cost; the next
        attempt is another run.
        """
        ended_without_answer = self.call.key is not None and (
            error.run is not None or (error.status == 409 and error.is_final and self.made > 0)
        )
        can_succeed = error.status is None or error.status in AGAIN
        if self.made >= self.retries or not can_succeed or isinstance(error, AnswerBroken):
            raise error
        if error.is_final and not ended_without_answer:
            raise error
        if ended_without_answer:
            if self.call.is_own_key:
                raise error
            self.call = replace(self.call, key=uuid4().hex)
        if error.retry_after_s is not None and error.retry_after_s > MOST_WAIT_S:
            raise error
        wait_s = min(FIRST_WAIT_S * 2.0**self.made, LONGEST_WAIT_S) * random.uniform(0.75, 1.25)
        self.made += 1
        return max(wait_s, error.retry_after_s or 0.0)


def chat_call(
    messages: Messages,
    model: str,
    session: str | None,
    idempotency_key: str | None,
    is_stream: bool,
    options: Mapping[str, Any],
) -> Call:
    """The request for a completion."""
    for name, value in (("session", session), ("idempotency_key", idempotency_key)):
        if value is not None and not (value.strip() and value.isprintable() and len(value) <= LONGEST_NAME):
            raise BadArgument(f"{name} takes 1 to {LONGEST_NAME} printable characters")
    asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    body = {"model": model, "messages": asked} | {name: value for name, value in options.items() if value is not None}
    if is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {} if session is None else {"x-session-id": session}
    key = idempotency_key or uuid4().hex
    return Call("POST", "/v1/chat/completions", body, headers, key, idempotency_key is not None)


def add_media(messages: Messages, images: Sequence[Media], sounds: Sequence[Media]) -> Messages:
    """The messages; the last one shows the pictures and sounds after its words. Raises ``BadArgument``."""
    if not images and not sounds:
        return messages
    *before, last = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    words = last.get("content") or []
    parts = [{"type": "text", "text": words}] if isinstance(words, str) else list(words)
    shown = [media_part(_load(one, kind)) for kind, several in ((IMAGE, images), (AUDIO, sounds)) for one in several]
    return [*before, {**last, "content": [*parts, *shown]}]


def _load(given: Media, kind: str) -> str:
    name = "a file" if isinstance(given, bytes) else str(given)
    if not isinstance(given, bytes) and Path(given).exists() and not Path(given).is_file():
        raise BadArgument(f"{name} cannot be read: it is no plain file")
    try:
        return write_url(given if isinstance(given, bytes) else Path(given).read_bytes(), (kind,))
    except OSError as error:
        raise BadArgument(f"{name} cannot be read: {error.strerror or error}") from None
    except BadMedia as error:
        raise BadArgument(f"{name} cannot be sent: {error}") from None


def feedback_call(id: str | None, **fields: Any) -> Call:
    """The request that gives feedback; without an id it gets one, so that each attempt is the same feedback."""
    given = {name: value for name, value in fields.items() if value is not None}
    return Call("POST", "/v1/feedback", {"id": id or uuid4().hex, **given})


def run_call(run: Run) -> Call:
    """The request for what the log knows of a run."""
    return Call("GET", f"/v1/runs/{quote(name_run(run), safe='')}")


MODELS = Call("GET", "/v1/models")
"""The request for the list of models."""


def name_run(run: Run) -> str:
    """The hex id of the run."""
    return run.run if isinstance(run, ChatAnswer) else run.hex if isinstance(run, UUID) else run


def read_chat(body: Any, headers: Mapping[str, str]) -> ChatAnswer:
    """The answer in a whole completion."""
    choice, usage = body["choices"][0], body.get("usage") or {}
    message = choice["message"]
    return answer_of(message, choice.get("finish_reason"), usage, headers)


def answer_of(
    message: Mapping[str, Any], finish: str | None, usage: Mapping[str, Any], headers: Mapping[str, str]
) -> ChatAnswer:
    """The answer with this message."""
    return ChatAnswer(
        message.get("content") or "",
        headers["x-grokputer-run"],
        headers["x-grokputer-role"],
        headers["x-grokputer-arm"],
        headers["x-grokputer-adapter"],
        finish,
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        tuple(message.get("tool_calls") or ()),
        headers.get("x-grokputer-repeated") == "true",
        message,
    )


def read_feedback(body: Any, status: int, call: Call) -> GivenFeedback:
    """What was recorded of feedback."""
    assert call.body is not None
    runs = tuple(body.pop("runs", ()))
    return GivenFeedback(id=call.body["id"], is_new=status == 201, runs=runs, **body)


def read_run(body: Any) -> GatewayRun:
    """A run."""
    tokens = body.pop("tokens")
    started = datetime.fromisoformat(body.pop("started"))
    return GatewayRun(started=started, tokens=None if tokens is None else tuple(tokens), **body)


def read_models(body: Any) -> list[GatewayModel]:
    """The models."""
    return [GatewayModel(one["id"], one["kind"], one.get("parent"), one.get("root")) for one in body["data"]]


def read_body(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of a response. Raises ``GatewayError`` for one that is an error or no JSON."""
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if status < 400 and value is not None:
        return value
    said = value.get("error") if isinstance(value, dict) else None
    said = said if isinstance(said, dict) else {}
    message = str(said.get("message") or f"HTTP {status}, which is no answer of a gateway")
    kind = {401: KeyRefused, 403: KeyRefused, 429: RateLimited}.get(status, GatewayError)
    raise kind(
        message,
        status,
        code=said.get("code"),
        run=headers.get("x-grokputer-run"),
        retry_after_s=_seconds(headers.get("retry-after")),
        is_final=headers.get("x-should-retry") == "false",
    )


def unreachable(place: Place, error: Exception) -> GatewayUnreachable:
    """The error for a connection that failed."""
    words = " ".join(str(error).split()) or type(error).__name__
    is_final = isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol)
    return GatewayUnreachable(f"{place.address} cannot be reached: {words}", is_final=is_final)


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None


class StreamReader:
    """Reads the frames of a streamed completion, and puts its parts together."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._kept = b""
        self._text: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._usage: Mapping[str, Any] = {}
        self.is_over = False
        """Whether the last frame has come."""

    def read(self, data: bytes) -> Iterator[str]:
        """The parts of the text in further bytes. Raises ``AnswerBroken`` for a frame that says so."""
        *lines, self._kept = (self._kept + data).split(b"\n")
        for line in lines:
            words = line.strip()
            if not words.startswith(b"data:"):
                continue  # a blank line, or a comment that keeps the connection open
            value = words[5:].strip()
            if value == b"[DONE]":
                self.is_over = True
                return
            try:
                frame = json.loads(value)
            except ValueError:
                raise self.broken("the answer has a frame that is not JSON") from None
            yield from self._see(frame)

    def answer(self) -> ChatAnswer:
        """The whole answer. Raises ``AnswerBroken`` where the last frame has not come."""
        if not self.is_over:
            raise self.broken("the answer broke off before its end")
        text, calls = "".join(self._text), [self._calls[index] for index in sorted(self._calls)]
        message: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text}
        if calls:
            message["tool_calls"] = calls
        return answer_of(message, self._finish, self._usage, self._headers)

    def broken(self, message: str, status: int | None = None) -> AnswerBroken:
        """The error for a stream that ends too early."""
        return AnswerBroken(message, status, run=self._headers.get("x-grokputer-run"))

    def _see(self, frame: Mapping[str, Any]) -> Iterator[str]:
        if error := frame.get("error"):
            raise self.broken(str(error.get("message") if isinstance(error, dict) else error))
        self._usage = frame.get("usage") or self._usage
        for choice in frame.get("choices") or ():
            self._finish = choice.get("finish_reason") or self._finish
            delta = choice.get("delta") or {}
            for call in delta.get("tool_calls") or ():
                self._add_call(call)
            if text := delta.get("content"):
                self._text.append(text)
                yield text

    def _add_call(self, part: Mapping[str, Any]) -> None:
        call = self._calls.setdefault(
            part.get("index", 0), {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = part.get("id") or call["id"]
        function = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
