"""A training as a job of a scheduler, seen from the worker: the files in the job's folder say how it goes.

The worker may be killed at any moment, and the next one finds the job by its name: the log has it, and the file
``submitted`` says that the scheduler has taken it. Where two jobs of one name run after all, the trainer's own lock on the
folder lets one train, and the other ends without a word in the folder.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...domain.errors import DamagedWeights, TrainingError, TrainingInterrupted
from ...domain.ports import LaunchedTraining, Progress, TrainingLauncher, Waiting
from ..registry.files import write_atomically
from ..registry.local import hash_directory
from ..training.job import TrainingJobSpec, TrainingResult, is_being_trained
from ..training.process import ProgressFile, take_up
from .scheduler import JobState, Scheduler, Sight, StartUnclear

SUBMITTED = "submitted"
"""The file with the name of the job that was submitted last."""
CERTAIN = 3
"""Looks that must agree that a job is over before its result is taken for missing: files and lists of other machines come
late. Chosen."""
READ_S = 0.5
"""Seconds between two readings of the progress; chosen."""
SILENT_S = 300.0
"""Seconds of a scheduler's silence after which people are told, once; chosen."""


class JobLauncher(TrainingLauncher[TrainingJobSpec, TrainingResult]):
    """Trains in the job of this name. ``poll_s`` are the seconds between two looks at it."""

    def __init__(
        self, scheduler: Scheduler, name: str, poll_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.scheduler, self.name, self.poll_s, self.monotonic = scheduler, name, poll_s, monotonic
        self._is_unclear = False
        """Whether the last start had no answer, so that the scheduler may have the job."""

    def start(self, job: TrainingJobSpec) -> JobTraining:
        """Find the job where it was submitted; else it is submitted when its progress is asked for. Raises
        ``TrainingError`` for a folder with another job."""
        notes: list[str] = []
        is_submitted = _submitted(job.directory) == self.name
        is_done = is_submitted or not take_up(job, notes.append)
        return JobTraining(job, self, notes, is_submitted=is_done)

    def submit(self, job: TrainingJobSpec) -> None:
        """Submit the job, unless the scheduler has it: a worker may have been killed before it could note that, and a start
        may have had no answer. Raises ``TrainingError``."""
        sight = self.scheduler.look(self.name)
        if sight.state == JobState.UNSAID and self._is_unclear:
            raise TrainingError(
                f"{self.scheduler.place} does not say whether it has job {self.name}: {sight.words}; its start had no answer"
            )
        if sight.state not in (JobState.PENDING, JobState.RUNNING):
            try:
                self.scheduler.submit(self.name, job.directory.resolve())
            except StartUnclear:
                self._is_unclear = True
                raise
            self._is_unclear = False
        write_atomically(job.directory / SUBMITTED, self.name)

    def kill(self) -> None:
        """End the job, if it is there."""
        self.scheduler.kill(self.name)


class JobTraining(LaunchedTraining[TrainingResult]):
    """A training in a job, or a finished one."""

    def __init__(
        self, job: TrainingJobSpec, launcher: JobLauncher, notes: Sequence[str], *, is_submitted: bool
    ) -> None:
        self.job, self.launcher, self.notes, self.is_submitted = job, launcher, notes, is_submitted
        self.last = Sight(JobState.UNSAID)
        self._over = 0
        """Looks in a row that said that the job is over."""

    def progress(self) -> Iterator[Progress | Waiting | str]:
        """Each step and note, and between them how the job stands. It ends with the result's file, or when looks agree that
        the job is over without one."""
        yield from self.notes
        lines, now = ProgressFile(self.job.directory / "progress.jsonl", _told(self.job.directory)), self._now
        look_at, pending_since, silent_since, is_silence_told = now(), None, now(), False
        while not self._has_ended():
            if now() >= look_at:
                look_at, self.last = now() + self.launcher.poll_s, self._look()
                self._over = self._over + 1 if self.last.state in (JobState.ENDED, JobState.UNKNOWN) else 0
                is_heard = self.is_submitted and self.last.state != JobState.UNSAID
                silent_since = now() if is_heard else silent_since
            if not is_silence_told and now() - silent_since >= SILENT_S:
                is_silence_told = True
                yield self._say_silence()
            yield from self._new(lines)
            pending_since = (pending_since or now()) if self.last.state == JobState.PENDING else None
            for_s = 0.0 if pending_since is None else now() - pending_since
            yield Waiting(self.last.state == JobState.PENDING, for_s, self._wait())
            time.sleep(min(READ_S, self.launcher.poll_s))
        yield from self._new(lines)

    def _look(self) -> Sight:
        """Submit the job where it is not submitted yet, and look at it. One that cannot be submitted is pending."""
        if not self.is_submitted:
            try:
                self.launcher.submit(self.job)
            except TrainingError as error:
                return Sight(JobState.PENDING, str(error))
            self.is_submitted = True
        return self.launcher.scheduler.look(self.launcher.name)

    def _say_silence(self) -> str:
        """Why nothing is known of the job, and what happens next."""
        if not self.is_submitted:
            return f"{self.last.words}; it is submitted again"
        return f"{self.launcher.scheduler.place} does not answer ({self.last.words}); it is asked again"

    def result(self) -> TrainingResult:
        """The finished training, its weights as they were when it finished. Raises as the port says."""
        name, result = self.launcher.name, TrainingResult.read(self.job.directory)
        if result is None:
            raise TrainingInterrupted(_explain(name, self.last, self.launcher.scheduler.place))
        for wait_s in (0.0, 1.0, 4.0):  # the files of another machine come late
            time.sleep(wait_s)
            with contextlib.suppress(DamagedWeights, OSError):
                if hash_directory(result.adapter) == result.adapter_hash:
                    return result
        raise TrainingInterrupted(f"the weights of job {name} differ from what it trained, in {result.adapter}")

    def stop(self) -> None:
        """End the job if it has not ended."""
        if not self._has_ended():
            self.launcher.kill()

    def leave(self) -> None:
        """Let the job run on."""

    def _has_ended(self) -> bool:
        if (self.job.directory / "result.json").exists():
            return True
        if self._over >= CERTAIN and is_being_trained(self.job.directory):
            # A trainer whose scheduler was lost goes on, and the next attempt would find the folder busy.
            self._over = 0
        return self._over >= CERTAIN

    def _new(self, lines: ProgressFile) -> list[Progress | str]:
        updates = lines.read()
        if updates:
            write_atomically(self.job.directory / "told", json.dumps(lines.after))
        return updates

    def _wait(self) -> str:
        if self.last.state != JobState.PENDING:
            return ""
        return f"job {self.launcher.name} waits at {self.launcher.scheduler.place}: {self.last.words}"

    def _now(self) -> float:
        return self.launcher.monotonic()


def _explain(name: str, last: Sight, place: str) -> str:
    """How the job ended without a result, as what it is."""
    if last.state == JobState.UNKNOWN:
        return f"job {name} was lost: {place} knows no such job, and there is no result"
    return f"job {name} ended without a result: {last.words or 'no reason is given'}"


def _submitted(folder: Path) -> str:
    try:
        return (folder / SUBMITTED).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _told(folder: Path) -> int:
    """The bytes of the progress that a worker has read."""
    try:
        return int(json.loads((folder / "told").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return 0


def require_safe(folder: Path) -> None:
    """Raise ``TrainingError`` for a path that a shell on the way could read otherwise."""
    text = str(folder)
    if not text.isascii() or not all(sign.isalnum() or sign in "/._-+" for sign in text):
        raise TrainingError(f"{folder} has signs that a shell may read otherwise; set training.shared_folder")
