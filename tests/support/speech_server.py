"""An OpenAI-compatible endpoint of transcriptions in a thread, and a recording: flite's voice slt, 1.8 seconds."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from in_thread import InThread
from places import SUPPORT

RECORDING = SUPPORT / "open_the_file_manager.wav"
"""Made by ``flite -voice slt -t "Open the file manager" -o open_the_file_manager.wav``."""


class SpeechServer(InThread):
    """Serves ``/v1/audio/transcriptions``; ``bodies`` keeps what was sent, ``keys`` the authorization it came with."""

    def __init__(self, answer: bytes, status: int = 200) -> None:
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                server.keys.append(self.headers["Authorization"])
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.port}/v1"
