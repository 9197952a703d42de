"""A Hugging Face Hub in a thread that repositories can be made on: commits, tags, large files, and downloads."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from in_thread import InThread

Files = dict[str, bytes]
TOKEN = "hf_good"


@dataclass
class Repository:
    """One model repository: the files of each commit, and what ``main`` and each tag name."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def add(self, files: Files) -> str:
        """A new commit on ``main``; its id."""
        commit = secrets.token_hex(20)
        self.commits[commit], self.refs["main"] = files, commit
        return commit

    def at(self, revision: str) -> str | None:
        """The commit that the revision names."""
        commit = self.refs.get(revision, revision)
        return commit if commit in self.commits else None


class HubRepositories(InThread):
    """Answers as huggingface.co does. ``before_commit`` is called once before the next commit is looked at."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: Files = {}
        self.lock = threading.RLock()
        self.before_commit: Callable[[], Any] | None = None
        self.fails_with = 0
        """A status that every request gets; 0 for none."""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: HubRepositories, *given: Any) -> None:
        self.hub = hub
        super().__init__(*given)

    def do_GET(self) -> None:
        with self.hub.lock:
            self._answer(b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if "transfer-encoding" in self.headers:
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        with self.hub.lock:
            self._answer(body)

    def do_PUT(self) -> None:
        self.do_POST()

    def _answer(self, body: bytes) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if self.hub.fails_with:
            self._refuse(self.hub.fails_with, "", "out of order")
        elif parts[0] == "large" and self.command == "PUT":
            right = hashlib.sha256(body).hexdigest() == parts[1]
            if right:
                self.hub.large[parts[1]] = body
            self._send(200 if right else 400)
        elif (self.headers["authorization"] or "").removeprefix("Bearer ") != TOKEN:
            self._refuse(401, "", "Invalid credentials")
        elif parts[:2] == ["api", "repos"]:
            asked = json.loads(body)
            name = asked["name"] if "/" in asked["name"] else f"{asked.get('organization') or 'me'}/{asked['name']}"
            self._create(name)
        elif parts[:2] == ["api", "validate-yaml"]:
            self._json({"errors": [], "warnings": []})
        elif parts[:2] == ["api", "models"]:
            self._of_model("/".join(parts[2:4]), parts[4:], body)
        elif parts[-1] == "batch":
            self._large(json.loads(body)["objects"])
        else:
            self._give("/".join(parts[:2]), parts[3], "/".join(parts[4:]))

    def _create(self, name: str) -> None:
        url = {"url": f"{self.hub.url}/{name}", "name": name, "id": name}
        if name in self.hub.repositories:
            self._json({"error": "You already created this model repo", **url}, 409)
            return
        self.hub.repositories[name] = repository = Repository()
        repository.add({".gitattributes": b"*.safetensors filter=lfs\n"})
        self._json(url)

    def _of_model(self, name: str, rest: list[str], body: bytes) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._refuse(404, "RepoNotFound", "Repository not found")
            return
        kind, revision = rest[0] if rest else "", rest[1] if len(rest) > 1 else "main"
        commit = repository.at(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif kind == "preupload":
            modes = {True: "lfs", False: "regular"}
            files = [file["path"] for file in json.loads(body)["files"]]
            listed = [
                {"path": it, "uploadMode": modes[it.endswith(".safetensors")], "shouldIgnore": False} for it in files
            ]
            self._json({"files": listed})
        elif kind == "commit":
            self._commit(repository, [json.loads(line) for line in body.splitlines()])
        elif kind == "tag":
            tag = json.loads(body)["tag"]
            if tag in repository.refs:
                self._refuse(409, "", f"Tag reference exists already: {tag}")
                return
            repository.refs[tag] = commit
            self._json({})
        else:
            names = [{"rfilename": path} for path in sorted(repository.commits[commit])]
            self._json({"_id": "1", "id": name, "sha": commit, "private": True, "tags": [], "siblings": names})

    def _commit(self, repository: Repository, lines: list[dict[str, Any]]) -> None:
        happens, self.hub.before_commit = self.hub.before_commit, None
        if happens is not None:
            happens()
        files = dict(repository.commits[repository.refs["main"]])
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header" if value.get("parentCommit") not in (None, repository.refs["main"]):
                    self._refuse(412, "", "A commit has happened since. Please refresh and try again.")
                    return
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = repository.add(files)
        self._json({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/x/y/commit/{commit}"})

    def _large(self, objects: list[dict[str, Any]]) -> None:
        found = []
        for it in objects:
            upload = {"actions": {"upload": {"href": f"{self.hub.url}/large/{it['oid']}", "header": {}}}}
            found.append({**it, "authenticated": True, **({} if it["oid"] in self.hub.large else upload)})
        self._json({"transfer": "basic", "objects": found}, kind="application/vnd.git-lfs+json")

    def _give(self, name: str, revision: str, path: str) -> None:
        repository = self.hub.repositories.get(name)
        commit = None if repository is None else repository.at(revision)
        if repository is None or commit is None:
            self._refuse(404, "RepoNotFound" if repository is None else "RevisionNotFound", "no")
        elif path not in repository.commits[commit]:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            content = repository.commits[commit][path]
            self._send(200, content, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'})

    def _refuse(self, status: int, code: str, words: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": words})

    def _json(self, document: object, status: int = 200, kind: str = "application/json") -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": kind})

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
