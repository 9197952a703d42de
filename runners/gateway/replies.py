"""Replies in the API's own shapes: errors with the right status, and JSON."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from aiohttp import web
from eventsourcing.persistence import IntegrityError

from ...domain.errors import BadStep, GrokputerError, LogError, NotFound, NotPossible, UnknownAdapter
from ..wiring.extras import explain_missing_module
from .chat_request import BadRequest
from .owner import Busy
from .upstreams.upstream import NoAnswer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_S = 60.0
"""Seconds in which the body of a request has to come; chosen: 32 MiB in a minute are 4 Mbit a second."""
LONGEST_FORM = 2**20
"""Bytes of a form, and of feedback; chosen: a long correction."""
WRITE_S = 30.0
"""Seconds after which a client that does not read is cut, at least half of them; chosen: a proxy buffers more than that."""
PART = 2**16
"""Bytes that are written to a client at once; aiohttp's limit, beyond which a write waits for the client."""

KINDS = {
    400: ("invalid_request_error", "invalid_request"),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    408: ("invalid_request_error", "too_slow"),
    409: ("conflict_error", "conflict"),
    413: ("invalid_request_error", "too_large"),
    415: ("invalid_request_error", "unsupported_encoding"),
    422: ("invalid_request_error", "another_request"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    502: ("upstream_error", "upstream_failed"),
    503: ("service_unavailable_error", "not_recorded"),
    504: ("upstream_error", "upstream_silent"),
}
"""The type and the code of an error by its status."""

ONCE = frozenset(
    (
        *(b"host", b"content-length", b"content-type", b"content-encoding", b"authorization", b"origin"),
        *(b"idempotency-key", b"x-session-id", b"traceparent", b"openai-organization", b"openai-project"),
        b"sec-fetch-site",
    )
)
"""The headers of which a request has one at most, of those that are read."""
RETRY_AFTER = re.compile(r"[A-Za-z0-9 ,:]{1,40}")


class Refused(GrokputerError):
    """A request that is refused with this status."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def error_body(status: int, message: str, field: str | None = None) -> dict[str, Any]:
    """An error as OpenAI's API writes one."""
    kind, code = KINDS.get(status, ("invalid_request_error" if status < 500 else "server_error", "error"))
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}


def error_reply(
    status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A response with an error."""
    return json_reply(error_body(status, message, field), status, headers)


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response with the value as JSON."""
    body = json.dumps(value, ensure_ascii=False).encode(errors="replace")  # half a character of a client's, repeated
    return web.Response(body=body, status=status, content_type="application/json", headers=dict(headers or {}))


def no_answer(error: NoAnswer, headers: Mapping[str, str], *, to_operator: bool = False) -> web.Response:
    """The response in place of an answer. Only an operator learns where the endpoint is."""
    again = {} if error.retry_after is None else {"retry-after": _plain(error.retry_after)}
    if error.body is not None:
        return web.Response(
            body=error.body, status=error.status, content_type="application/json", headers={**headers, **again}
        )
    message = str(error) if to_operator else error.told
    return error_reply(error.status, message, headers={**headers, **again})


async def read_body(request: web.Request, most: int | None = None) -> bytes:
    """The body of the request, with ``most`` of so many bytes. Raises ``Refused``: 413 for a longer one, and 408 where it has
    not come within ``BODY_S`` seconds."""
    if most is None and request.content.is_eof():  # all of it has come
        return await request.read()
    try:
        async with asyncio.timeout(BODY_S):
            return await (request.read() if most is None else _read_at_most(request, most))
    except TimeoutError:
        raise Refused(
            408, f"the body of the request did not come within {BODY_S:g} s", {"connection": "close"}
        ) from None


async def _read_at_most(request: web.Request, most: int) -> bytes:
    body = b""
    if (request.content_length or 0) <= most:
        while len(body) <= most and not request.content.at_eof():
            body += await request.content.read(most + 1 - len(body))
        if len(body) <= most:
            return body
    raise Refused(413, f"this address takes a body of at most {most} bytes", {"connection": "close"})


class Patience:
    """Sends to one client, and cuts its connection when it has not read for ``WRITE_S`` seconds; use it in a ``with``.

    One timer watches all writes, because a time limit of each would cost as much as the write.
    """

    def __init__(self, request: web.Request) -> None:
        self._transport, self._loop = request.transport, asyncio.get_running_loop()
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.has_cut = False

    def __enter__(self) -> Self:
        self._timer = self._loop.call_later(WRITE_S / 2, self._look)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        """Send the data. Raises ``ConnectionError`` where the client has left or was cut."""
        self._since = self._loop.time()
        await response.write(data)
        self._since = None

    def _look(self) -> None:
        if self._since is not None and self._loop.time() - self._since >= WRITE_S / 2 and self._transport is not None:
            self.has_cut = True
            self._transport.abort()
        self._timer = self._loop.call_later(WRITE_S / 2, self._look)


async def send_whole(request: web.Request, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send the JSON body; a long one in parts, so that a client that does not read is cut."""
    if len(body) <= PART:
        return web.Response(body=body, content_type="application/json", headers=headers)
    response = web.StreamResponse(headers={**headers, "content-type": "application/json"})
    response.content_length = len(body)
    with suppress(ConnectionError), Patience(request) as patience:
        await response.prepare(request)
        for first in range(0, len(body), PART):
            await patience.write(response, body[first : first + PART])
        await response.write_eof()
    return response


def _plain(retry_after: str) -> str:
    """An endpoint's Retry-After, seconds or a date; a second where it has any other form."""
    return retry_after if RETRY_AFTER.fullmatch(retry_after) else "1"


@web.middleware
async def check_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse two headers of one name where a request has one: a proxy may have read the other one."""
    seen = set()
    for raw, _ in request.raw_headers:
        name = raw.lower()
        if name in ONCE:
            if name in seen:
                return error_reply(400, f"this request has more than one header {name.decode()}; send one")
            seen.add(name)
    return await handler(request)


@web.middleware
async def check_encoding(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a packed body: a small one can unpack to more than the memory holds."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        return error_reply(415, "this gateway takes no packed body; send it without Content-Encoding")
    return await handler(request)


@web.middleware
async def say_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error of a handler in the API's shape. A bug says no more than that it is one."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allowed = {"allow": error.headers["allow"]} if "allow" in error.headers else {}
        return error_reply(error.status, error.reason, headers=allowed)
    except Exception as error:
        reply = reply_to(error)
        if reply is None:
            request.app.logger.exception("a request failed")
            return error_reply(500, "the gateway has a bug; its output has the details")
        return reply


def reply_to(error: Exception) -> web.Response | None:
    """The reply to the error; None where it is a bug."""
    message = str(error)
    match error:
        case Refused():
            return error_reply(error.status, message, headers=error.headers)
        case BadRequest():
            return error_reply(400, message, error.field)
        case NoAnswer():
            return no_answer(error, {})
        case Busy() | LogError():
            return error_reply(503, message, headers={"retry-after": "1"})
        case IntegrityError():
            return error_reply(409, "the same request is being recorded", headers={"retry-after": "1"})
        case NotFound() | UnknownAdapter():
            return error_reply(404, message)
        case BadStep():
            return error_reply(400, message, "step")
        case NotPossible():
            return error_reply(409, message)
        case GrokputerError():
            return error_reply(400, message)
        case ModuleNotFoundError():
            missing = explain_missing_module(error)
            return None if missing is None else reply_to(missing)
    return None
