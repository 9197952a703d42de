"""Who may come in: the Host header, access keys with their scopes, and what each key may use per day."""

from __future__ import annotations

import base64
import ipaddress
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Middleware

from ...domain.settings.training import MONEY_DIGITS
from ...domain.vocabulary import Scope
from ..use_cases.access_keys import BEGINNING, hash_key
from .replies import Handler, Refused, error_reply

if TYPE_CHECKING:
    from ...adapters.serving.reply import Reply
    from ...domain.settings.training import CostSettings
    from ...projections.state.access import AccessKey

LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
"""The names of this machine itself, which are always allowed."""
LONGEST_BODY = 32 * 2**20
"""Bytes of a request; chosen: a few pictures in base64."""
MOST_REQUESTS = 512
"""Requests for answers in progress; chosen: half of what may wait for the log. An answer to each of them takes a connection
to the endpoint."""
MOST_BYTES = 256 * 2**20
"""Bytes of the bodies of all requests in progress; chosen: parsed and recorded, a body takes some four times its length."""


@dataclass
class Usage:
    """What one key has used on one day, UTC, as far as this process knows."""

    day: str = ""
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))


class Room:
    """The room for requests in progress: so many, and so many bytes of their bodies."""

    def __init__(self, requests: int = MOST_REQUESTS, bytes: int = MOST_BYTES) -> None:
        self._requests, self._bytes = requests, bytes
        self.taken = 0
        """How many places are taken."""
        self.is_closed = False
        """Whether no more requests are taken, because the gateway is about to stop."""

    @contextmanager
    def hold(self, request: web.Request) -> Iterator[None]:
        """Hold a place for the request until the block ends. Raises ``Refused``: 429 where there is none, 503 when closed."""
        if self.is_closed:
            raise Refused(
                503, "the gateway is stopping; ask again in a moment", {"retry-after": "1", "connection": "close"}
            )
        length = request.content_length
        length = LONGEST_BODY if length is None else min(length, LONGEST_BODY)
        if self._requests < 1 or self._bytes < length:
            raise Refused(429, "too many requests are in progress; try again in a moment", {"retry-after": "1"})
        self._requests, self._bytes, self.taken = self._requests - 1, self._bytes - length, self.taken + 1
        try:
            yield
        finally:
            self._requests, self._bytes, self.taken = self._requests + 1, self._bytes + length, self.taken - 1


class Admission:
    """Checks requests. ``keys`` gives the valid keys by hash; ``trust`` is called with each request that carries one."""

    def __init__(
        self,
        keys: Callable[[], Mapping[str, AccessKey]],
        hosts: Collection[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trust: Callable[[web.Request], None] = lambda request: None,
    ) -> None:
        self._keys = keys
        self._hosts = {host.lower() for host in (*LOOPBACK, *hosts)}
        self._clock = clock
        self._trust = trust
        self._usage: dict[str, Usage] = {}
        self.room = Room()

    def require(self, request: web.Request, scope: Scope, *, is_basic: bool = False) -> AccessKey:
        """The key of the request, as ``key_of`` has it. Raises ``Refused``: 401 without a valid key, 403 without the scope."""
        known = self.key_of(request, is_basic=is_basic)
        if known is None:
            raise Refused(401, _say_no_key(request), {"www-authenticate": "Bearer"})
        if scope not in known.scopes:
            raise Refused(403, f"this key allows {', '.join(known.scopes)}; this needs {scope}")
        return known

    def key_of(self, request: web.Request, *, is_basic: bool = False) -> AccessKey | None:
        """The valid key that the request carries; None where it carries none. With ``is_basic`` it may also be the password
        of Basic authentication, which a browser sends by itself: so at addresses without pages alone. Raises ``Refused``, 503,
        where clients with keys have too many connections."""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if is_basic and kind.lower() == "basic":
            kind, key = "bearer", _password(key)
        known = self._keys().get(hash_key(key.strip())) if kind.lower() == "bearer" else None
        if known is not None:
            self._trust(request)
        return known

    def count_request(self, key: AccessKey) -> None:
        """Count a request of the key. Raises ``Refused``, 429, where it has used its share of the day."""
        used = self._today(key)
        for name, most in key.limits.items():
            if used[name] >= most:
                raise Refused(
                    429, f"this key has used its {most:g} {name} of today", {"retry-after": str(self._left_s())}
                )
        used["requests"] += 1

    def count_answer(self, key: AccessKey, reply: Reply, prices: CostSettings) -> None:
        """Count the tokens of an answer that the key was given, and their price."""
        prompt, answer, used = reply.prompt_tokens or 0, reply.completion_tokens or 0, self._today(key)
        used["tokens"] += prompt + answer
        used["money"] += prices.price_of(prompt, answer) / 10**MONEY_DIGITS

    def _today(self, key: AccessKey) -> dict[str, float]:
        """What the key has used today: the more of what this process counted, which is exact for its own requests, and of
        what the log had at its last reading, which has those of other processes and of before the start."""
        usage, day = self._usage.setdefault(key.id, Usage()), self._clock().date().isoformat()
        if usage.day != day:
            usage.day, usage.used = day, defaultdict(float)
        for name, amount in key.used(day).items():
            usage.used[name] = max(usage.used[name], amount)
        return usage.used

    def _left_s(self) -> int:
        """Seconds to the end of the day, UTC."""
        now = self._clock()
        return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)

    def is_allowed(self, host: str | None) -> bool:
        """Whether the value of a Host header names this gateway; a page of another name must not reach it."""
        name = (host or "").lower()
        if name in self._hosts:
            return True
        bare, _, port = name.rpartition(":")
        return port.isdigit() and bare in self._hosts

    @property
    def check_host(self) -> Middleware:
        """The middleware that refuses requests for another host, in the header or in the address."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            named = request.headers.get("host")
            is_allowed = named is not None and (_is_own_address(request, named) or self.is_allowed(named))
            if not is_allowed or not (_is_own_address(request, request.host) or self.is_allowed(request.host)):
                return error_reply(403, "this gateway does not answer for that host; allow it with --allow-host")
            return await handler(request)

        return check


def _is_own_address(request: web.Request, host: str) -> bool:
    """Whether the host is the address, in figures, at which this request came in.

    Prometheus and the probes of Kubernetes ask so. A page of another name cannot: its requests name that name.
    """
    own = request.transport.get_extra_info("sockname") if request.transport is not None else None
    if not isinstance(own, tuple):
        return False
    shown = f"[{own[0]}]" if ":" in own[0] else own[0]
    return host in (shown, f"{shown}:{own[1]}")


def _say_no_key(request: web.Request) -> str:
    """Why the request has no valid key, in words."""
    made = "'grokputer keys create' makes one"
    if request.headers.get("authorization", "").strip():
        return f"this gateway does not know the key of this request: it is wrong, or was revoked; {made}"
    return f"this gateway needs a key, as in 'Authorization: Bearer {BEGINNING}...'; {made}"


def _password(basic: str) -> str:
    """The password in the credentials of Basic authentication; empty where there is none."""
    try:
        return base64.b64decode(basic, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
