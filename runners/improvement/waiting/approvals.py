"""Trainings that cost more than a setting allows: each waits for a person, with an alert."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....adapters.training.cost import Estimate
from ....domain.aggregates.base import ACTOR
from ....domain.aggregates.training import TrainingJob
from ....domain.errors import MissingExtra, ModelError, TrainingError
from ....domain.rules.cost import Prices
from ....domain.settings.recipe import Recipe
from ....domain.vocabulary import Place
from ...store.ledger import Ledger
from ...wiring.extras import require
from .estimates import estimate_from_history, estimate_tokens

if TYPE_CHECKING:
    from ....adapters.serving.base_model import Base
    from ....domain.settings.settings import Policy


def hold_if_too_dear(
    ledger: Ledger, policy: Policy, job: TrainingJob, file: Path, recipe: Recipe, base: Base
) -> TrainingJob:
    """The job, held where its estimated cost is over ``training.max_cost`` or unknown, and no person has approved it.

    ``file`` is its dataset. The cost is that of the newest training like it in the log; for a training of this machine
    without one, a few steps are tried. Prices are those of now.
    """
    if not _is_bound(policy, job) or job.dataset is None:
        return job
    estimate = estimate_from_history(ledger, policy, job.dataset.examples, recipe)
    if estimate.duration_s is None and policy.launch(job.role).launcher == Place.PROCESS:
        estimate = _try_out(file, recipe, base, estimate)
    money = None if estimate.duration_s is None else Prices.of(policy).cost(estimate.duration_s).money
    return _hold_over(ledger, policy, job, money, estimate.duration_s, estimate.basis)


def hold_tuning_if_too_dear(ledger: Ledger, policy: Policy, job: TrainingJob) -> TrainingJob:
    """The same for a training at an endpoint: by the tokens of the newest one there, and ``cost.tuning_price``."""
    if not _is_bound(policy, job) or job.dataset is None or job.requested is None:
        return job
    tokens, basis = estimate_tokens(ledger, job.requested.base, job.dataset.examples)
    money = None if tokens is None else Prices.of(policy).tuning(tokens).money
    return _hold_over(ledger, policy, job, money, None, basis)


def _is_bound(policy: Policy, job: TrainingJob) -> bool:
    """Whether the cost is bounded, and nobody was asked about the training yet."""
    return bool(policy.launch(job.role).max_cost) and not job.is_held and job.approved is None


def _hold_over(
    ledger: Ledger, policy: Policy, job: TrainingJob, money: float | None, duration_s: float | None, basis: str
) -> TrainingJob:
    """The job, held where the money is over the bound or unknown."""
    bound, currency = policy.launch(job.role).max_cost, policy.cost.currency
    if money is not None and money <= bound:
        return job
    reason = f"its cost is unknown, as {basis}; up to {bound:g} {currency} need no approval"
    if money is not None:
        reason = f"it would cost about {money:.2f} {currency}; up to {bound:g} {currency} need no approval"
    numbers: dict[str, Any] = {
        "money": None if money is None else round(money, 6),
        "duration_s": duration_s,
        "max_cost": bound,
        "currency": currency,
        "basis": basis,
    }
    return ledger.write(
        TrainingJob,
        job.id,
        lambda training: training.hold(reason, numbers, ledger.context(ACTOR, f"{job.id}/{training.version}")),
    )


def _try_out(file: Path, recipe: Recipe, base: Base, unknown: Estimate) -> Estimate:
    """The estimate from a few steps; one that cannot be tried stays unknown, with the reason."""
    from ....adapters.training.job import TrainingJobSpec
    from ....adapters.training.probe import probe

    try:
        require("train")
        with tempfile.TemporaryDirectory(prefix="grokputer-estimate-") as folder:
            return probe(TrainingJobSpec(Path(folder) / "job", file, recipe, base))
    except (TrainingError, ModelError, MissingExtra) as error:
        return replace(unknown, basis=str(error))
