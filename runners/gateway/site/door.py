"""The door of the pages: signing in with an access key, the cookie that says so, and the proof that a form is its visitor's.

The cookie is signed and not stored: it names a key, and a key that was revoked is no longer valid. The secret of the
signature lies beside the log, so that a restarted gateway, and another one on the same log, know its cookies.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from ...use_cases.access_keys import hash_key
from ..replies import Refused

if TYPE_CHECKING:
    from ....projections.state.access import AccessKey

COOKIE = "grokputer_session"
VALID_S = 7 * 86_400
"""Seconds that a visitor stays signed in; chosen: a week of work."""
MOST_FAILURES = 5
"""Wrong keys from one address within ``FAILURES_S``; more are told to wait; chosen. A valid key always opens, since behind a
proxy all have one address, and a key of 256 bits is not guessed."""
FAILURES_S = 60.0
MOST_ADDRESSES = 10_000
"""Addresses whose failures are remembered, the newest; chosen: a megabyte."""


class Door:
    """Lets visitors in. ``keys`` gives the valid keys by hash; ``secret`` is a file that is made where there is none."""

    def __init__(
        self, keys: Callable[[], Mapping[str, AccessKey]], secret: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._file = secret
        self._clock = clock
        self._secret = b""
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def sign_in(self, key: str, address: str) -> str:
        """The cookie for the holder of the key. Raises ``Refused``: 401, and 429 after many wrong keys."""
        failures, now = self._recent(address), self._clock()
        known = self._keys().get(hash_key(key.strip()))
        if known is None:
            if len(failures) >= MOST_FAILURES:
                wait_s = max(1, round(failures[0] + FAILURES_S - now))
                raise Refused(429, f"too many wrong keys; try again in {wait_s} s", {"retry-after": str(wait_s)})
            failures.append(now)
            raise Refused(401, "that key is not valid; 'grokputer keys' lists those that are")
        self._failures.pop(address, None)
        said = f"{known.id}.{int(now)}.{secrets.token_urlsafe(9)}"
        return f"{said}.{self._sign(said)}"

    def key_of(self, cookie: str | None) -> AccessKey | None:
        """The key that the cookie was given for; None where the cookie, or the key, is not valid any more."""
        if cookie is None or not cookie.isascii():
            return None
        said, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(self._sign(said), signature):
            return None
        id, issued, _ = said.split(".")
        if not 0 <= self._clock() - int(issued) < VALID_S:
            return None
        return next((key for key in self._keys().values() if key.id == id), None)

    def form_token(self, cookie: str) -> str:
        """What a form must send back that is shown to the visitor with this cookie: a new id of the form, signed."""
        id = secrets.token_hex(16)
        return f"{id}.{self._sign(f'form.{id}.{cookie}')}"

    def form_id(self, cookie: str, token: str) -> str | None:
        """The id of the form that has the token; None for a token that was not given to the visitor with this cookie."""
        id, _, signature = token.partition(".")
        is_known = hmac.compare_digest(self._sign(f"form.{id}.{cookie}").encode(), signature.encode(errors="replace"))
        return id if is_known else None

    def _sign(self, text: str) -> str:
        if not self._secret:
            self._secret = read_secret(self._file)
        return hmac.new(self._secret, text.encode(errors="replace"), hashlib.sha256).hexdigest()

    def _recent(self, address: str) -> deque[float]:
        """The times of the address's wrong keys within ``FAILURES_S``."""
        failures = self._failures.setdefault(address, deque(maxlen=MOST_FAILURES))
        self._failures.move_to_end(address)
        while len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)
        while failures and not 0 <= self._clock() - failures[0] < FAILURES_S:
            failures.popleft()
        return failures


def secret_of(log: Path) -> Path:
    """The file beside the log with the secret of its cookies."""
    return log.with_name(f"{log.name}.cookies")


def read_secret(path: Path) -> bytes:
    """The secret in the file; a new one where there is no file, or a damaged one."""
    with suppress(OSError):
        known = path.read_bytes()
        if len(known) == 32:
            return known
        path.unlink()
    own = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        os.link(own, path)  # fails where another gateway was first, whose secret then holds
    except FileExistsError:
        pass
    finally:
        own.unlink()
    return path.read_bytes()


def is_from_here(request: web.Request) -> bool:
    """Whether a page of this gateway sent the form. A browser tells; a program sends neither header."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return False
    return origin is None or origin.partition("://")[2] == request.headers.get("host")
