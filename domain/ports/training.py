"""The port of a training launcher: where a training runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar


@dataclass(frozen=True)
class Progress:
    """The progress of a training after an optimiser step. ``epoch`` counts from 0.0; ``loss`` is of this step.

    ``examples_per_s`` is 0 where it is not known.
    """

    step: int
    total_steps: int
    loss: float
    epoch: float
    examples_per_s: float
    elapsed_s: float


@dataclass(frozen=True)
class Waiting:
    """A training elsewhere that says nothing new: its job waits for a place to run, or runs, or cannot be asked."""

    is_pending: bool
    for_s: float
    """Seconds that the job has been pending, as far as this process has seen; 0 where it is not."""
    reason: str
    """What the job waits for, in words; empty where it runs."""


Spec = TypeVar("Spec", contravariant=True)
"""A training to run: ``TrainingJobSpec`` of ``adapters/training/job.py``."""
Result = TypeVar("Result", covariant=True)
"""Its result: ``TrainingResult`` of the same module."""


class LaunchedTraining(Protocol[Result]):
    """A training that was started."""

    def progress(self) -> Iterator[Progress | Waiting | str]:
        """Each step of the trainer and each note for people, as they come, until the training has ended.

        A training elsewhere also yields ``Waiting`` about each second, so that its caller can do other work meanwhile.
        """
        ...

    def result(self) -> Result:
        """The result. Raises ``TrainingError`` with the reason, ``TrainingInterrupted`` where a new start can continue it."""
        ...

    def stop(self) -> None:
        """Stop it if it is running; a new start continues from its last checkpoint."""
        ...

    def leave(self) -> None:
        """Let go of it, because this process ends. A job elsewhere runs on, and a start under the same name finds it."""
        self.stop()


class TrainingLauncher(Protocol[Spec, Result]):
    """Runs trainings: in a process of this machine, or on a cluster."""

    def start(self, job: Spec) -> LaunchedTraining[Result]:
        """Start the job, or continue an interrupted one; a finished one is not trained again.

        Raises ``TrainingError`` where it cannot start.
        """
        ...
