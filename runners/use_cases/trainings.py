"""What people do with trainings: request one, decide on one, carry one to another machine and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.role import role_id
from ...domain.aggregates.training import TrainingJob, training_id
from ...domain.errors import Hint, NotFound
from ...domain.events import CycleOpened, TrainingRequested
from ...domain.vocabulary import OPEN_TRAININGS, TrainingStatus
from ..improvement.process_manager import open_cycle, process_new_events
from ..improvement.tuning.elsewhere import cancel_job
from ..improvement.waiting.carried import export_request, import_result
from ..store.log import SHORTEST
from ..wiring.services import Services
from .lookups import require_role

if TYPE_CHECKING:
    from ..store.ledger import Ledger


@dataclass(frozen=True)
class RequestedTraining:
    """A requested training. A worker runs it."""

    role: str
    training: UUID
    position: int
    """Log position of the event that opened the cycle."""
    live: str | None
    """The adapter that was live at the request; None for the base."""


def request_training(ledger: Ledger, role: str, *, reason: str, actor: str) -> RequestedTraining:
    """Open a cycle of the role, so that the next worker trains an adapter without waiting for a breach.

    Raises ``NotPossible`` while a cycle of the role is open, and ``InvalidRecipe`` where the settings make no valid recipe.
    """
    open_cycle(ledger, require_role(role), ledger.put(reason, "the reason"), actor)
    process_new_events(ledger)
    opened = next(
        recorded for recorded in reversed(ledger.history(role_id(role))) if isinstance(recorded.event, CycleOpened)
    )
    assert isinstance(opened.event, CycleOpened)
    return RequestedTraining(role, training_id(opened.event.reference), opened.position, opened.event.adapter)


@dataclass(frozen=True)
class ImportedTraining:
    """A training whose weights came home."""

    training: UUID
    weights: str
    is_new: bool
    """False where the same result was imported before."""


def approve_training(ledger: Ledger, training: str | None, *, reason: str, actor: str) -> UUID:
    """Let a training run that waits because of its cost, by its id or its beginning; without one, the only one that waits.

    Raises ``NotFound`` and ``NotPossible``.
    """
    id = find_training(ledger, training, (TrainingStatus.HELD,), "waits for approval")
    key, context = ledger.put(reason, "the reason"), ledger.context(actor)
    ledger.write(TrainingJob, id, lambda job: job.approve(key, context))
    process_new_events(ledger)
    return id


def cancel_training(
    ledger: Ledger,
    training: str | None,
    *,
    reason: str,
    actor: str,
    say: Callable[[str], None] = lambda line: None,
) -> UUID:
    """End a training that has not ended, by its id or its beginning; without one, the only one. Its worker stops it.

    A job at an endpoint is cancelled there at once; ``say`` is told where that fails. Raises ``NotFound``, and
    ``NotPossible`` where it is over.
    """
    statuses = (*OPEN_TRAININGS, TrainingStatus.HELD, TrainingStatus.CARRIED)
    id = find_training(ledger, training, statuses, "is under way")
    key, context = ledger.put(f"cancelled: {reason}", "the reason"), ledger.context(actor)
    ledger.write(TrainingJob, id, lambda job: job.fail(key, context))
    process_new_events(ledger)
    if problem := cancel_job(ledger, id):
        say(problem)
    return id


def export_training(ledger: Ledger, file: Path, training: str | None = None) -> UUID:
    """Write a training that waits to be carried as a file for another machine. Raises as ``export_request`` does."""
    id = _find_carried(ledger, training)
    with Services(ledger, process_new_events(ledger)) as services:
        export_request(ledger, services, ledger.get(TrainingJob, id), file)
    return id


def _find_carried(ledger: Ledger, beginning: str | None) -> UUID:
    """The training that is meant: without a beginning the one that is prepared, or else the one that is to be."""
    what = "waits to be carried"
    statuses: tuple[TrainingStatus, ...] = (TrainingStatus.CARRIED,)
    trainings = process_new_events(ledger).registry.trainings.values()
    if not any(training.status in statuses for training in trainings):
        statuses = (TrainingStatus.REQUESTED, TrainingStatus.DATASET_BUILT)
    return find_training(ledger, beginning, statuses, what)


def import_training(ledger: Ledger, file: Path) -> ImportedTraining:
    """Complete the training that the file is the result of. Raises as ``import_result`` does."""
    from ...adapters.launching.parcel import RESULT, read_about, training_of

    id = training_of(read_about(file, RESULT)["name"])
    if ledger.get(TrainingJob, id).requested is None:
        raise NotFound(f"{file} is of a training that {ledger.label} does not have", hint=Hint.SEE_TRAININGS)
    with Services(ledger, process_new_events(ledger)) as services:
        completed, is_new = import_result(ledger, services, ledger.get(TrainingJob, id), file)
    process_new_events(ledger)
    return ImportedTraining(id, completed.weights, is_new)


def find_training(ledger: Ledger, beginning: str | None, statuses: tuple[TrainingStatus, ...], what: str) -> UUID:
    """The training whose id begins with the text; without one, the only one of these statuses. Raises ``NotFound``."""
    if beginning is None:
        trainings = process_new_events(ledger).registry.trainings.values()
        ids = [training.id for training in trainings if training.status in statuses]
    else:
        ids = ledger.ids_like(beginning, TrainingRequested.TOPIC) if len(beginning) >= SHORTEST else []
    if len(ids) == 1:
        return UUID(ids[0])
    if ids:
        raise NotFound(f"more than one training {what}; name one: {', '.join(id[:8] for id in ids)}")
    missing = f"no training {what}" if beginning is None else f"no training begins with {beginning[:40]!r}"
    raise NotFound(missing, hint=Hint.SEE_TRAININGS)
