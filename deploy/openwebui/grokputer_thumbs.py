"""
title: Thumbs for Grokputer
description: Sends the thumbs of answers that a Grokputer gateway gave to that gateway: up is 5 stars, down is 1.
requirements:
version: 1.0
license: MIT
"""

# A filter function of Open WebUI. It notes which run gave each message, and sends new thumbs every few seconds.
# docs/client.md says how it is installed. It was written against the sources of Open WebUI and has not been run in it.

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import BaseModel

RUN = "chatcmpl-"
log = logging.getLogger("grokputer")


def run_of(event: Any) -> str | None:
    """The run of a part of a streamed answer; None for other events."""
    id = event.get("id") if isinstance(event, dict) else None
    return id.removeprefix(RUN) if isinstance(id, str) and id.startswith(RUN) and len(id) == len(RUN) + 32 else None


def feedback_of(thumb: Any, run: str) -> dict[str, Any] | None:
    """The gateway's feedback for a record of Open WebUI; None where it has no thumb. A changed thumb is new feedback."""
    data = thumb.get("data") or {}
    stars = {"1": 5, "-1": 1}.get(str(data.get("rating")))
    if stars is None:
        return None
    words = [str(data[name]).strip() for name in ("reason", "comment") if data.get(name)]
    given: dict[str, Any] = {"id": f"open-webui-{thumb['id']}-{thumb.get('updated_at', 0)}", "run": run, "stars": stars}
    return given | ({"comment": ": ".join(words)} if any(words) else {})


def send(url: str, key: str, feedback: dict[str, Any]) -> bool:
    """Give the feedback to the gateway; whether it need not be sent again: it was taken, or can never be."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{url.rstrip('/')}/feedback", json.dumps(feedback).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30):
            return True
    except urllib.error.HTTPError as error:
        with error:
            log.warning("the gateway refused feedback: %s", error.read(500).decode(errors="replace"))
        return error.code in (400, 404, 422)
    except OSError as error:
        log.warning("the gateway cannot be reached: %s", error)
        return False


class Runs:
    """Which run gave each message, and which feedback was sent, in a file that outlives restarts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file, file:
            file.execute("CREATE TABLE IF NOT EXISTS runs (message TEXT PRIMARY KEY, run TEXT NOT NULL)")
            file.execute("CREATE TABLE IF NOT EXISTS sent (id TEXT PRIMARY KEY)")

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.path, timeout=30))

    def note(self, message: str, run: str) -> None:
        """Note the run of a message. The last run of a message is the one that ended its answer."""
        with self._open() as file, file:
            file.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (message, run))

    def to_send(self, thumbs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The feedback of these records that was not sent, for messages that a run gave."""
        found = []
        with self._open() as file:
            for thumb in thumbs:
                message = (thumb.get("meta") or {}).get("message_id")
                row = file.execute("SELECT run FROM runs WHERE message = ?", (message,)).fetchone()
                feedback = None if row is None else feedback_of(thumb, row[0])
                if feedback and not file.execute("SELECT 1 FROM sent WHERE id = ?", (feedback["id"],)).fetchone():
                    found.append(feedback)
        return found

    def note_sent(self, feedback: dict[str, Any]) -> None:
        """Note that the feedback need not be sent again."""
        with self._open() as file, file:
            file.execute("INSERT OR IGNORE INTO sent VALUES (?)", (feedback["id"],))


class Filter:
    """The filter function: Open WebUI calls ``inlet`` before each request and ``stream`` for each part of an answer."""

    class Valves(BaseModel):
        """What an administrator sets in Open WebUI."""

        url: str = "http://127.0.0.1:8484/v1"
        key: str = ""
        every_s: float = 10.0

    def __init__(self) -> None:
        self.valves = self.Valves()
        self.runs = Runs(Path(os.environ.get("DATA_DIR", ".")) / "grokputer-runs.db")
        self._noted: tuple[str, str] | None = None
        self._sending: asyncio.Task[None] | None = None

    async def inlet(self, body: dict[str, Any]) -> dict[str, Any]:
        """Begin to send thumbs, with the first request after a start."""
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_for_ever())
        return body

    def stream(self, event: dict[str, Any], __metadata__: dict[str, Any] | None = None) -> dict[str, Any]:
        """Note which run gives the message."""
        run, message = run_of(event), (__metadata__ or {}).get("message_id")
        if run and message and self._noted != (message, run):
            self._noted = (message, run)
            self.runs.note(message, run)
        return event

    async def send_thumbs(self, thumbs: list[dict[str, Any]]) -> None:
        """Send those of the records that were not sent yet."""
        for feedback in self.runs.to_send(thumbs):
            if await asyncio.to_thread(send, self.valves.url, self.valves.key, feedback):
                self.runs.note_sent(feedback)

    async def _send_for_ever(self) -> None:
        from open_webui.models.feedbacks import Feedbacks  # type: ignore[import-not-found]

        while True:
            try:
                found = Feedbacks.get_all_feedbacks()
                found = await found if inspect.isawaitable(found) else found
                await self.send_thumbs([one.model_dump() for one in found])
            except Exception:
                log.exception("thumbs could not be sent")
            await asyncio.sleep(self.valves.every_s)
