"""Training an adapter in its own process, seen from the parent.

The process is separate for two reasons. The base must be freshly loaded and never evaluated: on a CPU, bitsandbytes
repacks 4-bit weights at the first evaluation, and gradients through them are then silently wrong. And a crash of the
process does not affect the parent. ``job.py`` describes the job's folder; ``child.py`` is the process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ...domain.errors import DamagedWeights, LogError, TrainingError, TrainingInterrupted
from ...domain.ports import LaunchedTraining, TrainingLauncher, Waiting
from ..registry.files import write_atomically
from ..registry.local import hash_directory
from .job import BUSY, NOTE, UNTOLD, Progress, TrainingJobSpec, TrainingResult
from .surroundings import surroundings

CHILD = f"{__package__}.child"
"""The module of the training process."""

R = TypeVar("R")

POLL_S = 0.05
"""Seconds between two checks for progress; chosen."""


class ProcessLauncher(TrainingLauncher[TrainingJobSpec, TrainingResult]):
    """Trains in a child process that ends with this one. ``process`` is the module of the child."""

    def __init__(self, process: str = CHILD) -> None:
        self.process = process

    def start(self, job: TrainingJobSpec) -> ProcessTraining:
        """Start the process, unless the job is finished. Raises ``TrainingError`` for a folder with another job."""
        notes: list[str] = []
        return ProcessTraining(job, self.process if take_up(job, notes.append) else None, notes)


class ProcessTraining(LaunchedTraining[TrainingResult]):
    """A training in a child process, or a finished one."""

    def __init__(self, job: TrainingJobSpec, process: str | None, notes: Sequence[str]) -> None:
        self.job = job
        self.notes = notes
        self.log = job.directory / "training.log"
        self._file = job.directory / "progress.jsonl"
        self._before = self._file.stat().st_size if self._file.exists() else 0
        """Bytes of progress of an earlier process."""
        self._child = None if process is None else self._begin(process)

    def progress(self) -> Iterator[Progress | str]:
        """Each step, and notes about checkpoints and weights that cannot be used."""
        yield from self.notes
        if self._child is not None:
            yield from _follow(self._file, self._before, self._child)

    def result(self) -> TrainingResult:
        """The finished training, once ``progress`` has ended. Raises ``TrainingError`` and ``TrainingInterrupted``."""
        result, code = TrainingResult.read(self.job.directory), 0 if self._child is None else self._child.wait()
        if result is None and code < 0:
            raise TrainingInterrupted(
                f"training in {self.job.directory} was interrupted: {_cause(code)}; see {self.log}"
            )
        if result is None or code != 0:
            raise TrainingError(f"training in {self.job.directory} failed: {_cause(code)}; see {self.log}")
        return result

    def stop(self) -> None:
        """Kill the process if it is running."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def _begin(self, process: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", process, str(self.job.directory)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**surroundings(self.job, os.environ), "GROKPUTER_PARENT": str(os.getpid())},
                start_new_session=True,
            )


def train(
    job: TrainingJobSpec,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    *,
    say: Callable[[str], None] = lambda line: None,
    on_wait: Callable[[Waiting], None] = lambda waiting: None,
    launcher: TrainingLauncher[TrainingJobSpec, TrainingResult] | None = None,
) -> TrainingResult:
    """Train with the launcher, by default in a child process, and return the finished result.

    ``say`` gets notes about checkpoints and weights that cannot be used, ``on_wait`` is called while a training elsewhere
    says nothing. Raises ``TrainingError`` with the reason, and ``TrainingInterrupted`` when a signal ended the child. If
    this call is interrupted (``KeyboardInterrupt`` included), or the log was lost, it stops a child and leaves a job elsewhere
    running; call again to continue. Any other error stops both.
    """
    return follow((launcher or ProcessLauncher()).start(job), on_progress, say=say, on_wait=on_wait)


def follow(
    training: LaunchedTraining[R],
    on_progress: Callable[[Progress], None] = lambda progress: None,
    *,
    say: Callable[[str], None] = lambda line: None,
    on_wait: Callable[[Waiting], None] = lambda waiting: None,
) -> R:
    """The result of a training that was started, once it has ended; see ``train``."""
    try:
        for update in training.progress():
            match update:
                case str():
                    say(update)
                case Waiting():
                    on_wait(update)
                case _:
                    on_progress(update)
    except (KeyboardInterrupt, SystemExit, LogError):
        training.leave()
        raise
    except BaseException:
        try:
            training.stop()
        except TrainingError as error:  # the first error says more of the training
            say(f"{error}; it may run on")
        raise
    training.stop()
    return training.result()


def take_up(job: TrainingJobSpec, say: Callable[[str], None]) -> bool:
    """Write the job into its folder; True when it still has to be trained. Raises ``TrainingError`` if it holds another job."""
    job.directory.mkdir(parents=True, exist_ok=True)
    file = job.directory / "job.json"
    # Compared after reading, so that a job from before a new recipe setting equals one with its default.
    if file.exists() and _held(job) != job.to_json():
        raise TrainingError(f"folder {job.directory} holds another training job; give an empty folder")
    write_atomically(file, json.dumps(job.to_json(), indent=1))
    try:
        finished = TrainingResult.read(job.directory)
    except TrainingError:
        (job.directory / "result.json").unlink()  # failed before: try again
        return True
    if finished is not None and not _is_whole(finished):
        say(f"the finished weights in {finished.adapter} were changed; they are made again from the last checkpoint")
        (job.directory / "result.json").unlink()
        return True
    return finished is None


def _held(job: TrainingJobSpec) -> dict[str, Any]:
    """The job in the folder; where it is shown does not matter."""
    return replace(TrainingJobSpec.read(job.directory), report_to=job.report_to).to_json()


def _is_whole(result: TrainingResult) -> bool:
    try:
        return hash_directory(result.adapter) == result.adapter_hash
    except DamagedWeights:
        return False


class ProgressFile:
    """The lines of a ``progress.jsonl`` after a place in it, in bytes, as they are written."""

    def __init__(self, file: Path, after: int) -> None:
        self.file, self.after = file, after

    def read(self) -> list[Progress | str]:
        """The steps and notes since the last call; a line that is not finished is read later."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(self.after)
                whole = stream.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        self.after += len(whole) + 1 if whole else 0
        updates = [json.loads(line) for line in whole.split(b"\n") if line]
        return [str(update[NOTE]) if NOTE in update else Progress(**update) for update in updates]


def _follow(file: Path, after: int, child: subprocess.Popen[bytes]) -> Iterator[Progress | str]:
    """The progress and notes after this many bytes of the file, as they are written, until the child ends."""
    lines = ProgressFile(file, after)
    while True:
        has_ended = child.poll() is not None
        yield from lines.read()
        if has_ended:
            return
        time.sleep(POLL_S)


def _cause(returncode: int) -> str:
    if returncode == -signal.SIGKILL:
        return "its process was killed, by hand or because memory ran out"
    if returncode < 0:
        return f"its process was ended by {signal.Signals(-returncode).name}"
    if returncode == UNTOLD:
        return "its result could not be written; check whether the disk is full"
    if returncode == BUSY:
        return "its folder is being trained by another process; wait for it"
    return f"its process ended with exit code {returncode} and without a result"
