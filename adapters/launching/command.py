"""A scheduler behind commands of the user's: ssh, Slurm, Kubernetes, or anything else that takes a name and a folder.

No shell reads the commands: they are split into words first, and the name and the folder are filled in after that.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from ...domain.errors import TrainingError
from .jobs import require_safe
from .scheduler import JobState, Scheduler, Sight, StartUnclear

LIMIT_S = 60.0
"""Seconds that a command may take; chosen. A scheduler that takes longer is taken for silent."""
MOST_SAID = 10_000
"""Bytes of a command's output that are read; chosen: a message shows 300 characters."""

PENDING = {"pending", "queued", "waiting", "suspended", "configuring", "requeued", "scheduled", "submitted", "pd", "cf"}
RUNNING = {"running", "completing", "active", "stopping", "r", "cg"}
"""Words of Slurm, Kubernetes, PBS and people for a job that is there. Any other word says how it ended."""


class CommandScheduler(Scheduler):
    """Runs the three commands of the settings."""

    def __init__(self, start: str | None, poll: str | None, kill: str | None) -> None:
        """Raises ``TrainingError`` that names a command that is not set."""
        commands = {"command": start, "poll_command": poll, "kill_command": kill}
        if missing := [name for name, command in commands.items() if command is None]:
            raise TrainingError(
                f"training.launcher is command, and training.{missing[0]} is not set; set it or choose another launcher"
            )
        self._start, self._poll, self._kill = start or "", poll or "", kill or ""

    @property
    def place(self) -> str:
        """The first word of the command that starts a job."""
        return f"'{shlex.split(self._start)[0]}'"

    def submit(self, name: str, folder: Path) -> None:
        """Run the command that starts the job. It must return soon, and end with 0."""
        require_safe(folder)
        try:
            ended = _run(self._start, name, folder)
        except subprocess.TimeoutExpired:
            raise StartUnclear(
                f"training.command did not end within {LIMIT_S:g} s for job {name}; let it only submit the job"
            ) from None
        except OSError as error:
            raise TrainingError(f"training.command did not start job {name}: {_line(str(error))}") from None
        if ended.returncode:
            said = _line(ended.stderr or ended.stdout) or "it says nothing"
            raise TrainingError(f"training.command ended with {ended.returncode} for job {name}: {said}")

    def look(self, name: str) -> Sight:
        """Run the command that polls. One that fails or takes too long says nothing about the job."""
        try:
            ended = _run(self._poll, name)
        except (OSError, subprocess.TimeoutExpired) as error:
            return Sight(JobState.UNSAID, _line(str(error)))
        if ended.returncode:
            return Sight(JobState.UNSAID, f"exit code {ended.returncode}: {_line(ended.stderr)}")
        words = _line(ended.stdout)
        first = words.split()[0].lower() if words else ""
        if not first:
            return Sight(JobState.UNKNOWN)
        if first in PENDING:
            return Sight(JobState.PENDING, words)
        return Sight(JobState.RUNNING if first in RUNNING else JobState.ENDED, words)

    def kill(self, name: str) -> None:
        """Run the command that ends the job. Raises ``TrainingError`` where it cannot be run, or fails and the job goes on."""
        try:
            ended = _run(self._kill, name)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TrainingError(f"training.kill_command did not end job {name}: {_line(str(error))}") from None
        if ended.returncode and self.look(name).state in (JobState.PENDING, JobState.RUNNING):
            said = _line(ended.stderr or ended.stdout) or "it says nothing"
            raise TrainingError(f"training.kill_command ended with {ended.returncode} for job {name}: {said}")


def _run(command: str, name: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command, ended, with its words filled in. What it started in the background goes on.

    Raises ``OSError``, and ``subprocess.TimeoutExpired`` after ``LIMIT_S``: its processes are killed then, but for those
    that have a session of their own.
    """
    filled = [
        word.replace("{job}", name).replace("{folder}", "" if folder is None else str(folder))
        for word in shlex.split(command)
    ]
    # The GPUs of this machine say nothing about those of another.
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    # Into files: the end of a pipe would come only when all that the command started has ended.
    with TemporaryFile() as out, TemporaryFile() as err:
        process = subprocess.Popen(
            filled, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
        )
        try:
            process.wait(LIMIT_S)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the command leads the group, and is not waited for yet
            process.wait()
            raise
        return subprocess.CompletedProcess(filled, process.returncode, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    """The beginning of what a command has written."""
    file.seek(0)
    return file.read(MOST_SAID).decode(errors="replace")


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
