"""An OpenAI-compatible endpoint as upstream: the request's own bytes go there with another model name, and its bytes come back.

Only headers of an allow list pass on. The gateway's keys never do: the endpoint's key comes from the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from yarl import URL

from ....adapters.endpoint.client import LONGEST
from ....adapters.serving.reply import BadReply, Reply, read_json, read_models, read_reply
from ....adapters.serving.streamed_reply import StreamedReply, cut_event
from ....domain.settings.forms import complain_of_url
from ....domain.vocabulary import FailureReason
from ...wiring.availability import find_key_variable
from .upstream import NoAnswer, Stream, Whole
from .whole_completion import frames_of

if TYPE_CHECKING:
    from ..exchange import Exchange

CONNECT_S = 10.0
"""Seconds to reach the endpoint; chosen."""
SILENT_S = 300.0
"""Seconds without a byte, after which an answer is given up; chosen: a large model may think for minutes."""
LOOK_S = 1.0
"""Seconds between two looks at a connection whose answer has not ended; chosen."""
LONGEST_ADDRESS = 200
"""Characters of an address that a message repeats; chosen."""
LISTED_S = 30.0
"""Seconds for which a list of models is believed; chosen."""
USAGE_ALONE = re.compile(rb'"choices"\s*:\s*\[\s*\]')
"""What only the chunk with token counts has."""


class EndpointUpstream:
    """Answers of endpoints. It opens its connections at first use, in the running event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._listed: dict[str, tuple[float, set[str]]] = {}

    async def answer(self, exchange: Exchange, headers: Mapping[str, str]) -> Whole:
        """The endpoint's answer; see ``Upstream.answer``."""
        await self._require_served(exchange)
        with _explaining(exchange):
            async with self._post(exchange, headers) as response:
                body = await _read(response)
                _require_answered(response, body, exchange)
                return Whole(body, read_reply(body, has_tools=bool(exchange.asked.tools)))

    def stream(self, exchange: Exchange, headers: Mapping[str, str]) -> Stream:
        """The endpoint's answer in parts."""
        return _EndpointStream(self, exchange, headers)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _post(self, exchange: Exchange, headers: Mapping[str, str]) -> Any:
        body = dict(exchange.asked.body) | {"model": exchange.name_there}
        if exchange.asked.is_stream:  # the log needs the counts, also where the client does not ask for them
            given = body.get("stream_options")
            body["stream_options"] = {**(given if isinstance(given, dict) else {}), "include_usage": True}
        url = _url(exchange.model.endpoint or "", "chat/completions")
        return self._open().post(
            url,
            data=_write_json(body),
            headers={**headers, **_own_headers(exchange.model.endpoint)},
            allow_redirects=False,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENT_S),
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session

    async def _require_served(self, exchange: Exchange) -> None:
        """Raise ``NoAnswer`` where the endpoint does not list the adapter: it may answer any name with another model."""
        name, endpoint = exchange.name_there, exchange.model.endpoint or ""
        if exchange.adapter is None:
            return
        asked, names = self._listed.get(endpoint, (0.0, set[str]()))
        if name not in names or time.monotonic() - asked > LISTED_S:
            with _explaining(exchange):
                asking = self._open().get(
                    _url(endpoint, "models"), headers=_own_headers(endpoint), allow_redirects=False
                )
                async with asking as response:
                    if 300 <= response.status < 400:
                        raise _redirected(response, exchange)
                    names = read_models(await _read(response))
                self._listed[endpoint] = time.monotonic(), names
        if name not in names:
            words = f"does not serve the adapter {exchange.adapter}"
            words += f", its model {name}" if exchange.tuned else "; load it there under its name"
            raise _no_answer(exchange, words, reason=FailureReason.ERROR)


class _EndpointStream:
    """One answer in parts, as it comes."""

    def __init__(self, upstream: EndpointUpstream, exchange: Exchange, headers: Mapping[str, str]) -> None:
        self._upstream, self._exchange, self._headers = upstream, exchange, headers
        self._reply = StreamedReply(has_tools=bool(exchange.asked.tools))
        self._response: Any = None

    async def __aenter__(self) -> _EndpointStream:
        await self._upstream._require_served(self._exchange)
        with _explaining(self._exchange):
            self._response = await self._upstream._post(self._exchange, self._headers)
            if self._response.status != 200:
                body = await _read(self._response)
                self._response.release()
                _require_answered(self._response, body, self._exchange)
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._response is not None:
            self._response.close()  # an answer that is not wanted any more ends there too

    async def frames(self) -> AsyncIterator[bytes]:
        with _explaining(self._exchange):
            if "text/event-stream" not in self._response.headers.get("content-type", ""):
                async for frame in self._whole():
                    yield frame
                return
            async for frame in _split(_parts(self._response)):
                self._reply.read_event(frame.decode())
                if self._reply.is_over:
                    return
                if self._exchange.asked.wants_usage or not (b'"usage"' in frame and USAGE_ALONE.search(frame)):
                    yield frame
            if not self._reply.is_over:
                raise NoAnswer("the answer broke off before its end")

    async def _whole(self) -> AsyncIterator[bytes]:
        """The frames of an answer that came in one piece although parts were asked for."""
        body = await _read(self._response)
        self._reply.read_body(body)
        for frame in frames_of(read_json(body), wants_usage=self._exchange.asked.wants_usage):
            yield frame

    def so_far(self) -> Reply:
        return self._reply.so_far()


@contextmanager
def _explaining(exchange: Exchange) -> Iterator[None]:
    """Raise whatever goes wrong in the block with the endpoint as ``NoAnswer``."""
    try:
        yield
    except (BadReply, UnicodeDecodeError) as error:
        words = str(error) if isinstance(error, BadReply) else "is not UTF-8"
        raise _no_answer(exchange, f"did not answer: its reply {words}") from error
    except TimeoutError as error:
        raise _no_answer(exchange, "was silent for too long", 504) from error
    except (aiohttp.ClientError, OSError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise _no_answer(exchange, "cannot be reached", details=f": {words}") from error


def _no_answer(exchange: Exchange, words: str, status: int = 502, *, details: str = "", **more: Any) -> NoAnswer:
    """The error that the words tell of the endpoint; its address and the details are for the operator alone."""
    return NoAnswer(f"{exchange.model.endpoint} {words}{details}", status, told=f"the endpoint {words}", **more)


async def _parts(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes. Raises ``aiohttp.ClientError`` where it breaks off, ``BadReply`` where it is too long."""
    length = 0
    with _noticing_damage(response):
        async for part in response.content.iter_any():
            length += len(part)
            if length > LONGEST:
                raise BadReply(f"is longer than {LONGEST >> 20} MiB")
            yield part


@contextmanager
def _noticing_damage(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Tell the reader of the body when its connection has failed.

    aiohttp 3.14 leaves a reader waiting where a chunk has no valid length: it closes the connection, and keeps the error.
    """
    if response.content.is_eof():
        yield
        return
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal timer
        protocol = None if response.connection is None else response.connection.protocol
        if response.content.is_eof():
            return
        if protocol is None or protocol.exception() is not None:
            response.content.set_exception(aiohttp.ClientPayloadError("the body of its answer is damaged"))
            return
        timer = loop.call_later(LOOK_S, look)

    timer = loop.call_later(LOOK_S, look)
    try:
        yield
    finally:
        timer.cancel()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    return b"".join([part async for part in _parts(response)])


async def _split(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events of a stream, each with the blank line that ends it. Raises ``BadReply`` for one that is too long."""
    kept = b""
    async for part in parts:
        event, kept = cut_event(kept + part)
        while event:
            yield event
            event, kept = cut_event(kept)
    if kept.strip():
        yield kept + b"\n\n"


def _require_answered(response: aiohttp.ClientResponse, body: bytes, exchange: Exchange) -> None:
    """Raise ``NoAnswer`` for a status other than 200."""
    status = response.status
    if status == 200:
        return
    if 300 <= status < 400:
        raise _redirected(response, exchange)
    said = f"answered with HTTP {status}"
    if status in (401, 403):
        raise _no_answer(exchange, said, details=f": it refuses the key in {_key_variable(exchange.model.endpoint)}")
    if status == 404 and exchange.adapter is not None:
        raise _no_answer(exchange, f"{said} for the adapter {exchange.adapter}", reason=FailureReason.ERROR)
    if status == 429:
        raise _no_answer(exchange, said, 429, retry_after=response.headers.get("retry-after", "1"))
    if 400 <= status < 500 and status not in (404, 408):
        raise _no_answer(exchange, said, status, body=body if _is_error(body) else None)
    raise _no_answer(exchange, said)


def _redirected(response: aiohttp.ClientResponse, exchange: Exchange) -> NoAnswer:
    """The error of a redirect. It is not followed: the request would go, with its words, to an address that was not set."""
    to = ""
    with suppress(ValueError):
        to = str(response.url.join(URL(response.headers.get("location", ""))).with_user(None).with_query(None))
    details = f" (HTTP {response.status} to {to[:LONGEST_ADDRESS]}); set model.endpoint to its final address"
    return _no_answer(exchange, "redirects to another address", details=details)


def _is_error(body: bytes) -> bool:
    """Whether the body is an error in the form of the API, which clients read."""
    with suppress(ValueError, RecursionError):
        value = json.loads(body)
        return isinstance(value, dict) and isinstance(value.get("error"), dict)
    return False


@lru_cache(64)
def _url(endpoint: str, address: str) -> URL:
    """The address at the endpoint, parsed once. Raises ``aiohttp.InvalidURL``, which a setting of an older program may be."""
    if wrong := complain_of_url(endpoint):
        raise aiohttp.InvalidURL(endpoint, wrong)
    return URL(f"{endpoint.rstrip('/')}/{address}")


def _write_json(body: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # half a character, which JSON can write
        return json.dumps(body).encode()


def _key_variable(endpoint: str | None) -> str:
    return find_key_variable("model.endpoint", endpoint)


def _own_headers(endpoint: str | None) -> dict[str, str]:
    key = os.environ.get(_key_variable(endpoint))
    return {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
