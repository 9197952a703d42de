"""Pages on a server of this machine, and what was asked of it; and a listener that counts whatever reaches it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from grokputer.domain.page.messages import Page
from grokputer.runners.environments.web.environment import Web

Answer = str | bytes | Callable[[BaseHTTPRequestHandler], None]


class Pages:
    """A server with pages by their paths; a page may be a function that answers by itself."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.seen: list[str] = []
        """The paths that were asked for."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def clear(self, **pages: Answer) -> None:
        """Have these pages alone: ``index`` is ``/``, every other name its path."""
        self.pages = {"/" if name == "index" else f"/{name}": page for name, page in pages.items()}
        self.seen.clear()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(pages) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                pages.seen.append(path)
                page = pages.pages.get(path, b"")
                if callable(page):
                    page(self)
                    return
                body = page.encode() if isinstance(page, str) else page
                self.send_response(200 if path in pages.pages else 404)
                self.send_header(
                    "Content-Type", "text/javascript" if path.endswith("js") else "text/html; charset=utf-8"
                )
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        return Handler


class Outsider:
    """A place that nothing may reach: it counts connections, and datagrams on the port of the same number."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._tcp.getsockname()[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        for listen in (self._accept, self._receive):
            threading.Thread(target=listen, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    self.reached.append(connection.recv(2000).decode("latin-1").partition("\r\n")[0])
                except OSError:
                    self.reached.append("connected")

    def _receive(self) -> None:
        while True:
            try:
                self._udp.recvfrom(2000)
            except OSError:
                return
            self.reached.append("datagram")

    def close(self) -> None:
        """Stop listening."""
        for each in (self._tcp, self._udp):
            each.close()


@contextmanager
def closing_server() -> Iterator[Pages]:
    """A server for the block."""
    pages = Pages()
    try:
        yield pages
    finally:
        pages.close()


def line_with(page: Page, text: str) -> str:
    """The first line of the page that has the text."""
    found = [line for line in page.lines if text in line]
    assert found, f"{text!r} is not in {page.lines}"
    return found[0]


def do(web: Web, page: Page, verb: str, text: str, more: str = "") -> Page:
    """The page after the action on the first line that has the text."""
    return web.act(f"{verb}{line_with(page, text)}{more}")


def texts(page: Page) -> list[str]:
    """The lines without their numbers and without the address."""
    return [line.rpartition("[")[0] for line in page.lines if not line.startswith("address:")]
