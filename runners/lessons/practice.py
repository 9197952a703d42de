"""Practice: fresh pages of failed tasks, played by the live adapter; retries correct those that fail.

These runs are not rated: the environment judges each. They are in the log, pinned, so they count in no window; their
corrections are learnt from like others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ...domain.aggregates.base import ACTOR, derive_id
from ...domain.aggregates.run import LARGEST_SEED, TaskRun
from ...domain.errors import GrokputerError
from ...domain.events import TaskFailed, TrainingRequested
from ...domain.rules.routing import Route
from ...domain.vocabulary import OWN_FAULTS, Arm
from ..agent.attempts import find_runs
from ..agent.batch import RunSpec, run_batch
from ..agent.runner import Task, TaskRunner
from ..store.ledger import Ledger
from ..wiring.services import Services
from .retries import RetryPolicy, correct_by_retries


def practise(
    ledger: Ledger,
    services: Services,
    requested: TrainingRequested,
    environment: str,
    tasks: Sequence[str],
    pages: int,
    sampling: RetryPolicy,
    on_fault: Callable[[GrokputerError], None],
) -> None:
    """Play ``pages`` fresh pages of each of the environment's tasks before the training, and correct those that fail.

    A run that exists already, because the worker was killed, is not made again. ``on_fault`` gets the reason where a
    run cannot be tried again. Raises ``EnvironmentUnavailable``, ``UnknownTask``, ``ModelError``.
    """
    place = services.environment_of_many(environment)
    runner = TaskRunner(ledger, services.model, services.prepare, services.base_label, ACTOR, beside=services.beside)
    route, training = Route(Arm.PINNED, sampling.adapter, None, requested.role), requested.originator_id.hex
    played, specs = [], []
    wanted = [(name, page) for name in tasks for page in range(pages)]
    ids = [partial(derive_id, "practice", training, environment, *task) for task in wanted]
    for (name, page), (run, id) in zip(wanted, find_runs(ledger, ids), strict=True):
        if run is not None:
            played.append(run)
        elif id is not None:
            seed = derive_id("practice page", training, environment, name, page).int % LARGEST_SEED
            specs.append(RunSpec(Task(environment, name, seed, requested.role), id, route))
    played += run_batch(runner, specs, place, services.state)
    failed = [(run, 1) for run in played if not run.corrections and _has_failed(run)]
    for _ in correct_by_retries(ledger, failed, place, services.model, sampling, ACTOR, on_fault=on_fault):
        pass


def _has_failed(run: TaskRun) -> bool:
    return isinstance(run.ended, TaskFailed) and run.ended.reason in OWN_FAULTS
