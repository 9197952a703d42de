"""Running tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import randrange
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...domain.errors import ModelError, NotPossible
from ...domain.events import Capability, TaskAnswered, TaskFailed
from ...domain.page.media import AUDIO, IMAGE, complain_of_untaken, kinds_of, read_url
from ...domain.ports import require_taken, takes_of
from ...domain.rules.roles import READS, roles_in
from ...domain.rules.routing import Route
from ...domain.vocabulary import Arm, CorrectionSource, FailureReason, Observe
from ..agent.abandoned import end_abandoned
from ..agent.inputs import of_kind, put_inputs
from ..agent.preface import earlier_turns
from ..environments.names import CHAT
from ..improvement.process_manager import process_new_events
from ..store.states import load_state
from ..wiring.environments import locate_page, locate_task
from ..wiring.extras import require
from ..wiring.services import require_adapter
from ..wiring.task_folders import task_folders
from ..wiring.variables import pinned_adapter
from .lookups import find_position, require_role

if TYPE_CHECKING:
    from ...domain.page.messages import Message
    from ...domain.ports import Environment
    from ...projections.state.state import State
    from ..agent.episode import Step
    from ..agent.runner import Task
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
    arm: Arm
    adapter: str | None
    """None for the base."""
    succeeded: bool | None
    """None where nothing has judged the run."""
    reason: FailureReason | None
    """Why it failed; None where it did not, or that is unknown."""
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
    corrected_by: CorrectionSource | None
    """The source of the correction that counts; None without one."""


@dataclass(frozen=True)
class TaskRequest:
    """The run to make: the task, its place, and the adapter."""

    task: str
    environment: str | None = None
    """None: ``chat`` for a task with a space in it, else the one that has the task, or the one named before a slash."""
    seed: int | None = None
    """None for a random one."""
    role: str = "action"
    session: str | None = None
    """Runs of one session stay on one arm. A question is asked with the session's earlier turns (setting run.memory)."""
    adapter: str | None = None
    """An adapter, or ``base``, that the run is pinned to; None where the traffic decides."""
    as_of: int | datetime | None = None
    """A log position or a time: the adapter and settings of that moment are used."""
    url: str | None = None
    """The page of the web that a task in words is done on; None for another task."""
    allow: tuple[str, ...] = ()
    """Hosts beside the URL's own that the page may reach, with those of the setting environment.allow_domains."""
    is_headed: bool = False
    """Whether the window of the browser is shown."""
    inputs: tuple[str, ...] = ()
    """Pictures and sounds that come with the task, as ``data:`` URLs (``write_url``)."""


@dataclass(frozen=True)
class TaskPlan:
    """What a request came to, before anything is loaded."""

    environment: str
    task: str
    seed: int
    pinned: Route | None
    """The route that the run is pinned to; None where the traffic decides."""
    as_of: int | None
    """The log position whose adapter and settings are used; None for the present ones."""


@dataclass(frozen=True)
class TaskResult:
    """The outcome of a requested run, and the abandoned runs that were ended before it."""

    outcome: RunOutcome
    lost: tuple[UUID, ...]


def _ignore(*_: object) -> None:
    """Report to no reader."""


@dataclass(frozen=True)
class TaskProgress:
    """Functions that are called while a task is run, in this order."""

    on_lost: Callable[[UUID], None] = _ignore
    """With each abandoned run that was ended."""
    on_plan: Callable[[TaskPlan], None] = _ignore
    """Before anything is loaded."""
    on_start: Callable[[TaskPlan], None] = _ignore
    """When the model is there, and the run begins."""
    on_step: Callable[[int, Step], None] = _ignore
    """With each step and its number."""
    on_text: Callable[[str], None] | None = None
    """With each part of an answer to a question, as it is written; before ``on_step``."""


SILENT = TaskProgress()
"""Reports nothing."""


def run_task(
    ledger: Ledger, services: Services, request: TaskRequest, *, actor: str, progress: TaskProgress = SILENT
) -> TaskResult:
    """Run the task, and return its outcome when the process has reacted to it. Abandoned runs are ended first.

    ``services`` keep the model and the environments for the next run, and get the state of this one. Raises ``NotFound``
    for a role or moment that is not there, ``NotPossible``, ``UnknownTask``, ``UnknownAdapter``,
    ``EnvironmentUnavailable`` and ``ModelError``.
    """
    from ..agent.runner import Task, TaskRunner

    require_role(request.role)
    state, ended = end_lost_runs(ledger)
    lost = tuple(run.id for run in ended)
    for id in lost:
        progress.on_lost(id)
    services.state, plan = _plan(ledger, state, request)
    progress.on_plan(plan)
    environment = services.environment(plan.environment, is_headed=request.is_headed)
    inputs = put_inputs(ledger, request.inputs)
    is_in_words = Capability.QUESTION in environment.capabilities or environment.takes_words()
    if is_in_words and AUDIO in kinds_of(inputs):
        plan = replace(plan, task=_hear(services, plan.task, inputs))
    environment.check_task(plan.task)  # before a model is loaded, where nothing is heard
    environment = _read_pictures(services, environment, request.role, inputs)
    if not is_in_words:  # the name of a task has no place for words that are heard
        require_taken(services.model, of_kind(AUDIO, inputs), services.base_label)
    runner = TaskRunner(
        ledger,
        services.model,
        services.prepare,
        services.base_label,
        actor,
        progress.on_step,
        progress.on_text,
        services.beside,
    )
    progress.on_start(plan)
    if plan.as_of is None:  # loading takes time, and the traffic may change meanwhile
        services.state = process_new_events(ledger, services.state)
    earlier = _remember(ledger, request, plan.environment, environment, services)
    task = Task(plan.environment, plan.task, plan.seed, request.role, request.session, earlier, inputs)
    run = runner.run(task, environment, services.state, pinned=_pinned(plan, task, environment, state))
    process_new_events(ledger)
    return TaskResult(outcome_of(ledger, run), lost)


def _pinned(plan: TaskPlan, task: Task, environment: Environment, state: State) -> Route | None:
    """The route that the run is pinned to; an adapter of a role without steps in the run makes the run's own steps.

    Raises ``MissingExtra`` where the run reads its pages, and nothing can.
    """
    from ..agent.beginning import is_planned, reads_pages

    pinned, policy = plan.pinned, state.policy
    has_plan, is_read = is_planned(task, environment, policy), reads_pages(task, environment, policy)
    if is_read:
        require("read")
    if pinned is not None and pinned.role not in roles_in(task.role, is_planned=has_plan, is_read=is_read):
        return replace(pinned, role=task.role)
    return pinned


def check_request(ledger: Ledger, request: TaskRequest) -> None:
    """Raise what ``run_task`` would raise for the request before it looks for the task itself."""
    require_role(request.role)
    _plan(ledger, load_state(ledger), request)


def _remember(
    ledger: Ledger, request: TaskRequest, name: str, environment: Environment, services: Services
) -> tuple[Message, ...]:
    """The earlier turns of the session, where the environment asks questions in words."""
    if request.session is None or Capability.QUESTION not in environment.capabilities:
        return ()
    memory = services.state.policy.run(request.role).memory
    return earlier_turns(ledger, request.session, request.role, name, memory, takes_of(services.model))


def _read_pictures(services: Services, environment: Environment, role: str, inputs: Mapping[str, str]) -> Environment:
    """The environment, where the pictures that came with a question are read: for a model that takes none, and where
    ``run.observe`` is ``ocr``.

    Raises ``MissingExtra``, ``BadPicture``, and ``ModelError`` for pictures without words that the model does not take.
    """
    from ..environments.senses.task_pictures import ReadPictures

    pictures = of_kind(IMAGE, inputs)
    is_taken = IMAGE in takes_of(services.model)
    is_wanted = not is_taken or services.state.policy.run(role).observe == Observe.OCR
    if pictures and is_wanted and role in READS and Capability.QUESTION in environment.capabilities:
        require("read")
        read = ReadPictures(environment, [read_url(url)[1] for url in pictures.values()])
        if read.words():
            return read
        if not is_taken:
            problem = complain_of_untaken({IMAGE}, takes_of(services.model), services.base_label)
            raise ModelError(f"no words were read on the task's pictures, and {problem}")
    require_taken(services.model, pictures, services.base_label)
    return environment


def _hear(services: Services, task: str, inputs: Mapping[str, str]) -> str:
    """The task's words, with those of its sounds where the model takes no sounds. Raises ``MissingExtra``, and
    ``NotPossible`` where there are no words."""
    said = [task]
    if AUDIO not in takes_of(services.model):
        said += [services.transcribe(url) for url in of_kind(AUDIO, inputs).values()]
    words = "\n".join(each for each in said if each.strip())
    if not words:
        raise NotPossible("the task has no words; give it in words beside the sound")
    return words


def _plan(ledger: Ledger, state: State, request: TaskRequest) -> tuple[State, TaskPlan]:
    """The state that decides, and the plan of the run."""
    if request.adapter is not None and request.as_of is not None:
        raise NotPossible("an adapter and an earlier moment each choose the adapter of a run; give one of them")
    then = None if request.as_of is None else find_position(ledger, request.as_of)
    environment, task = request.environment, request.task
    if request.url is not None:
        allowed = state.policy.environment.allow_domains or ""
        hosts = [*request.allow, *filter(None, (host.strip() for host in allowed.split(",")))]
        environment, task = locate_page(environment, request.url, task, hosts)
    elif environment is None and request.inputs and not task.strip():
        environment = CHAT
    elif environment is None:
        environment, task = locate_task(task, task_folders(state.policy, ledger.path))
    seed = randrange(1_000_000) if request.seed is None else request.seed
    state, pinned = _choose_route(ledger, state, request, then)
    return state, TaskPlan(environment, task, seed, pinned, then)


def _choose_route(ledger: Ledger, state: State, request: TaskRequest, then: int | None) -> tuple[State, Route | None]:
    """The state that decides, and the route that the run is pinned to; None where the traffic decides.

    An adapter makes the steps of the role that it was trained for, where that role has steps in the run. Raises
    ``UnknownAdapter``.
    """
    if then is not None:
        earlier = load_state(ledger, then)
        return earlier, Route(Arm.PINNED, earlier.traffic(request.role).stable, None)
    adapter = request.adapter or pinned_adapter()
    if adapter is None:
        return state, None
    if adapter == BASE:
        return state, Route(Arm.PINNED, None, None)
    own_role = require_adapter(adapter, state.registry.adapters).role
    role = own_role if own_role in roles_in(request.role, is_planned=True, is_read=True) else request.role
    return state, Route(Arm.PINNED, adapter, None, role)


def end_lost_runs(ledger: Ledger) -> tuple[State, list[TaskRun]]:
    """The present state without abandoned runs, and the runs that were ended for that."""
    state = process_new_events(ledger)
    ended = end_abandoned(ledger, state.policy)
    return (process_new_events(ledger, state) if ended else state), ended


def outcome_of(log: Log, run: TaskRun) -> RunOutcome:
    """The outcome of the ended run."""
    started, ended = run.started, run.ended
    assert started is not None and ended is not None
    assert ended.duration_ms is not None  # this program made the run
    failed = ended if isinstance(ended, TaskFailed) else None
    prompt_tokens, completion_tokens = run.tokens or (None, None)
    return RunOutcome(
        run=run.id,
        task=log.get_content(started.task) if started.is_in_words else started.task,
        seed=started.seed,
        role=started.role,
        roles=run.roles,
        arm=Arm(started.arm),
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
        corrected_by=next((CorrectionSource(each.source) for each in reversed(run.corrections) if each.steps), None),
    )
