"""Running tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...domain.errors import Hint, UnknownAdapter
from ...domain.events import TaskAnswered, TaskFailed
from ...domain.rules.roles import roles_in
from ...domain.rules.routing import Route
from ...domain.vocabulary import Arm
from ...projections.explain.sentences import say_names
from ..agent.abandoned import end_abandoned
from ..improvement.process_manager import process_new_events
from ..store.states import load_state

if TYPE_CHECKING:
    from ...projections.state.state import State
    from ..agent.episode import Step
    from ..store.ledger import Ledger
    from ..store.log import Log
    from ..wiring.services import Services

BASE = "base"
"""The name of the base where an adapter can be named."""


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a run, and its feedback so far."""

    run: UUID
    task: str | None
    """The task's name, or its text; None where it was erased."""
    seed: int
    role: str
    roles: tuple[str, ...]
    """The roles that made a step, the run's own first."""
    arm: str
    adapter: str | None
    """None for the base."""
    succeeded: bool | None
    """None where nothing has judged the run."""
    reason: str | None
    """Why it failed: ``wrong``, ``timeout``, ``error`` or ``environment``."""
    detail: str | None
    answer: str | None
    """The last answer to a task in words."""
    steps: int
    duration_ms: int
    reward: float | None
    """None for an answer that the environment does not judge."""
    implicit_stars: int | None
    """None where the environment does not judge."""
    prompt_tokens: int | None
    """None where unknown."""
    completion_tokens: int | None
    stars: int | None
    fault: str | None
    corrected_by: str | None


@dataclass(frozen=True)
class TaskRequest:
    """The runs to make: task, seeds and adapter."""

    environment: str
    task: str
    seeds: Sequence[int]
    role: str = "action"
    session: str | None = None
    adapter: str | None = None
    """An adapter, or ``base``, that the runs are pinned to; None where the traffic decides."""
    as_of: int | None = None
    """A log position: the adapter and settings of that moment are used."""


def choose_route(ledger: Ledger, state: State, request: TaskRequest) -> tuple[State, Route | None]:
    """The state that decides, and the route that the runs are pinned to; None where the traffic decides.

    An adapter makes the steps of the role that it was trained for, where that role has steps in the run. Raises
    ``UnknownAdapter``.
    """
    if request.as_of is not None:
        earlier = load_state(ledger, request.as_of)
        return earlier, Route(Arm.PINNED, earlier.traffic(request.role).stable, None)
    if request.adapter is None:
        return state, None
    if request.adapter == BASE:
        return state, Route(Arm.PINNED, None, None)
    known = state.registry.adapters
    if request.adapter not in known:
        raise UnknownAdapter(f"adapter {request.adapter} is not registered; {say_names(known)}", hint=Hint.SEE_ADAPTERS)
    adapter_role = known[request.adapter].role
    return state, Route(
        Arm.PINNED, request.adapter, None, adapter_role if adapter_role in roles_in(request.role) else request.role
    )


def end_lost_runs(ledger: Ledger) -> tuple[State, list[TaskRun]]:
    """The present state without abandoned runs, and the runs that were ended for that."""
    state = process_new_events(ledger)
    ended = end_abandoned(ledger, state.policy)
    return (process_new_events(ledger, state) if ended else state), ended


def run_tasks(
    ledger: Ledger,
    services: Services,
    request: TaskRequest,
    pinned: Route | None,
    *,
    actor: str,
    on_start: Callable[[int], None] = lambda seed: None,
    on_step: Callable[[int, Step], None] = lambda number, step: None,
) -> Iterator[TaskRun]:
    """Run the task with each seed in turn; yield each run when it has ended and the process has reacted.

    Raises ``UnknownTask`` for an unknown task.
    """
    from ..agent.runner import Task, TaskRunner

    services.environment(request.environment).check_task(request.task)  # before a model is loaded
    runner = TaskRunner(ledger, services.model, services.prepare, services.base_label, actor, on_step)
    for seed in request.seeds:
        on_start(seed)
        task = Task(request.environment, request.task, seed, request.role, request.session)
        place = services.environment(request.environment)
        if request.as_of is None:  # loading takes time, and the traffic may change meanwhile
            services.state = process_new_events(ledger, services.state)
        run = runner.run(task, place, services.state, pinned=pinned)
        process_new_events(ledger)
        yield run


def outcome_of(log: Log, run: TaskRun) -> RunOutcome:
    """The outcome of the ended run."""
    started, ended = run.started, run.ended
    assert started is not None and ended is not None
    assert ended.duration_ms is not None  # this program made the run
    failed = ended if isinstance(ended, TaskFailed) else None
    prompt_tokens, completion_tokens = run.tokens or (None, None)
    return RunOutcome(
        run=run.id,
        task=log.get_content(started.task) if started.is_question else started.task,
        seed=started.seed,
        role=started.role,
        roles=run.roles,
        arm=started.arm,
        adapter=log.say(started.adapter),
        succeeded=run.succeeded,
        reason=run.failure,
        detail=log.say(failed.detail) if failed else None,
        answer=log.get_content(run.steps[-1].answer) if started.is_question and run.steps else None,
        steps=ended.steps,
        duration_ms=ended.duration_ms,
        reward=None if isinstance(ended, TaskAnswered) else ended.reward,
        implicit_stars=None if isinstance(ended, TaskAnswered) else ended.implicit_stars,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        stars=run.ratings[-1].stars if run.ratings else None,
        fault=run.ratings[-1].fault if run.ratings else None,
        corrected_by=run.corrections[-1].source if run.corrections else None,
    )
