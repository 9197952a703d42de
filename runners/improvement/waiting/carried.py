"""Trainings that people carry to another machine and back, as files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ....domain.aggregates.training import TrainingJob
from ....domain.errors import Hint, NotPossible
from ....domain.events import TrainingCompleted
from ....domain.settings.recipe import Recipe
from ....domain.vocabulary import Place
from ...lessons.datasets import dataset_file
from ...wiring.services import Services
from ..trainings import base_at_request, check_result, complete_training, parent_weights, training_folder

if TYPE_CHECKING:
    from ...store.ledger import Ledger


def export_request(ledger: Ledger, services: Services, job: TrainingJob, file: Path) -> None:
    """Write the training as a file. Raises ``NotPossible`` unless it waits to be carried, also where the file exists,
    and ``OSError``."""
    from ....adapters.launching.parcel import write_request
    from ....adapters.registry.files import require_new
    from ....adapters.training.job import TrainingJobSpec

    if job.over is not None or job.running is None or job.running.launcher != Place.CARRY or job.dataset is None:
        raise _not_waiting(services, job)
    require_new(file)
    folder = training_folder(ledger, services.state.policy, job)
    recipe, base = Recipe.from_json(job.figures), base_at_request(ledger, job)
    parent = parent_weights(ledger, services.store, job) if recipe.init_from == "parent" else None
    spec = TrainingJobSpec(folder / "job", dataset_file(ledger, job, folder), recipe, base, parent)
    write_request(file, spec, job.running.job, base.fingerprint(), job.dataset.dataset)


def import_result(ledger: Ledger, services: Services, job: TrainingJob, file: Path) -> tuple[TrainingCompleted, bool]:
    """The training's completion by the result in the file, and whether it is new: an import again changes nothing.

    Raises ``BadParcel``; ``TrainingError`` for a result of another base or dataset; ``NotPossible`` where the training has
    ended otherwise or is not carried.
    """
    from ....adapters.launching.parcel import read_result

    started = job.started
    if started is None or started.launcher != Place.CARRY or job.dataset is None:
        raise NotPossible(f"training {job.id.hex[:8]} is not carried by people", hint=Hint.SEE_TRAININGS)
    with tempfile.TemporaryDirectory(prefix="grokputer-result-") as folder:
        result = read_result(file, started.job, Path(folder))
        check_result(result, base_at_request(ledger, job), job.dataset.dataset)
        if job.over is not None:
            return _repeated(job, result.adapter_hash), False
        done = complete_training(
            ledger, services.store, job, result, training_folder(ledger, services.state.policy, job)
        )
    assert isinstance(done.over, TrainingCompleted)
    return done.over, True


def _not_waiting(services: Services, job: TrainingJob) -> NotPossible:
    """Why the training cannot be carried, and what to do."""
    name = f"training {job.id.hex[:8]}"
    if job.over is not None:
        return NotPossible(f"{name} is over: {job.over.TOPIC}", hint=Hint.SEE_TRAININGS)
    if services.state.policy.launch(job.role).launcher == Place.CARRY and not job.is_held:
        return NotPossible(f"{name} is requested, and not prepared yet", hint=Hint.PREPARE_TRAINING)
    return NotPossible(
        f"{name} does not wait to be carried; set training.launcher to carry, and a worker prepares it",
        hint=Hint.RUN_WORKER,
    )


def _repeated(job: TrainingJob, weights: str) -> TrainingCompleted:
    if isinstance(job.over, TrainingCompleted) and job.over.weights == weights:
        return job.over
    assert job.over is not None
    raise NotPossible(f"training {job.id.hex[:8]} is over: {job.over.TOPIC}", hint=Hint.SEE_TRAININGS)
