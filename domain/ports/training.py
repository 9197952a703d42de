"""The port of a training launcher: where a training runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar


@dataclass(frozen=True)
class Progress:
    """Where a training stands after an optimiser step. ``epoch`` counts from 0.0; ``loss`` is of this step."""

    step: int
    total_steps: int
    loss: float
    epoch: float
    examples_per_s: float
    elapsed_s: float


Spec = TypeVar("Spec", contravariant=True)
"""What is to be trained: ``TrainingJobSpec`` of ``adapters/training/job.py``, which lies in a folder."""
Result = TypeVar("Result", covariant=True)
"""What came of it: ``TrainingResult`` there."""


class LaunchedTraining(Protocol[Result]):
    """A training that was started."""

    def progress(self) -> Iterator[Progress | str]:
        """Each step of the trainer, and each note for people, as it comes; it ends when the training has ended."""
        ...

    def result(self) -> Result:
        """What came of it. Raises ``TrainingError`` with the reason, ``TrainingInterrupted`` where asking again goes on."""
        ...

    def stop(self) -> None:
        """End it if it is under way; started again, it goes on from its last checkpoint."""
        ...


class TrainingLauncher(Protocol[Spec, Result]):
    """Where trainings run: a process of this machine, or a cluster."""

    def start(self, job: Spec) -> LaunchedTraining[Result]:
        """Start the job, or go on with it where it was interrupted; one that is finished is not trained again.

        Raises ``TrainingError`` where it cannot be started.
        """
        ...
