"""``/v1/chat/completions``: each request begins a run, is answered upstream, and is recorded before its last byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from aiohttp import web

from ...adapters.serving.reply import Reply, loads
from ...domain.aggregates.base import derive_id
from ...domain.errors import GrokputerError, LogError
from ...domain.vocabulary import Scope
from .chat_request import LONGEST_SESSION, BadRequest, ChatRequest, read_chat_request
from .completions import DONE, CompletionWriter, say_usage, write_frame, write_json
from .exchange import NOT_KEPT, Ending, Exchange, Repeated, begin, finish, name_headers
from .metrics.process import timing_of
from .owner import Busy
from .replies import Patience, Refused, error_body, no_answer, read_body, send_whole
from .upstreams.upstream import NoAnswer
from .upstreams.whole_completion import Gathering, frames_of

if TYPE_CHECKING:
    from ...projections.state.access import AccessKey
    from .gateway import Gateway

PASSED_ON = ("traceparent", "tracestate", "openai-organization", "openai-project")
"""The headers of a client that go to an endpoint. Keys and cookies never do."""
KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")
"""The form of an idempotency key."""


async def complete_chat(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Answer one request for a completion."""
    key = gateway.admission.require(request, Scope.INFER)
    with gateway.admission.room.hold(request):
        return await _complete(gateway, key, request)


async def _complete(gateway: Gateway, key: AccessKey, request: web.Request) -> web.StreamResponse:
    timing = timing_of(request)
    with timing.elsewhere():
        body = await read_body(request)
    asked = read_chat_request(body)
    gateway.process_metrics.count_parts(asked.body.get("messages"))
    if asked.media or asked.unread or asked.has_other_tools or asked.choices > 1:
        await gateway.require_readable(asked)
    gateway.admission.count_request(key)
    session = read_session(request.headers.get("x-session-id"))
    gateway.owner.require_going()
    repeatable = _run_id(key, request)
    id = repeatable or uuid4()
    pin, is_repeatable = gateway.pinned_for(request), repeatable is not None
    try:
        begun = await gateway.owner.store(
            begin(asked, key.holder, session, id, key.id, pin, is_repeatable=is_repeatable)
        )
    except LogError:  # it may have begun all the same
        gateway.owner.end_later(id)
        raise
    if isinstance(begun, Repeated):
        return await _repeat(begun, asked, request)
    timing.exchange = begun
    headers = {name: ",".join(request.headers.getall(name)) for name in PASSED_ON if name in request.headers}
    if asked.is_stream:
        return await _stream(gateway, key, begun, request, headers)
    return await _answer(gateway, key, begun, request, headers)


async def _answer(
    gateway: Gateway, key: AccessKey, exchange: Exchange, request: web.Request, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The answer in one piece."""
    try:
        with timing_of(request).elsewhere():
            whole = await gateway.upstream(exchange).answer(exchange, headers)
    except NoAnswer as error:
        await _end(gateway, key, exchange, Ending(problem=str(error), reason=error.reason))
        return no_answer(error, _headers_of_failure(exchange), to_operator=Scope.ADMIN in key.scopes)
    except BaseException as error:
        await _end(gateway, key, exchange, Ending(problem=f"stopped by {type(error).__name__}"))
        raise
    kept = _text_of(whole.body) if exchange.is_repeatable else None
    await _end(gateway, key, exchange, Ending(whole.reply, completion=kept))
    return await send_whole(request, whole.body, exchange.headers)


async def _stream(
    gateway: Gateway, key: AccessKey, exchange: Exchange, request: web.Request, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The answer in parts. The last frame is sent when the end is recorded; a broken answer says so in a frame."""
    response, timing = _event_stream(exchange.headers), timing_of(request)
    stream = gateway.upstream(exchange).stream(exchange, headers)
    patience, timing.is_broken = Patience(request), True  # until its last frame has come
    gathering = Gathering() if exchange.is_repeatable else None
    try:
        with timing.elsewhere():
            async with stream:
                await response.prepare(request)
                with patience:
                    async for frame in stream.frames():
                        await patience.write(response, frame)
                        timing.mark_first()
                        if gathering is not None:
                            gathering.add(frame)
        kept = None if gathering is None else write_json(gathering.completion())
        ending, timing.is_broken = Ending(stream.so_far(), completion=kept), False
    except NoAnswer as error:
        ending = Ending(_part(stream.so_far()), str(error), error.reason)
        if not response.prepared:
            await _end(gateway, key, exchange, ending)
            return no_answer(error, _headers_of_failure(exchange), to_operator=Scope.ADMIN in key.scopes)
        await _end(gateway, key, exchange, ending)
        message = str(error) if Scope.ADMIN in key.scopes else error.told
        await _finish(response, write_frame(error_body(error.status, message)))
        return response
    except ConnectionError:
        problem = "the client did not read its answer" if patience.has_cut else "the client left before the end"
        await _end(gateway, key, exchange, Ending(_part(stream.so_far()), problem))
        return response
    except BaseException as error:
        await _end(gateway, key, exchange, Ending(_part(stream.so_far()), f"stopped by {type(error).__name__}"))
        raise
    try:
        await _end(gateway, key, exchange, ending)
    except GrokputerError as error:
        timing.is_broken = True
        await _finish(response, write_frame(error_body(503, f"the answer could not be recorded: {error}")))
        return response
    await _finish(response)
    return response


async def _end(gateway: Gateway, key: AccessKey, exchange: Exchange, ending: Ending) -> None:
    if ending.reply is not None:
        gateway.admission.count_answer(key, ending.reply, exchange.prices)
    try:
        await gateway.owner.store(finish(exchange, ending, key.holder))
    except (LogError, Busy):
        gateway.owner.end_later(exchange.run.id)
        raise


def _headers_of_failure(exchange: Exchange) -> dict[str, str]:
    """The headers of a response without an answer. A retry by the same key would be refused, and hide the reason."""
    return exchange.headers | ({"x-should-retry": "false"} if exchange.is_repeatable else {})


async def _finish(response: web.StreamResponse, *frames: bytes) -> None:
    """Send these frames and the last one; a client that has left gets none."""
    with suppress(ConnectionError):
        await response.write(b"".join((*frames, DONE)))
        await response.write_eof()


def _part(reply: Reply) -> Reply | None:
    """The part of an answer; None where nothing had come."""
    return reply if reply.text or reply.calls else None


async def _repeat(earlier: Repeated, asked: ChatRequest, request: web.Request) -> web.StreamResponse:
    """The answer that was given before. Raises ``Refused`` where there is none."""
    run = earlier.run
    has_key = f"run {run.id.hex} has this idempotency key"
    if not earlier.is_same:
        raise Refused(422, f"{has_key} and asked something else; use another key", {"x-should-retry": "false"})
    if run.ended is None:
        raise Refused(409, f"{has_key} and has not ended", {"retry-after": "1"})
    if run.steps and run.steps[-1].answer == NOT_KEPT:
        raise Refused(
            409,
            f"{has_key} and its answer was not kept (gateway.texts_percent); use another key",
            {"x-should-retry": "false"},
        )
    if earlier.text is None or run.failure is not None:
        raise Refused(409, f"{has_key} and gave no whole answer; use another key", {"x-should-retry": "false"})
    headers, body = {**name_headers(run), "x-grokputer-repeated": "true"}, _body_of(earlier, asked.model)
    if not asked.is_stream:
        return await send_whole(request, body, headers)
    response = _event_stream(headers)
    with suppress(ConnectionError), Patience(request) as patience:
        await response.prepare(request)
        for frame in frames_of(loads(body), wants_usage=asked.wants_usage):
            await patience.write(response, frame)
        await _finish(response)
    return response


def _body_of(earlier: Repeated, model: str) -> bytes:
    """The answer in one piece as it was given. Of a run of an earlier version, what of it is known."""
    prompt_tokens, completion_tokens = earlier.run.tokens or (None, None)
    reply = Reply(earlier.text or "", prompt_tokens, completion_tokens, tuple(earlier.calls))
    writer = CompletionWriter(earlier.run.id, model, wants_usage=True)
    body = writer.whole(reply) if earlier.completion is None else earlier.completion.encode()
    kept: dict[str, Any] = loads(body)
    if kept.get("usage") is not None:
        return body
    return write_json({**kept, **say_usage(reply)}).encode()  # of a stream that was asked for without counts


def _text_of(body: bytes) -> str:
    """The JSON of a body that was read, which may be in another encoding than UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return write_json(loads(body))


def _event_stream(headers: Mapping[str, str]) -> web.StreamResponse:
    more = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}
    return web.StreamResponse(headers={**headers, **more})


def _run_id(key: AccessKey, request: web.Request) -> UUID | None:
    """The id that a request with an idempotency key always has, so that a retry is the same run; None without one."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    if not KEY_FORM.fullmatch(given):
        raise BadRequest("Idempotency-Key takes 1 to 255 visible ASCII characters without spaces")
    return derive_id("request", key.id, given)


def read_session(given: str | None) -> str | None:
    """The session that the request belongs to. Raises ``BadRequest``."""
    if given is None:
        return None
    if not given.strip() or len(given) > LONGEST_SESSION or not given.isprintable():
        raise BadRequest(f"x-session-id takes 1 to {LONGEST_SESSION} printable characters")
    return given.strip()
