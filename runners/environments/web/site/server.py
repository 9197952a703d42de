"""The server of the site: one for each seat, on a port of this machine that only the run's proxy knows by the site's names."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from urllib.parse import parse_qsl, unquote, urlsplit

from ..network.hosts import AllowList, Place
from . import mail, shop
from .world import World

HOSTS: Mapping[str, ModuleType] = {shop.HOST: shop, mail.HOST: mail}
MOST_BYTES = 1 << 16
"""Bytes of a form."""


class Site:
    """The shop and the mail program over one ``world``, which a task replaces."""

    def __init__(self) -> None:
        self.world = World()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def allowed(self) -> AllowList:
        """A list that allows the site alone."""
        port = int(self._server.server_address[1])
        return AllowList(tuple(Place(host, 80) for host in HOSTS), routes=dict.fromkeys(HOSTS, ("127.0.0.1", port)))

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def show(self, host: str, path: str, values: Mapping[str, str]) -> str | bytes | None:
        """The page of the host at the path."""
        with self._lock:
            part = HOSTS.get(host)
            page: str | bytes | None = None if part is None else part.show(self.world, path, values)
            return page

    def take(self, host: str, path: str, values: Mapping[str, str]) -> str | None:
        """Do what a form of the host asks for; the path of the page that follows."""
        with self._lock:
            part = HOSTS.get(host)
            following: str | None = None if part is None else part.take(self.world, path, values)
            return following

    def _handler(site) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                found = site.show(self._host(), unquote(parts.path), dict(parse_qsl(parts.query)))
                if isinstance(found, bytes):
                    self._answer(
                        200, found, "application/octet-stream", name=f"invoice-{parts.path.rpartition('/')[2]}.txt"
                    )
                else:
                    self._answer(404 if found is None else 200, (found or "There is no such page.").encode())

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(min(length, MOST_BYTES)).decode("utf-8", "replace")
                following = site.take(self._host(), unquote(self.path), dict(parse_qsl(body)))
                if following is None:
                    self._answer(404, b"There is no such page.")
                    return
                self.send_response(303)
                self.send_header("Location", following)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _host(self) -> str:
                return (self.headers.get("Host") or "").partition(":")[0]

            def _answer(self, status: int, body: bytes, kind: str = "text/html; charset=utf-8", name: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                if name:
                    self.send_header("Content-Disposition", f'attachment; filename="{name}"')
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        return Handler
