"""The proxy through which the browser reaches the network: it lets the allowed hosts pass, and nothing else.

It looks names up itself and connects to the address that it checked. It reads the host of each request and nothing of what is
encrypted. It counts the bytes of a run, so that no page can load for ever.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

from .hosts import AllowList, BadAddress, Place, Refused, read_url

MOST_BYTES = 256 << 20
"""Bytes from servers in one run; chosen: a hundred large pages."""

MOST_CONNECTIONS = 64
"""At a time; chosen: twice what Chromium opens to a proxy."""

MOST_REFUSALS = 50
"""Kept for the page, the latest."""

LONGEST_HEAD = 64 << 10
"""Bytes of a request's head."""

OF_THE_BROWSER = ("connectivitycheck.gstatic.com",)
"""Hosts that Chromium itself asks when a page cannot be opened. They are refused, and no page did it, so no page tells it."""

CONNECT_S = 10.0
IDLE_S = 60.0
"""How long a connection may be without a byte; chosen: a page that waits longer shows what it has."""

CHUNK = 1 << 16


@dataclass
class _Request:
    """A request: one over HTTP ends with its body, so that the next one is checked by itself; a tunnel has no end."""

    place: Place
    opening: bytes | None = None
    """The head for the server; None for a tunnel (``CONNECT``)."""
    body: int = 0
    """Bytes of the body that are still to come."""

    def take(self, data: bytes) -> bytes:
        """What of the bytes belongs to the request. Raises ``OSError`` for what does not."""
        if self.opening is None:
            return data
        if len(data) > self.body:
            raise OSError("a second request came over the same connection")
        self.body -= len(data)
        return data


class Proxy:
    """A proxy of HTTP on a port of this machine, for one allow list at a time. Its threads end with ``close``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._allowed: AllowList | None = None
        self._refused: OrderedDict[str, None] = OrderedDict()
        self._left = 0
        self._open: set[socket.socket] = set()
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._is_closed = False
        threading.Thread(target=self._accept, name="grokputer-proxy", daemon=True).start()

    def allow(self, allowed: AllowList | None, most_bytes: int = MOST_BYTES) -> None:
        """Serve a run with this list, None for no run; connections of the run before are cut."""
        with self._lock:
            self._allowed, self._left = allowed, most_bytes
            self._refused.clear()
            cut, self._open = self._open, set()
        for each in cut:
            _close(each)

    def take_refusals(self) -> list[str]:
        """What was refused since the last call, oldest first, each in words."""
        with self._lock:
            refused = list(self._refused)
            self._refused.clear()
        return refused

    def refuse(self, why: str) -> None:
        """Note something that was refused elsewhere."""
        with self._lock:
            self._refused[why] = None
            if len(self._refused) > MOST_REFUSALS:
                self._refused.popitem(last=False)

    def close(self) -> None:
        """Stop listening and cut all connections. Idempotent."""
        self._is_closed = True
        self.allow(None)
        _close(self._listener)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            if not self._slots.acquire(blocking=False):
                _close(browser)
                continue
            threading.Thread(target=self._serve, args=(browser,), name="grokputer-proxy", daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        server: socket.socket | None = None
        request: _Request | None = None
        try:
            with self._lock:
                allowed = self._allowed
                if allowed is None:
                    return
                self._open.add(browser)
            browser.settimeout(IDLE_S)
            head, rest = _read_head(browser)
            request = _read_request(head)
            server = self._connect(allowed, request.place)
            with self._lock:
                if self._allowed is not allowed:
                    return
                self._open.add(server)
            if request.opening is None:
                browser.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(request.opening)
            self._pass_on(browser, server, request, rest)
        except Refused as refused:
            if request is None or request.place.host not in OF_THE_BROWSER:
                self.refuse(str(refused))
            _answer(browser, "403 Forbidden", f"refused: {refused}")
        except OSError as error:
            _answer(browser, "502 Bad Gateway", f"the server cannot be reached: {error.strerror or error}")
        finally:
            for each in filter(None, (browser, server)):
                with self._lock:
                    self._open.discard(each)
                _close(each)
            self._slots.release()

    def _connect(self, allowed: AllowList, place: Place) -> socket.socket:
        """A connection to an address of the place that was checked. Raises ``Refused``, ``OSError``."""
        addresses = allowed.find(place)
        for address in addresses[:-1]:
            with contextlib.suppress(OSError):
                return socket.create_connection(address, CONNECT_S)
        try:
            return socket.create_connection(addresses[-1], CONNECT_S)
        except OSError as error:
            raise Refused(f"{place} cannot be reached: {error.strerror or error}") from None

    def _pass_on(self, browser: socket.socket, server: socket.socket, request: _Request, rest: bytes) -> None:
        """Pass bytes both ways until one side ends, or the run has had its bytes."""
        other = {browser: server, server: browser}
        poll = select.poll()
        descriptors = {each.fileno(): each for each in other}
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        server.sendall(request.take(rest))
        while ready := poll.poll(IDLE_S * 1000):
            for descriptor, _ in ready:
                source = descriptors[descriptor]
                data = source.recv(CHUNK)
                if not data:
                    return
                if source is server:
                    self._count(len(data))
                other[source].sendall(data if source is server else request.take(data))

    def _count(self, length: int) -> None:
        with self._lock:
            self._left -= length
            is_over = self._left < 0
        if is_over:
            raise Refused("the run has loaded as much as it may; what is larger was cut")


def _read_head(browser: socket.socket) -> tuple[bytes, bytes]:
    """The head of the request, and what follows it. Raises ``OSError``."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        data = browser.recv(CHUNK)
        if not data or len(received) > LONGEST_HEAD:
            raise OSError("the request has no end")
        received += data
    return received[: end + 4], received[end + 4 :]


def _read_request(head: bytes) -> _Request:
    """Where the request goes, and its head for the server. Raises ``Refused``."""
    lines = head.decode("latin-1").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    target, _, version = rest.rpartition(" ")
    try:
        if method == "CONNECT":
            return _Request(read_url(f"https://{target}/"))
        place = read_url(target)
    except BadAddress as error:
        raise Refused(str(error)) from None
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [
        line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:", "keep-alive:", "upgrade:"))
    ]
    lengths = [line.partition(":")[2].strip() for line in kept if line.lower().startswith("content-length:")]
    opening = "\r\n".join([f"{method} {path} {version}", "Connection: close", *kept]).encode("latin-1")
    return _Request(place, opening, int(lengths[0]) if lengths and lengths[0].isdecimal() else 0)


def _answer(browser: socket.socket, status: str, text: str) -> None:
    body = text.encode("utf-8", "replace")
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    with contextlib.suppress(OSError):
        browser.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        each.close()
