"""What endpoints have of trainings there: files of datasets, jobs, and tuned models. What can be deleted from here is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from ....domain.aggregates.training import TrainingJob
from ....domain.errors import GrokputerError
from ....domain.events import DatasetSent, TrainingCompleted
from ...store.ledger import Ledger
from ...store.log import Log
from ...wiring.models import open_tuning
from .record import context_of

LIMIT_S = 20.0
"""Time limit of a request; chosen: a person waits for it."""


@dataclass(frozen=True)
class CopyElsewhere:
    """What an endpoint has of a training."""

    training: str
    """Its id, hex."""
    endpoint: str
    """The base URL."""
    kind: Literal["file", "job", "model"]
    """``file``: the dataset. ``job``: it is being tuned on. ``model``: what was tuned on it, and keeps what it learnt."""
    id: str
    """Its id there; of a file whose upload was under way, its name."""
    is_named: bool = False
    """Whether ``id`` is a file's name, because no id is on record."""
    is_deleted: bool = False
    problem: str = ""
    """Why it could not be deleted; empty where nobody tried, and where it is deleted."""


def has_left(log: Log) -> bool:
    """Whether any dataset has left for an endpoint."""
    return next(iter(log.read(1, None, (DatasetSent.TOPIC,))), None) is not None


def find_copies(log: Log, trainings: Iterable[str]) -> list[CopyElsewhere]:
    """What endpoints have of these trainings, without the files that they have deleted."""
    return [copy for training in trainings for copy in _copies(log.get(TrainingJob, UUID(training)))]


def delete_copies(ledger: Ledger, trainings: Iterable[str]) -> list[CopyElsewhere]:
    """The same, after each file was deleted where the endpoint does that. What is deleted is recorded."""
    return [_delete(ledger, copy) if copy.kind == "file" else copy for copy in find_copies(ledger, trainings)]


def cancel_job(log: Log, training: UUID) -> str:
    """Cancel the jobs that the training may have at its endpoint; a line for people where that fails, else empty.

    Its worker does the same. This is for a training without one.
    """
    job = log.get(TrainingJob, training)
    newest = job.running
    if job.sent is None or newest is None:
        return ""
    try:
        with closing(open_tuning(job.sent.endpoint, LIMIT_S)) as api:
            known = None if job.tuning is None else job.tuning.tuning
            api.cancel_attempt(known, job.sent.file, newest.job, [it.tuning for it in job.tunings])
    except GrokputerError as error:
        return f"its job may run on: {error}; cancel it there"
    return ""


def _copies(job: TrainingJob) -> Iterator[CopyElsewhere]:
    training, sent, over = job.id.hex, job.sent, job.over
    if sent is None:
        return
    files = dict.fromkeys((it.endpoint, it.file) for it in job.tunings)
    yield from (
        CopyElsewhere(training, endpoint, "file", id) for endpoint, id in files if (endpoint, id) not in job.deleted
    )
    if sent.endpoint not in {endpoint for endpoint, _ in (*files, *job.deleted)}:
        yield CopyElsewhere(training, sent.endpoint, "file", sent.file, is_named=True)
    if over is None and job.tuning is not None:
        yield CopyElsewhere(training, job.tuning.endpoint, "job", job.tuning.tuning)
    if isinstance(over, TrainingCompleted) and over.model:
        yield CopyElsewhere(training, over.endpoint, "model", over.model)


def _delete(ledger: Ledger, copy: CopyElsewhere) -> CopyElsewhere:
    """The copy, deleted or with the problem."""
    try:
        with closing(open_tuning(copy.endpoint, LIMIT_S)) as api:
            id = api.find_file(copy.id) if copy.is_named else copy.id
            if id is not None:
                api.delete_file(id)
    except GrokputerError as error:
        return replace(copy, problem=str(error))
    if id is None:
        return replace(copy, problem="it has no file of this name now")

    def delete(training: TrainingJob) -> None:
        training.delete_sent(copy.endpoint, id, context_of(ledger, training))

    ledger.write(TrainingJob, UUID(copy.training), delete)
    return replace(copy, id=id, is_deleted=True)
