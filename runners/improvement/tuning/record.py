"""What the log knows of a training at an endpoint: what was sent, and the job that it became."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from ....adapters.tuning.api import Tuning
from ....adapters.tuning.launcher import TuningRecord
from ....domain.aggregates.base import ACTOR, Context
from ....domain.aggregates.training import TrainingJob
from ....domain.errors import TrainingError
from ...store.ledger import Ledger


def context_of(ledger: Ledger, job: TrainingJob) -> Context:
    """The context of a decision about the training, caused by its newest event."""
    return ledger.context(ACTOR, f"{job.id}/{job.version}")


class LoggedTuning(TuningRecord):
    """The record in the log. ``require_allowed`` raises where data may not leave now."""

    def __init__(
        self,
        ledger: Ledger,
        training: UUID,
        endpoint: str,
        model: str,
        conversations: Callable[[], tuple[bytes, int]],
        require_allowed: Callable[[], None],
    ) -> None:
        self._ledger, self._id, self._endpoint, self._model = ledger, training, endpoint, model
        self._conversations, self._require_allowed = conversations, require_allowed

    @property
    def tuning(self) -> Tuning | None:
        """The job of the attempt under way."""
        found = self._ledger.get(TrainingJob, self._id).tuning
        return None if found is None else Tuning(found.tuning, file=found.file)

    @property
    def others(self) -> Sequence[str]:
        """The jobs of the earlier attempts."""
        return [it.tuning for it in self._ledger.get(TrainingJob, self._id).tunings]

    def content(self) -> bytes:
        """The file, from the log as it is now.

        After the log records that the file leaves, the file is built again, because a person may have been forgotten in
        between. A person who is forgotten later is told which endpoint has it.
        """
        self._require_allowed()
        sent = self._ledger.get(TrainingJob, self._id).sent
        is_recorded = sent is not None and sent.endpoint == self._endpoint
        content, examples = self._conversations()

        def send(training: TrainingJob) -> None:
            training.send(
                context_of(self._ledger, training), endpoint=self._endpoint, size=len(content), examples=examples
            )

        self._ledger.write(TrainingJob, self._id, send)
        if not is_recorded and self._conversations()[0] != content:
            raise TrainingError("the dataset changed while it was to be sent; nothing was sent")
        return content

    def submit(self, file: str, tuning: str) -> None:
        """Record the job."""

        def submit(training: TrainingJob) -> None:
            training.submit(context_of(self._ledger, training), model=self._model, file=file, tuning=tuning)

        self._ledger.write(TrainingJob, self._id, submit)
