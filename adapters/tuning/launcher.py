"""A training as a job of an endpoint's fine-tuning API, which keeps the tuned model.

The worker may be killed at any moment. The log has what was sent before it was sent, and the job once it was created. In
between, the next worker finds the file by its name and the job by its metadata, so an attempt has one job.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...domain.errors import TrainingError, TrainingInterrupted
from ...domain.ports import LaunchedTraining, Progress, TrainingLauncher, Waiting
from .api import Refused, Silent, Tuning, TuningApi

CERTAIN = 3
"""Looks that must agree that the endpoint knows no such job; chosen."""
STEP_S = 0.5
"""Seconds between two chances for the caller to do other work; chosen."""
SILENT_S = 300.0
"""Seconds of an endpoint's silence after which people are told, once; chosen."""
LONGEST = 300
"""Characters of an endpoint's own words that the terminal shows."""
STEP = re.compile(r"[Ss]tep (\d+)/(\d+).*?loss[=:\s]+([0-9.]+)")
"""A step in the words of an event whose data do not have it."""


@dataclass(frozen=True)
class TuningSpec:
    """What is tuned, by which figures, under which names."""

    model: str
    name: str
    """Of the attempt."""
    suffix: str
    """For people, in the tuned model's name."""
    file: str
    """The name of the dataset's file."""
    epochs: int | None
    """None leaves them to the endpoint."""
    seed: int


@dataclass(frozen=True)
class Tuned:
    """A tuned model, and what the endpoint told of its training. What it did not tell is 0."""

    model: str
    tokens: int
    epochs: int
    steps: int
    loss: float
    duration_s: float


class TuningRecord(Protocol):
    """What the log knows of the attempt's job, and how more is recorded."""

    @property
    def tuning(self) -> Tuning | None:
        """The recorded job, with its file; None before it is recorded."""
        ...

    @property
    def others(self) -> Sequence[str]:
        """The jobs of other attempts."""
        ...

    def content(self) -> bytes:
        """The dataset as a file. It is on record that it leaves. Raises ``TrainingError`` where it may not, and where a text
        of it was erased."""
        ...

    def submit(self, file: str, tuning: str) -> None:
        """Record the job."""
        ...


class TuningLauncher(TrainingLauncher[TuningSpec, Tuned]):
    """Tunes at the endpoint of ``api``. ``poll_s`` are the seconds between two looks; ``say`` gets what is recorded nowhere."""

    def __init__(
        self,
        api: TuningApi,
        record: TuningRecord,
        poll_s: float,
        say: Callable[[str], None] = lambda line: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api, self.record, self.poll_s, self.say, self.monotonic = api, record, poll_s, say, monotonic

    def start(self, job: TuningSpec) -> TunedTraining:
        """Find the job by the log; else it is found there or created when its progress is asked for."""
        return TunedTraining(job, self)


class TunedTraining(LaunchedTraining[Tuned]):
    """A job at the endpoint."""

    def __init__(self, spec: TuningSpec, launcher: TuningLauncher) -> None:
        self.spec, self.launcher = spec, launcher
        self.tuning = launcher.record.tuning
        self._began = launcher.monotonic()
        self._silence = ""
        """Why the endpoint did not answer at the last look; empty where it did."""
        self._is_sent = False
        """Whether this process has asked the endpoint to take the dataset."""
        self._missing = 0
        """Looks in a row at which it knew no such job."""
        self._last: Progress | None = None
        self._seen: set[str] | None = None if self.tuning is not None else set()
        """The events that were told; None before the first look at a job that an earlier worker has followed."""

    def progress(self) -> Iterator[Progress | Waiting | str]:
        """Each step and note that the endpoint tells, and between them how the job stands.

        Raises ``TrainingError`` where the endpoint refuses the dataset or the job.
        """
        now, look_at, heard_at, pending_since, is_silence_told = self.launcher.monotonic, 0.0, self._began, None, False
        while not self._has_ended():
            if now() >= look_at:
                yield from self._look()
                look_at, heard_at = now() + self.launcher.poll_s, heard_at if self._silence else now()
            if not is_silence_told and now() - heard_at >= SILENT_S:
                is_silence_told = True
                yield f"{self._silence}; it is asked again"
            is_pending = self.tuning is None or self.tuning.is_pending
            pending_since = (pending_since or now()) if is_pending else None
            yield Waiting(is_pending, 0.0 if pending_since is None else now() - pending_since, self._wait())
            if not self._has_ended():
                time.sleep(min(STEP_S, self.launcher.poll_s))

    def result(self) -> Tuned:
        """The tuned model. Raises as the port says."""
        tuning, place = self.tuning, self.launcher.api.place
        if tuning is None or not tuning.is_over:
            id = self.spec.name if tuning is None else tuning.id
            raise TrainingInterrupted(f"job {id} was lost: {place} knows no such job")
        if tuning.status == "cancelled":
            raise TrainingError(f"job {tuning.id} was cancelled at {place}")
        if tuning.status == "failed":
            raise TrainingError(f"job {tuning.id} failed at {place}: {tuning.problem or 'it gives no code'}")
        if not tuning.model:
            raise TrainingError(f"job {tuning.id} succeeded at {place}, which names no tuned model")
        last, lasted_s = self._last, self.launcher.monotonic() - self._began
        return Tuned(
            tuning.model,
            tuning.tokens,
            tuning.epochs,
            0 if last is None else last.total_steps,
            0.0 if last is None else last.loss,
            lasted_s if tuning.lasted_s is None else tuning.lasted_s,
        )

    def stop(self) -> None:
        """Cancel the job if it has not ended. Where that fails, people are told."""
        if self._has_ended() or not (self._is_sent or self.tuning is not None):
            return
        api, spec = self.launcher.api, self.spec
        try:
            known = None if self.tuning is None else self.tuning.id
            api.cancel_attempt(known, spec.file, spec.name, self.launcher.record.others)
        except TrainingError as error:
            self.launcher.say(f"its job may run on: {error}; cancel it there")

    def leave(self) -> None:
        """Let the job run on."""

    def _look(self) -> Iterator[Progress | str]:
        """Take the job up where it is not recorded yet, and look at it."""
        api, self._silence = self.launcher.api, ""
        try:
            if self.tuning is None:
                self.tuning = self._take_up()
            found = api.look(self.tuning.id)
            self._missing = 0 if found is not None else self._missing + 1
            self.tuning = found or self.tuning
            yield from self._news(api.events(self.tuning.id) if found is not None else [])
        except Silent as error:
            self._silence = str(error)
        except Refused as error:
            if self.tuning is None:
                raise
            self._silence = str(error)  # the job is there, and may be paid for: it is asked again
        if self.tuning is not None and self.tuning.is_over and self.tuning.words:
            yield f"{api.place} says: {self.tuning.words[:LONGEST]}"

    def _take_up(self) -> Tuning:
        """The job of the attempt: one that an earlier worker has created, or a new one."""
        api, record, spec = self.launcher.api, self.launcher.record, self.spec
        content = record.content()
        self._is_sent = True
        file = api.find_file(spec.file, len(content)) or api.upload(spec.file, content)
        tuning = api.find_job(spec.name, file, record.others)
        if tuning is None:
            tuning = api.create(spec.model, file, spec.name, spec.suffix, spec.epochs, spec.seed)
        record.submit(file, tuning.id)
        return tuning

    def _news(self, events: Sequence[Mapping[str, Any]]) -> Iterator[Progress | str]:
        """The newest step, and warnings, each once."""
        is_first, seen = self._seen is None, self._seen or set()
        new = [event for event in events if str(event.get("id")) not in seen]
        self._seen = seen | {str(event.get("id")) for event in new}
        for event in new:
            if event.get("level") in ("warn", "error") and not is_first:
                yield f"{self.launcher.api.place} says: {' '.join(str(event.get('message')).split())[:LONGEST]}"
        steps = [step for event in new if (step := self._step(event)) is not None]
        if steps:
            self._last = steps[-1]
            yield steps[-1]

    def _step(self, event: Mapping[str, Any]) -> Progress | None:
        """The step that the event tells of; None for another event."""
        data, words = event.get("data"), STEP.search(str(event.get("message")))
        told: Mapping[str, Any] = data if isinstance(data, dict) else {}
        figures = [told.get(name) for name in ("step", "total_steps", "train_loss")]
        if not all(isinstance(each, int | float) for each in figures):
            figures = list(words.groups()) if words else []
        try:
            step, total, loss = int(figures[0]), int(figures[1]), float(figures[2])  # type: ignore[arg-type]
        except (IndexError, ValueError, OverflowError):
            return None
        if not 0 < step <= total or not 0 <= loss < 1e9:
            return None
        epochs = 1 if self.tuning is None else self.tuning.epochs or 1
        return Progress(step, total, loss, step / total * epochs, 0.0, self.launcher.monotonic() - self._began)

    def _has_ended(self) -> bool:
        return self._missing >= CERTAIN or (self.tuning is not None and self.tuning.is_over)

    def _wait(self) -> str:
        if self._silence:
            return self._silence
        if self.tuning is None or not self.tuning.is_pending:
            return ""
        return f"job {self.tuning.id} waits at {self.launcher.api.place}: {self.tuning.status}"
