"""The HTTP client of an endpoint. Each answer is bounded in bytes and in time, so that no endpoint fills the memory or holds
a run.

The limits are at the connection: there they hold for heads, for bodies and for what is between them. A server that sends
a byte now and then is never silent for long.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 64 * 2**20
"""Bytes of an answer, also of one in parts, with its head; chosen: a thousand times what a model writes."""
PATIENCE = 10
"""How many times the limit of silence one attempt at an answer may take in all; chosen: with 60 s of silence ten minutes, in
which a slow model streams some thousand tokens. The time in which this program reads nothing does not count."""
PART = 64 * 2**10
"""Bytes that are sent at once; chosen."""


class Endless(str):
    """What is wrong with an answer that was given up; it continues the words ``its answer``."""


def open_http(timeout_s: float) -> Any:
    """The ``http_client`` of an OpenAI client; a silence of ``timeout_s`` seconds is an error.

    A redirect is not followed: of a question it makes a GET without words, or sends them to another server.
    """
    from openai import DefaultHttpxClient

    http: Any = DefaultHttpxClient(
        follow_redirects=False,
        timeout=timeout_s,
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [_refuse_packed]},
    )
    for transport in filter(None, (http._transport, *http._mounts.values())):  # its own, and those of proxies
        transport._pool._network_backend = _Backend(transport._pool._network_backend)
    return http


def find_endless(error: BaseException) -> str:
    """Why the answer was given up, as words about it; empty where the error is another one."""
    found = [words for words in error.args if isinstance(words, Endless)]  # httpcore drops the cause of an error
    return f"its answer {found[0]}" if found else ""


def _give_up(words: str) -> None:
    """Raise an error that the OpenAI client passes on and does not try again."""
    from openai import OpenAIError

    raise OpenAIError(Endless(words))


def _refuse_packed(response: Any) -> None:
    """Give up an answer that is packed although none was asked for: a small one can unpack to more than the memory holds."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        _give_up("is packed, and was not asked for so; let the server answer without Content-Encoding")


class _Backend:
    """Opens connections with limits, in the place of httpcore's ``NetworkBackend``."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, *given: Any, **named: Any) -> _Connection:
        return _Connection(self._inner.connect_tcp(*given, **named))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Connection:
    """A connection, in the place of httpcore's ``NetworkStream``. It has one exchange at a time: all of a request is written
    before its answer is read."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._is_answering = True
        self._read = 0
        self._waited_s = 0.0

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._is_answering:
            self._is_answering, self._read, self._waited_s = False, 0, 0.0
        for start in range(0, len(buffer), PART):
            with self._waiting(timeout):
                self._inner.write(buffer[start : start + PART], timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._is_answering = True
        with self._waiting(timeout):
            part: bytes = self._inner.read(max_bytes, timeout)
        self._read += len(part)
        if self._read > LONGEST:
            _give_up(f"is longer than {LONGEST >> 20} MiB")
        return part

    @contextmanager
    def _waiting(self, timeout: float | None) -> Iterator[None]:
        """Count the time of the block, and give up where the exchange has taken too long."""
        began = time.monotonic()
        yield
        self._waited_s += time.monotonic() - began
        if timeout is not None and self._waited_s > PATIENCE * timeout:
            _give_up(f"did not end within {PATIENCE * timeout:g} s; set run.max_tokens lower, or look at the server")

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *given: Any, **named: Any) -> _Connection:
        return _Connection(self._inner.start_tls(*given, **named))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
