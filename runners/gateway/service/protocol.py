"""How a connection speaks HTTP: aiohttp's way, but what is no valid request is answered in the API's shape, and nothing of a
client's bytes gets into the program's own output."""

from __future__ import annotations

import traceback
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from ..admission import LONGEST_BODY
from ..replies import error_reply

NOT_VALID = "this is no valid HTTP request"
SAID = {
    HTTPStatus.BAD_REQUEST: f"{NOT_VALID}, or a line of its head is longer than 8,190 bytes",
    HTTPStatus.EXPECTATION_FAILED: "the gateway meets no expectation but 100-continue",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the head of the request is too long",
    HTTPStatus.INTERNAL_SERVER_ERROR: "the gateway has a bug; its output has the details",
}
"""What is said instead of aiohttp's own words, which repeat the bytes of the client, with its key."""

SINGLE = ("Content-Length", "Content-Type", "Transfer-Encoding", "Host")
"""Headers that are named where aiohttp's own words name them."""


class Protocol(web.RequestHandler):
    """One connection."""

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The response to what could not be handled; the connection ends with it.

        aiohttp refuses an expectation in words that repeat it, and fails where they are not UTF-8.
        """
        if isinstance(exc, UnicodeEncodeError) and not request.headers.get("expect", "").isascii():
            status = HTTPStatus.EXPECTATION_FAILED
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another response is sent already")
        named = [name for name in SINGLE if status == HTTPStatus.BAD_REQUEST and name in (message or "")]
        said = f"the header {named[0]} is wrong, or there twice" if named else SAID.get(HTTPStatus(status), NOT_VALID)
        reply = error_reply(status, said, headers={"server": "grokputer"})
        reply.force_close()
        return reply

    def log_exception(self, *words: Any, exc_info: Any = None, **_: Any) -> None:
        """Write where the error arose and its class; its message may repeat a client's key or words."""
        where = traceback.format_tb(exc_info.__traceback__) if isinstance(exc_info, BaseException) else []
        self.logger.error("%s: %s\n%s", str(words[0]).split("%")[0].strip(), type(exc_info).__name__, "".join(where))


async def meet_expectation(request: web.Request) -> web.StreamResponse | None:
    """Tell a client that waits for ``100 Continue`` to go on; any other expectation is refused, 417."""
    if request.headers.get("expect", "").lower() != "100-continue":
        return error_reply(417, SAID[HTTPStatus.EXPECTATION_FAILED])
    if (request.content_length or 0) > LONGEST_BODY:
        return error_reply(413, f"a request takes {LONGEST_BODY >> 20} MiB", headers={"connection": "close"})
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the response itself has not begun
    return None
