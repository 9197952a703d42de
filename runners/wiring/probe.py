"""One question to a server, with a time limit that holds whatever the server does, and what a check found."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ...domain.aggregates.alert import Failure
from ..alerts.deadline import within

LIMIT_S = 2.0
"""Time limit of one check; chosen: a healthy endpoint needs a tenth of that."""
MOST_BYTES = 4_000_000
"""Bytes of an answer that are read; chosen: the names of ten thousand models."""

NO_CONNECTION = "no connection"
"""The beginning of the reason where no server was reached at all."""


class Reply(NamedTuple):
    """What a server answered; the names of the headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: str


class Availability(NamedTuple):
    """``ok``, ``warn`` or ``fail``, and a message with what to do.

    A failure is certain where no later answer, and no other setting, could make the model available as it is set.
    """

    result: str
    found: str
    is_certain: bool = True
    is_offline: bool = False
    """Whether there is no way to the Hub now, so that no use of the model can succeed now."""


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects, so that a key goes only to the host in the setting."""

    def redirect_request(self, *given: Any) -> None:
        """No redirect is followed."""


def ask(url: str, key: str | None, limit_s: float | None = None, method: str = "GET") -> Reply | Failure:
    """The answer to a request, whatever its status; no redirect is followed. A failure where none came within ``limit_s``, or
    ``LIMIT_S``."""
    limit_s = LIMIT_S if limit_s is None else limit_s
    headers = {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    answers: list[Reply] = []

    def send() -> str | Failure:
        try:
            request = Request(url, headers=headers, method=method)
            with build_opener(_NoRedirects).open(request, timeout=limit_s) as response:
                answers.append(_read(response))
        except HTTPError as error:
            with error:
                answers.append(_read(error))
        except URLError as error:
            return Failure(f"{NO_CONNECTION}: {error.reason}")
        except TimeoutError:
            return Failure(f"no answer within {limit_s:g} s")
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a URL or key that cannot be sent
            return Failure(f"the connection was lost: {type(error).__name__}")
        return ""

    outcome = within(limit_s, send)
    return outcome if isinstance(outcome, Failure) else answers[0]


def _read(response: Any) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status, headers, response.read(MOST_BYTES).decode(errors="replace"))
