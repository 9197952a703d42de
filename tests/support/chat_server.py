"""An OpenAI-compatible endpoint in a thread: it answers every question with the same words, or as it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from in_thread import InThread


class ChatServer(InThread):
    """Serves ``/v1/chat/completions`` on a free port until it is closed, and a list of the models that it ``serves``.

    ``asked`` keeps the last message of each request, ``conversations`` all its messages, ``models`` the model it was for and
    ``keys`` the authorization it came with, ``offered`` its tools. An answer in bytes is a whole body, sent as it is.
    A server that ``streams`` sends an answer in events of three characters where a request asks for that.
    """

    def __init__(
        self, answer: str | bytes | Callable[[str], str | bytes], serves: Sequence[str] = (), *, streams: bool = False
    ) -> None:
        self.asked: list[str] = []
        self.conversations: list[list[dict[str, str]]] = []
        self.models: list[str] = []
        self.keys: list[str | None] = []
        self.offered: list[Any] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append(request["messages"][-1]["content"])
                server.conversations.append(request["messages"])
                server.models.append(request["model"])
                server.offered.append(request.get("tools"))
                server.keys.append(self.headers["Authorization"])
                given = answer(server.asked[-1]) if callable(answer) else answer
                if streams and request.get("stream") and isinstance(given, str):
                    self._send(events(given), "text/event-stream")
                else:
                    self._send(given if isinstance(given, bytes) else completion(given))

            def do_GET(self) -> None:
                listed = [{"id": name, "object": "model"} for name in serves]
                self._send(json.dumps({"object": "list", "data": listed}).encode())

            def _send(self, body: bytes, kind: str = "application/json") -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.port}/v1"


def events(text: str) -> bytes:
    """The body of a streamed completion with this text, and its counts at the end."""
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": text[start : start + 3]}}]} for start in range(0, len(text), 3)
    ]
    chunks[0]["choices"][0]["delta"]["role"] = "assistant"
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"


def completion(content: object, **changes: object) -> bytes:
    """The body of a chat completion with this content, and with other fields where they are changed."""
    message = {"role": "assistant", "content": content}
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "tiny",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
            **changes,
        }
    ).encode()
