"""A Hugging Face Hub in a thread: models with their files, some of them gated or private."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from in_thread import InThread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubModel:
    """A model on the Hub. The tokens in ``readers`` may read it, where it is gated or private."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    gated: bool = False
    private: bool = False
    readers: tuple[str, ...] = ()
    renamed: str | None = None


class FakeHub(InThread):
    """Answers as huggingface.co does: what there is of a model, and its files. ``asked`` keeps each path."""

    def __init__(self, models: Mapping[str, HubModel], tokens: tuple[str, ...] = ("good",)) -> None:
        self.models, self.tokens = models, tokens
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: FakeHub, *given: Any) -> None:
        self.hub = hub
        super().__init__(*given)

    def do_GET(self) -> None:
        self.hub.asked.append(self.path)
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ") or None
        if token is not None and token not in self.hub.tokens:
            self._send(401, b'{"error":"Invalid credentials"}')
            return
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), parts[4:], token)
        else:
            self._give("/".join(parts[:2]), parts[2:], token)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _describe(self, name: str, rest: list[str], token: str | None) -> None:
        model = self.hub.models.get(name)
        if model is None or (model.private and token not in model.readers):
            self._refuse(401 if token is None else 404, "RepoNotFound")
        elif model.renamed is not None:
            self._send(307, b"", {"Location": f"/api/models/{model.renamed}"})
        elif rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif rest[:1] == ["tree"]:
            sizes = {path: len(body) for path, body in model.files.items()}
            tree = [{"type": "file", "path": path, "size": size, "oid": "0" * 40} for path, size in sizes.items()]
            self._send(200, json.dumps(tree).encode())
        else:
            gated = "manual" if model.gated else False
            listed = [{"rfilename": path} for path in model.files]
            document = {"id": name, "sha": COMMIT, "private": model.private, "gated": gated, "siblings": listed}
            self._send(200, json.dumps(document).encode())

    def _give(self, name: str, rest: list[str], token: str | None) -> None:
        model, path = self.hub.models.get(name), "/".join(rest[2:])
        if model is None:
            self._refuse(404, "RepoNotFound")
        elif model.gated and token not in model.readers:
            self._refuse(401 if token is None else 403, "GatedRepo")
        elif path not in model.files:
            self._refuse(404, "EntryNotFound")
        else:
            body = model.files[path]
            self._send(200, body, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b'{"error":"no"}', {"X-Error-Code": code, "X-Error-Message": "no"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
