"""Why a page cannot be opened: the browser's codes in words."""

from __future__ import annotations

from ..network.hosts import Place

_WORDS = {
    "EMPTY_RESPONSE": "ended the connection without an answer",
    "CONNECTION_RESET": "broke the connection off",
    "CONNECTION_CLOSED": "broke the connection off",
    "HTTP_RESPONSE_CODE_FAILURE": "answered with an error and no page",
    "INVALID_HTTP_RESPONSE": "answered, but not as a server of web pages does",
    "INVALID_RESPONSE": "answered, but not as a server of web pages does",
    "TOO_MANY_REDIRECTS": "leads from page to page without end",
    "UNSAFE_PORT": "is not opened: browsers open no page at this port, which other services use",
    "TIMED_OUT": "did not answer in time",
    "TUNNEL_CONNECTION_FAILED": "cannot be reached",
}
"""By the code of ``net::ERR_...`` (Chromium's ``net_error_list.h``)."""


def explain_failure(place: Place, said: str) -> str:
    """Why the place gave no page, by the browser's ``net::ERR_...``; empty where it said nothing, or only that it stopped."""
    code = said.removeprefix("net::ERR_")
    if code in ("", "ABORTED"):
        return ""
    if code.startswith(("CERT_", "SSL_", "BAD_SSL_")):
        return f"{place} has no certificate that the browser accepts ({code})"
    return f"{place} {_WORDS.get(code) or f'cannot be opened (the browser says {said})'}"
