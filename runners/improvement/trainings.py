"""Running a requested training: retries, dataset, the trainer process, the weights into the registry.

It continues from where an earlier worker was killed, by the log: the dataset is recorded once, a job that runs elsewhere
is found by its name, the trainer resumes from its last checkpoint, and finished weights are stored under their hash.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.adapter import describe_tuned
from ...domain.aggregates.training import PREFIX, TrainingJob
from ...domain.errors import (
    DamagedWeights,
    InvalidExamples,
    ModelError,
    NotPossible,
    TrainingError,
    TrainingInterrupted,
)
from ...domain.ports import Waiting, WeightRegistry
from ...domain.settings.recipe import Recipe
from ...domain.settings.sizes import Resolved, resolve_for_base
from ...domain.vocabulary import Place
from ..lessons.datasets import conversations, dataset_file, dataset_for
from ..lessons.gather import collect_examples
from ..store.ledger import Ledger
from ..store.log import adapters_folder
from ..store.states import load_state
from ..wiring.extras import complain_of_reporter, require
from ..wiring.services import Services, base_of, identify_base, prepare_base
from .tuning.record import context_of
from .tuning.tunings import complain_of_place, tune
from .waiting.approvals import hold_if_too_dear, hold_tuning_if_too_dear

if TYPE_CHECKING:
    from ...adapters.data.dataset import Dataset
    from ...adapters.serving.base_model import Base
    from ...adapters.training.job import Progress, TrainingResult
    from ...domain.settings.settings import Policy
    from ...projections.state.state import State
    from ..store.log import Log

ATTEMPTS = 5
"""Most attempts at a training whose process is killed; chosen: too little memory kills it every time."""

JOBS = (Place.COMMAND, Place.RAY, Place.OPENAI)
"""Where a training goes on without its worker, so that the next worker finds it."""

Report = Callable[["Progress"], None]
Say = Callable[[str], None]


def run_training(
    ledger: Ledger,
    services: Services,
    id: UUID,
    on_progress: Report,
    say: Say,
    on_wait: Callable[[], None] = lambda: None,
) -> TrainingJob:
    """Run the training to its end (completed, declined or failed), and return the job. ``say`` gets what cannot be used.

    The job is returned unfinished when its process was killed; call again to continue, at most ``ATTEMPTS`` times. So it is
    where it waits for a person. ``on_wait`` is called about each second while a job elsewhere says nothing. Raises
    ``OSError`` when finished weights cannot be stored: they are kept, and the next worker stores them.
    """
    job = ledger.get(TrainingJob, id)
    requested = job.requested
    assert requested is not None
    policy = policy_at_request(ledger, job)
    if (own := policy.role_model(requested.role)) is not None:
        return _fail(ledger, job, own.why_untrained(requested.role))
    place = _place(services.state.policy, job)
    is_submitted = job.tuning is not None
    if problem := complain_of_place(policy, services.state.policy, job.role, place, is_submitted=is_submitted):
        return _fail(ledger, job, problem)
    if job.dataset is None:
        job = _build(ledger, services, job, say)
        if job.over is not None:
            return job
    folder = training_folder(ledger, services.state.policy, job, place)
    try:
        if place == Place.OPENAI:
            return _tune(ledger, services, job, on_progress, say, on_wait)
        file = dataset_file(ledger, job, folder)
        chosen = _choose(ledger, job)
        base, recipe = base_at_request(ledger, job), chosen.recipe
        if job.started is None and hold_if_too_dear(ledger, services.state.policy, job, file, recipe, base).is_held:
            return ledger.get(TrainingJob, id)
        job = _begin(ledger, place, job, chosen)
        assert job.running is not None and job.dataset is not None
        if job.running.launcher == Place.CARRY:
            return job
        if job.running.launcher in ("", Place.PROCESS):
            services.make_room()
        result = _train(ledger, services, job, folder, file, on_progress, say, on_wait)
        check_result(result, base_at_request(ledger, job), job.dataset.dataset)
    except (NotPossible, TrainingInterrupted, TrainingError, DamagedWeights, InvalidExamples, OSError) as error:
        return _unless_ended(ledger, id, folder, partial(_record_end, ledger, id, folder, error))
    return _unless_ended(ledger, id, folder, lambda: complete_training(ledger, services.store, job, result, folder))


def _unless_ended(ledger: Ledger, id: UUID, folder: Path, record: Callable[[], TrainingJob]) -> TrainingJob:
    """The job as ``record`` leaves it; cleared where a person has ended it. Raises as ``record``."""
    try:
        return record()
    except NotPossible:
        if (job := ledger.get(TrainingJob, id)).over is None:
            raise
        return _clear(job, folder)


def _record_end(ledger: Ledger, id: UUID, folder: Path, error: Exception) -> TrainingJob:
    """Record what the error means: an interrupted attempt, or the failure. Raises ``NotPossible`` for one that has ended."""
    if isinstance(error, NotPossible):
        raise error
    if isinstance(error, TrainingInterrupted):
        reason = str(error)
        job = ledger.write(TrainingJob, id, lambda training: training.interrupt(reason, context_of(ledger, training)))
        if job.attempts < ATTEMPTS:
            return job
    return _give_up(ledger, ledger.get(TrainingJob, id), folder, error)


def _build(ledger: Ledger, services: Services, job: TrainingJob, say: Say) -> TrainingJob:
    """The job with its dataset recorded; declined where it has too few examples, failed where it cannot be built."""
    requested = job.requested
    assert requested is not None
    collect_examples(ledger, services, requested, policy_at_request(ledger, job), say)
    up_to = ledger.position
    try:
        dataset = dataset_for(ledger, requested, up_to)
        if dataset.lessons < requested.minimum_examples:
            return _decline(ledger, job, dataset, up_to)
        return _record_dataset(ledger, job, dataset, up_to)
    except InvalidExamples as error:
        return _fail(ledger, job, f"its dataset cannot be built: {error}; delete the words of that run")


def training_folder(log: Log, policy: Policy, job: TrainingJob, place: str = "") -> Path:
    """The folder of the training's files: beside the log, or in the shared folder for one that runs elsewhere.

    Other logs share that folder, so it goes by the training's name there. The training must have a dataset. ``place`` is where
    its next attempt runs, where that is known; else the place of its newest attempt decides.
    """
    launch = policy.launch(job.role)
    place = place or (launch.launcher if job.running is None else job.running.launcher)
    if launch.shared_folder is None or place not in (Place.COMMAND, Place.RAY):
        return adapters_folder(log.path) / "trainings" / job.id.hex
    return Path(launch.shared_folder) / "trainings" / job.name.removeprefix(PREFIX)


def _place(policy: Policy, job: TrainingJob) -> str:
    """Where the job runs: where it goes on since an earlier worker, or where the settings say."""
    running = job.running
    return running.launcher if running is not None and running.launcher in JOBS else policy.launch(job.role).launcher


def _tune(
    ledger: Ledger,
    services: Services,
    job: TrainingJob,
    on_progress: Report,
    say: Say,
    on_wait: Callable[[], None],
) -> TrainingJob:
    """The training, carried out by the endpoint's fine-tuning API; see ``run_training``."""
    if job.started is None and hold_tuning_if_too_dear(ledger, services.state.policy, job).is_held:
        return ledger.get(TrainingJob, job.id)
    assert job.requested is not None and job.dataset is not None
    policy, recipe = policy_at_request(ledger, job), Recipe.from_json(job.requested.recipe)
    parent = _state_at_request(ledger, job).registry.adapters.get(job.requested.parent or "")
    job = _begin(ledger, Place.OPENAI, job, Resolved(recipe, {}, ()))
    progressed, waits = _follow(ledger, services, job, on_progress, on_wait)
    content = partial(conversations, ledger, job)
    return tune(ledger, job, policy, parent, content, progressed, waits, say)


def _begin(ledger: Ledger, place: str, job: TrainingJob, chosen: Resolved) -> TrainingJob:
    """The job with an attempt under way: one that runs elsewhere since an earlier worker, or a new one."""
    running = job.running
    if running is not None and running.launcher in JOBS:
        return job

    def decide(training: TrainingJob) -> None:
        if running is not None and running.launcher == Place.CARRY:
            if place == Place.CARRY:
                return
            training.interrupt(f"training.launcher is {place} now", context_of(ledger, training))
        training.start(context_of(ledger, training), chosen.adjusted, chosen.reasons, place)

    return ledger.write(TrainingJob, job.id, decide)


def check_result(result: TrainingResult, base: Base, dataset: str) -> None:
    """Raise ``TrainingError`` where the result is of another base or dataset than the training's."""
    if result.base_fingerprint != base.fingerprint():
        raise TrainingError(
            f"it was trained on the base {result.base_fingerprint[:19]}, and the base here is {base.fingerprint()[:19]}; give "
            "both sides the same"
        )
    if result.dataset_hash != dataset:
        raise TrainingError(f"it was trained on the dataset {result.dataset_hash[:19]}, not on {dataset[:19]}")


def _give_up(ledger: Ledger, job: TrainingJob, folder: Path, error: Exception) -> TrainingJob:
    """Record the failure. The libraries' output is kept, checkpoints and weights are not."""
    return _fail(ledger, _clear(job, folder), str(error))


def _clear(job: TrainingJob, folder: Path) -> TrainingJob:
    """Remove the job's checkpoints and weights."""
    for leftover in [*(folder / "job").glob("checkpoint-*"), folder / "job" / "adapter"]:
        shutil.rmtree(leftover, ignore_errors=True)
    return job


def _fail(ledger: Ledger, job: TrainingJob, reason: str) -> TrainingJob:
    return ledger.write(TrainingJob, job.id, lambda training: training.fail(reason, context_of(ledger, training)))


def _decline(ledger: Ledger, job: TrainingJob, dataset: Dataset, up_to: int) -> TrainingJob:
    assert job.requested is not None
    minimum = job.requested.minimum_examples
    failed = sum(held.outcome == "failed" for held in dataset.held_out)
    aside = f" ({failed} failed runs are held out to judge adapters by)" if failed else ""
    reason = f"{dataset.lessons} usable examples, {minimum} are needed{aside}; correct some of the failed runs"
    return ledger.write(
        TrainingJob,
        job.id,
        lambda training: training.decline(reason, dataset.lessons, minimum, up_to, context_of(ledger, training)),
    )


def _record_dataset(ledger: Ledger, job: TrainingJob, dataset: Dataset, up_to: int) -> TrainingJob:
    manifest = ledger.put(dataset.manifest())
    return ledger.write(
        TrainingJob,
        job.id,
        lambda training: training.build_dataset(
            context_of(ledger, training),
            dataset=dataset.hash,
            manifest=manifest,
            examples=len(dataset.examples),
            by_source=dict(dataset.by_source),
            runs=dataset.runs,
            up_to=up_to,
        ),
    )


def _train(
    ledger: Ledger,
    services: Services,
    job: TrainingJob,
    folder: Path,
    file: Path,
    on_progress: Report,
    say: Say,
    on_wait: Callable[[], None],
) -> TrainingResult:
    assert job.requested is not None and job.running is not None
    is_here = job.running.launcher in ("", Place.PROCESS)
    if is_here:
        require("train")
    from ...adapters.training.job import TrainingJobSpec
    from ...adapters.training.process import train

    base = base_at_request(ledger, job)
    try:
        prepare_base(base, say)
    except ModelError as error:
        raise TrainingError(str(error)) from error
    launcher = services.launcher(job.role, job.running.launcher or Place.PROCESS, job.running.job)
    progressed, waits = _follow(ledger, services, job, on_progress, on_wait)
    recipe = Recipe.from_json(job.figures)
    parent = parent_weights(ledger, services.store, job) if recipe.init_from == "parent" else None
    if parent is not None and not is_here:
        parent = Path(shutil.copytree(parent, folder / "parent", dirs_exist_ok=True))
    report_to = policy_at_request(ledger, job).training(job.role).report_to
    if problem := complain_of_reporter(report_to):
        say(f"the training is not shown in {report_to}: {problem}")
        report_to = "none"
    spec = TrainingJobSpec(folder / "job", file, recipe, base, parent, report_to)
    return train(spec, progressed, say=say, on_wait=waits, launcher=launcher)


def _follow(
    ledger: Ledger, services: Services, job: TrainingJob, on_progress: Report, on_wait: Callable[[], None]
) -> tuple[Report, Callable[[Waiting], None]]:
    """What is done at each step, and while the training says nothing. Both raise ``NotPossible`` where it is over."""
    recorded_epochs: set[int] = set()

    def require_wanted() -> None:
        if ledger.get(TrainingJob, job.id).over is not None:
            raise NotPossible(f"training {job.id.hex[:8]} is over")

    def progressed(progress: Progress) -> None:
        on_progress(progress)
        require_wanted()
        epoch = int(progress.epoch)
        if progress.step == progress.total_steps or (epoch and epoch not in recorded_epochs):
            recorded_epochs.add(epoch)
            ledger.write(
                TrainingJob,
                job.id,
                lambda training: training.progress(
                    progress.step, progress.total_steps, progress.loss, context_of(ledger, training)
                ),
            )

    def waits(waiting: Waiting) -> None:
        on_wait()
        require_wanted()
        if waiting.is_pending and waiting.for_s >= services.state.policy.launch(job.role).pending_alert_s:
            ledger.write(
                TrainingJob, job.id, lambda training: training.wait(waiting.reason, context_of(ledger, training))
            )

    return progressed, waits


def parent_weights(ledger: Ledger, store: WeightRegistry, job: TrainingJob) -> Path | None:
    """The weights of the adapter that was live when the training was requested. Raises ``DamagedWeights``."""
    assert job.requested is not None
    if job.requested.parent is None:
        return None
    parent = _state_at_request(ledger, job).registry.adapters[job.requested.parent]
    if parent.is_tuned:
        kept = describe_tuned(parent.name, parent.endpoint, parent.model)
        raise TrainingError(f"{kept}; set training.init_from to base")
    return store.path(parent.weights)


def base_at_request(ledger: Ledger, job: TrainingJob) -> Base:
    """The base model as it was set when the training was requested, quantised as the training holds it."""
    base = base_of(policy_at_request(ledger, job), ledger.get_content)
    return (
        replace(base, quantization=job.started.adjusted.get("quantization", base.quantization)) if job.started else base
    )


def _choose(ledger: Ledger, job: TrainingJob) -> Resolved:
    """What the sizes of base and dataset decide of the requested recipe."""
    assert job.requested is not None and job.dataset is not None
    recipe, parameters = Recipe.from_json(job.requested.recipe), base_at_request(ledger, job).count_parameters()
    return resolve_for_base(policy_at_request(ledger, job), job.role, recipe, parameters, job.dataset.examples)


def policy_at_request(ledger: Ledger, job: TrainingJob) -> Policy:
    """The settings when the training was requested."""
    return _state_at_request(ledger, job).policy


def _state_at_request(ledger: Ledger, job: TrainingJob) -> State:
    return load_state(ledger, ledger.position_of(f"{job.id}/1"))


def complete_training(
    ledger: Ledger, store: WeightRegistry, job: TrainingJob, result: TrainingResult, folder: Path
) -> TrainingJob:
    """Store the weights under their hash and record the end of the training. Raises ``DamagedWeights``."""
    weights = store.put(result.adapter)
    assert job.requested is not None and job.dataset is not None
    config = hashlib.sha256(json.dumps(job.figures, sort_keys=True).encode()).hexdigest()
    dataset = job.dataset.dataset
    done = ledger.write(
        TrainingJob,
        job.id,
        lambda training: training.complete(
            context_of(ledger, training),
            weights=weights.hash,
            base_hash=identify_base(base_at_request(ledger, job)),
            config_hash=f"sha256:{config}",
            dataset=dataset,
            steps=result.steps,
            tokens=result.tokens,
            examples=result.examples,
            left_out=result.left_out,
            reasons=result.reasons,
            precision=result.precision,
            final_loss=result.final_loss,
            duration_s=result.duration_s,
            peak_memory_bytes=result.peak_memory_bytes,
            device=result.device,
            versions=result.versions,
        ),
    )
    # The weights are stored; checkpoints are the larger part of the folder.
    shutil.rmtree(folder / "job", ignore_errors=True)
    return done
