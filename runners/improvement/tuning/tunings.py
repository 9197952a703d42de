"""A training that the endpoint of the model carries out, and what is recorded of it.

Nothing leaves unless the setting ``training.data_may_leave`` is on at that moment, and no text that was erased does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ....domain.aggregates.adapter import describe_tuned, tuned_identity
from ....domain.aggregates.training import PREFIX, TrainingJob
from ....domain.errors import ModelError, TrainingError
from ....domain.settings.recipe import Recipe
from ....domain.vocabulary import Backend, Place
from ...store.states import load_state
from ...wiring.models import open_tuning
from .record import LoggedTuning, context_of

if TYPE_CHECKING:
    from uuid import UUID

    from ....adapters.tuning.launcher import Tuned, TuningSpec
    from ....domain.ports import Progress, Waiting
    from ....domain.settings.settings import Policy
    from ....projections.state.registry import Adapter
    from ...store.ledger import Ledger

SUFFIX_DIGITS = 8
"""From the end of the training's name, in that of the tuned model: some servers take 18 characters or 40, OpenAI 64."""


def complain_of_place(requested: Policy, policy: Policy, role: str, place: str, *, is_submitted: bool = False) -> str:
    """Why a training of the role cannot run at the place, in one line; empty where it can.

    ``requested`` are the settings at its request, which say which model is trained; ``policy`` those of now. Of one that an
    endpoint has as its job already, the dataset has left.
    """
    is_remote = requested.model.backend == Backend.ENDPOINT
    if place != Place.OPENAI:
        at = "the model runs on an endpoint and cannot be trained here; set model.backend to local"
        return f"{at}, or training.launcher to openai" if is_remote else ""
    if not is_remote or requested.model.endpoint is None:
        return (
            f"training.launcher is openai, and the model is not at one endpoint (model.backend {requested.model.backend}); "
            "set model.backend to openai and model.endpoint, or training.launcher to process"
        )
    return "" if is_submitted else complain_of_leaving(policy, role, requested.model.endpoint)


def complain_of_leaving(policy: Policy, role: str, endpoint: str) -> str:
    """Why the role's dataset may not go to the endpoint; empty where it may."""
    if policy.launch(role).data_may_leave:
        return ""
    return (
        f"training.launcher is openai, which sends the dataset to {endpoint}, and training.data_may_leave is false; set it to "
        "true to allow that"
    )


def tune(
    ledger: Ledger,
    job: TrainingJob,
    policy: Policy,
    parent: Adapter | None,
    conversations: Callable[[], tuple[bytes, int]],
    on_progress: Callable[[Progress], None],
    on_wait: Callable[[Waiting], None],
    say: Callable[[str], None],
) -> TrainingJob:
    """Carry out the attempt under way at the endpoint of ``policy``, the settings at its request, and record its end.

    ``parent`` was live then. ``conversations`` gives the dataset's file and the number of its examples. Raises what a
    launched training does.
    """
    from ....adapters.training.process import follow
    from ....adapters.tuning.launcher import TuningLauncher

    endpoint = policy.model.endpoint or ""
    spec = _spec(job, policy, parent)
    poll_s = load_state(ledger).policy.launch(job.role).poll_s
    try:
        api = open_tuning(endpoint)
    except ModelError as error:
        raise TrainingError(str(error)) from error

    def require_allowed() -> None:
        if problem := complain_of_leaving(load_state(ledger).policy, job.role, endpoint):
            raise TrainingError(problem)

    record = LoggedTuning(ledger, job.id, endpoint, spec.model, conversations, require_allowed)
    try:
        launched = TuningLauncher(api, record, poll_s, say).start(spec)
        tuned = follow(launched, on_progress, say=say, on_wait=on_wait)
    finally:
        api.close()
    return _complete(ledger, job.id, spec, endpoint, tuned)


def _spec(job: TrainingJob, policy: Policy, parent: Adapter | None) -> TuningSpec:
    """What is asked of the endpoint. Raises ``TrainingError`` where it is to continue from weights that it does not have."""
    from ....adapters.tuning.launcher import TuningSpec

    assert job.requested is not None and job.running is not None
    recipe, model = Recipe.from_json(job.requested.recipe), job.requested.base
    if recipe.init_from == "parent" and parent is not None:
        if not parent.is_tuned or parent.endpoint != policy.model.endpoint:
            where = describe_tuned(parent.name, parent.endpoint, parent.model) if parent.is_tuned else parent.name
            raise TrainingError(
                f"training.init_from is parent, and {policy.model.endpoint} cannot continue from {where}; set it to base"
            )
        model = parent.model
    is_set = "epochs" in policy.recipe_changes(job.role)
    return TuningSpec(
        model=model,
        name=job.running.job,
        suffix=f"{PREFIX}{job.name.rpartition('-')[2][:SUFFIX_DIGITS]}",
        file=job.file_name,
        epochs=recipe.epochs if is_set else None,
        seed=recipe.seed,
    )


def _complete(ledger: Ledger, id: UUID, spec: TuningSpec, endpoint: str, tuned: Tuned) -> TrainingJob:
    import openai

    asked = {"model": spec.model, "epochs": spec.epochs, "seed": spec.seed, "method": "supervised"}
    config = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def complete(training: TrainingJob) -> None:
        assert training.dataset is not None and training.sent is not None and training.requested is not None
        dataset = training.dataset.dataset
        training.complete(
            context_of(ledger, training),
            weights=tuned_identity(endpoint, tuned.model, dataset),
            base_hash=f"{training.requested.base}@{endpoint}",
            config_hash=f"sha256:{config}",
            dataset=dataset,
            steps=tuned.steps,
            tokens=tuned.tokens // tuned.epochs if tuned.epochs else 0,
            examples=training.sent.examples,
            left_out=training.dataset.examples - training.sent.examples,
            reasons={},
            final_loss=tuned.loss,
            duration_s=tuned.duration_s,
            peak_memory_bytes=0,
            device=endpoint,
            versions={"openai": openai.__version__},
            endpoint=endpoint,
            model=tuned.model,
            billed_tokens=tuned.tokens,
        )

    return ledger.write(TrainingJob, id, complete)
