"""A Ray cluster as a scheduler, by its Jobs API over HTTP. So the worker needs no Ray of its own, and no version of it.

The id of a job is unique there, so a job that is submitted twice runs once. A job runs once, and dies with its cluster:
the log knows which attempts there were.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from ...domain.errors import TrainingError
from ...domain.settings.forms import complain_of_url
from ..training.process import CHILD
from .jobs import require_safe
from .scheduler import JobState, Scheduler, Sight

LIMIT_S = 30.0
"""Seconds that a request may take; chosen."""

STATES = {"PENDING": JobState.PENDING, "RUNNING": JobState.RUNNING}
"""The statuses of a job that is there; the others are STOPPED, SUCCEEDED and FAILED."""


class RayJobs(Scheduler):
    """The Ray cluster at the address of its dashboard."""

    def __init__(self, address: str | None, gpus: int, python: str) -> None:
        """``gpus`` are asked for whole, by each job. Raises ``TrainingError`` without a valid address."""
        if address is None:
            raise TrainingError(
                "training.launcher is ray, and training.ray_address is not set; set it to the address of the dashboard"
            )
        if wrong := complain_of_url(address):
            raise TrainingError(f"training.ray_address {address!r} cannot be asked: {wrong}; set it again")
        self.address, self.gpus, self.python = address.rstrip("/"), gpus, python

    @property
    def place(self) -> str:
        """The cluster's address."""
        return f"the Ray cluster at {self.address}"

    def submit(self, name: str, folder: Path) -> None:
        """Submit the job under its name. A job of that name that is there already is that job."""
        require_safe(folder)
        job = {
            "entrypoint": f"{shlex.quote(self.python)} -P -m {CHILD} {folder}",
            "submission_id": name,
            "entrypoint_num_cpus": 1,
            **({"entrypoint_num_gpus": self.gpus} if self.gpus else {}),
        }
        status, answer = self._ask("POST", "/api/jobs/", job)
        if status != 200 and self.look(name).state in (JobState.UNKNOWN, JobState.UNSAID):
            raise TrainingError(f"{self.place} did not take job {name}: {_words(answer)}")

    def look(self, name: str) -> Sight:
        """The job's status, with its message."""
        status, answer = self._ask("GET", f"/api/jobs/{name}")
        if status == 404:
            return Sight(JobState.UNKNOWN)
        if status != 200 or not isinstance(answer, dict):
            return Sight(JobState.UNSAID, _words(answer))
        word = str(answer.get("status"))
        message = (
            str(answer.get("message") or "").strip().splitlines()
        )  # after its first line come those of the job's log
        words = f"{word}: {message[0][:300]}" if message else word
        return Sight(STATES.get(word, JobState.ENDED), words)

    def kill(self, name: str) -> None:
        """Stop the job. Raises ``TrainingError`` where the cluster does not answer."""
        status, answer = self._ask("POST", f"/api/jobs/{name}/stop")
        if status not in (200, 404):
            raise TrainingError(f"{self.place} did not stop job {name}: {_words(answer)}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """The status and the answer; status 0 and the reason where there is none."""
        import httpx2

        token = find_token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = httpx2.request(method, self.address + path, json=body, headers=headers, timeout=LIMIT_S)
        except httpx2.HTTPError as error:
            return 0, str(error) or type(error).__name__
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, answer.text


def find_token() -> str:
    """The cluster's token, from where Ray itself looks for it: RAY_AUTH_TOKEN, the file of RAY_AUTH_TOKEN_PATH, or
    ``~/.ray/auth_token``; empty where there is none."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _words(answer: object) -> str:
    """The last line that says something: Ray answers an error with its traceback."""
    lines = [line.strip() for line in str(answer).splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason is given")[:300]
