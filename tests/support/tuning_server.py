"""A fake of an endpoint that serves a model and tunes it: OpenAI's files, fine-tuning jobs, models and chat completions.

A tuned model has learnt its file by heart: it gives the answer of the line with the same messages, and on any other prompt
the answer that the file has most often. So what is not in the file cannot be answered.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chat_server import completion
from in_thread import InThread

COURSE = ("validating_files", "queued", "running", "succeeded")
"""The statuses of a job, one at each look."""


@dataclass
class File:
    """A file as it was uploaded."""

    id: str
    name: str
    content: bytes

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.content.splitlines()]

    def describe(self) -> dict[str, Any]:
        size = len(self.content)
        return {"id": self.id, "object": "file", "bytes": size, "filename": self.name, "purpose": "fine-tune"}


@dataclass
class Job:
    """A job, at a place in its course."""

    id: str
    asked: dict[str, Any]
    course: Sequence[str]
    looks: int = 0
    cancelled: bool = False
    error: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        return "cancelled" if self.cancelled else self.course[min(self.looks, len(self.course) - 1)]


@dataclass
class Asked:
    """A request."""

    method: str
    path: str
    key: str | None
    body: Any = field(repr=False, default=None)


class TuningServer(InThread):
    """Serves on a free port until it is closed. ``base`` is the model's name, and ``answer`` what it says to a last message.

    By the beginning of "METHOD /path", ``replies`` has bodies that come in place of its own, ``refusals`` the statuses and
    errors that come in place of the next answers, and ``on`` what is called once a request has had its effect, before it is
    answered. A server without ``keeps_metadata`` forgets that of jobs.
    """

    def __init__(
        self,
        answer: Callable[[str], str] = lambda asked: "CLICKnothing",
        base: str = "tiny-base",
        course: Sequence[str] = COURSE,
        *,
        keeps_metadata: bool = True,
    ) -> None:
        self.answer, self.base, self.course, self.keeps_metadata = answer, base, tuple(course), keeps_metadata
        self.files: dict[str, File] = {}
        self.jobs: dict[str, Job] = {}
        self.tuned: dict[str, File] = {}
        self.asked: list[Asked] = []
        self._files, self._jobs = count(1), count(1)
        self.refusals: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.replies: dict[str, bytes] = {}
        self.on: dict[str, Callable[[], object]] = {}
        self.error = {
            "code": "invalid_training_file",
            "message": "Line 2 has the word secret-of-ada",
            "param": "training_file",
        }
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def count(self, beginning: str) -> int:
        """How many requests began so, as in ``POST /fine_tuning/jobs``."""
        return sum(f"{it.method} {it.path}".startswith(beginning) for it in self.asked)

    def handle(self, asked: Asked, query: dict[str, list[str]]) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        self.asked.append(asked)
        line = f"{asked.method} {asked.path}"
        refusal = next((each for beginning, each in self.refusals.items() if each and line.startswith(beginning)), None)
        if refusal:
            status, error = refusal.pop(0)
            return status, json.dumps({"error": error}).encode()
        status, body = self._answer(asked, query)
        body = next((each for beginning, each in self.replies.items() if line.startswith(beginning)), body)
        for beginning in [it for it in self.on if line.startswith(it)]:
            self.on[beginning]()
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def _answer(self, asked: Asked, query: dict[str, list[str]]) -> tuple[int, Any]:
        match asked.method, asked.path.strip("/").split("/"):
            case "GET", ["models"]:
                return 200, _list({"id": name, "object": "model"} for name in (self.base, *self.tuned))
            case "POST", ["chat", "completions"]:
                return self._complete(asked.body)
            case "GET", ["files"]:
                return 200, _list(file.describe() for file in reversed(self.files.values()))
            case "POST", ["files"]:
                file = File(f"file-{next(self._files)}", *asked.body)
                self.files[file.id] = file
                return 200, file.describe()
            case "DELETE", ["files", id]:
                return (200, {"id": id, "deleted": True}) if self.files.pop(id, None) else _missing("file")
            case "GET", ["fine_tuning", "jobs"]:
                wanted = {key[9:-1]: each[0] for key, each in query.items() if key.startswith("metadata[")}
                rows = [self._describe(job) for job in reversed(self.jobs.values())]
                return 200, _list(row for row in rows if not self.keeps_metadata or row["metadata"] == wanted)
            case "POST", ["fine_tuning", "jobs"]:
                return self._create(asked.body)
            case "GET", ["fine_tuning", "jobs", id]:
                return (200, self._look(self.jobs[id])) if id in self.jobs else _missing("job")
            case "POST", ["fine_tuning", "jobs", id, "cancel"]:
                self.jobs[id].cancelled = True
                return 200, self._describe(self.jobs[id])
            case "GET", ["fine_tuning", "jobs", id, "events"]:
                return 200, _list(reversed(self._events(self.jobs[id])))
        return 404, {}

    def _create(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["training_file"] not in self.files:
            return 400, {"error": {"code": "invalid_file", "param": "training_file", "message": "no such file"}}
        job = Job(f"ftjob-{next(self._jobs)}", body, self.course)
        self.jobs[job.id] = job
        return 200, self._describe(job)

    def _look(self, job: Job) -> dict[str, Any]:
        job.looks += 1
        if job.status == "failed":
            job.error = self.error
        if job.status == "succeeded":
            self.tuned[_name(job)] = self.files[job.asked["training_file"]]
        return self._describe(job)

    def _describe(self, job: Job) -> dict[str, Any]:
        is_done = job.status == "succeeded"
        return {
            "id": job.id,
            "object": "fine_tuning.job",
            "created_at": 1000,
            "finished_at": 1090 if is_done else None,
            "status": job.status,
            "model": job.asked["model"],
            "training_file": job.asked["training_file"],
            "fine_tuned_model": _name(job) if is_done else None,
            "trained_tokens": 1200 if is_done else None,
            "hyperparameters": {"n_epochs": 3},
            "error": job.error,
            "metadata": job.asked["metadata"] if self.keeps_metadata else None,
        }

    def _events(self, job: Job) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = [
            {"id": "ev-1", "created_at": 1000, "level": "info", "type": "message", "message": "Created"}
        ]
        if job.status in ("running", "succeeded"):
            step = {"step": 15, "total_steps": 30, "train_loss": 0.5}
            told.append({"id": "ev-2", "created_at": 1010, "level": "info", "type": "metrics", "data": step})
        if job.status == "succeeded":
            words = "Step 30/30: training loss=0.25"
            told.append({"id": "ev-3", "created_at": 1020, "level": "info", "type": "metrics", "message": words})
        return told

    def _complete(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["model"] == self.base:
            return 200, completion(self.answer(body["messages"][-1]["content"]))
        if body["model"] not in self.tuned:
            return _missing("model")
        rows = self.tuned[body["model"]].rows
        learnt = [row["messages"][-1]["content"] for row in rows]
        same = [row["messages"][-1]["content"] for row in rows if _prompt(row) == body["messages"]]
        return 200, completion(same[-1] if same else Counter(learnt).most_common(1)[0][0])


def _prompt(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in message.items() if key != "weight"} for message in row["messages"][:-1]]


def _name(job: Job) -> str:
    return f"ft:{job.asked['model']}:{job.asked['suffix']}:{job.id}"


def _list(rows: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(rows), "has_more": False}


def _missing(what: str) -> tuple[int, Any]:
    return 404, {"error": {"code": f"{what}_not_found", "message": f"no such {what}"}}


def _handler(server: TuningServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(None)

        def do_DELETE(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_form = self.headers.get_content_type() == "multipart/form-data"
            self._serve(_read_form(self.headers["Content-Type"], raw) if is_form else json.loads(raw or b"{}"))

        def _serve(self, body: Any) -> None:
            url = urlsplit(self.path)
            asked = Asked(self.command, re.sub(r"^/v1", "", url.path), self.headers["Authorization"], body)
            status, answer = server.handle(asked, parse_qs(url.query))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _read_form(kind: str, raw: bytes) -> tuple[str, bytes]:
    """The name and the content of the form's file."""
    form = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + raw)
    [file] = [part for part in form.iter_parts() if part.get_filename()]
    content = file.get_payload(decode=True)
    assert isinstance(content, bytes)
    return str(file.get_filename()), content
