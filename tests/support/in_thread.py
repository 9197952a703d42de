"""A server of the tests that answers in a thread on a free port of this machine until it is closed."""

from __future__ import annotations

import socketserver
import threading
from typing import Self


class InThread:
    """What such servers share; ``server`` is set by each."""

    server: socketserver.TCPServer

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.server.server_address[1])
