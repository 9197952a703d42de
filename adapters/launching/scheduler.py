"""The port of a scheduler: it runs a named job on another machine, and says how the job stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ...domain.errors import TrainingError


class JobState(StrEnum):
    """How a job stands at its scheduler."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    """It has ended, well or not: its result says which."""
    UNKNOWN = "unknown"
    """The scheduler knows no such job."""
    UNSAID = "unsaid"
    """The scheduler does not answer."""


@dataclass(frozen=True)
class Sight:
    """A look at a job."""

    state: JobState
    words: str = ""
    """What the scheduler says of it, in one line."""


class StartUnclear(TrainingError):
    """A start without an answer: the scheduler may have the job."""


class Scheduler(Protocol):
    """Runs jobs by name. A job runs the training process on the folder of its files, once: retries are the caller's."""

    @property
    def place(self) -> str:
        """What it is, in words for people."""
        ...

    def submit(self, name: str, folder: Path) -> None:
        """Start the job. Raises ``TrainingError`` where it cannot be started, and ``StartUnclear`` where that is not
        known; has no effect where the scheduler has a job of this name and names are unique there."""
        ...

    def look(self, name: str) -> Sight:
        """How the job stands."""
        ...

    def kill(self, name: str) -> None:
        """End the job, if it is there."""
        ...
