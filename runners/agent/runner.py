"""Running a task: choose the arms, play the episode, and record every step as it happens.

Each turn is answered by its role, with that role's own adapter and settings where it has an adapter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from ...domain.aggregates.base import Context
from ...domain.aggregates.run import TaskRun
from ...domain.errors import EnvironmentUnavailable, GrokputerError, LogError
from ...domain.events import Assignment, Capability, TaskStarted
from ...domain.page.messages import Completion, Message, Page, Request
from ...domain.page.tools import read_stored, show_answer
from ...domain.ports import Environment, Model, RoleModel, takes_of
from ...domain.rules.coordination import PLAN_SETTINGS, recorded_bounds
from ...domain.rules.observing import OBSERVE, recorded_observe
from ...domain.rules.roles import READS
from ...domain.rules.routing import Route
from ...domain.settings.settings import Policy
from ...domain.text import as_text
from ...domain.vocabulary import Arm, CorrectionSource, FailureReason, Observe, Screenshots, StepKind
from ...projections.state.state import State
from ..store.ledger import Ledger
from .abandoned import end_lost, playing
from .beginning import is_planned, reads_pages, recorded_settings, routes_of
from .episode import Episode, Step, is_success
from .inputs import media_in, read_inputs, shown_to
from .preface import Preface, make_preface
from .sampling import Asked, answer_by_role
from .screens import record_screen
from .sight import Sight, row_of_reading
from .stopwatch import Stopwatch

LONGEST_READING = 1024
"""Tokens that a reading may have, where ``run.max_tokens`` allows fewer; chosen: the lines of a full window have 700."""


@dataclass(frozen=True)
class Task:
    """A task to do: ``task`` is the environment's own name for it, or a question in words."""

    environment: str
    task: str
    seed: int = 0
    role: str = "action"
    session: str | None = None
    earlier: tuple[Message, ...] = ()
    """The earlier turns of the conversation that a question belongs to, oldest first."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """The pictures and sounds that came with the task, as ``data:`` URLs by their content keys."""


@dataclass(frozen=True)
class SamplingParams:
    """The parameters of an answer."""

    adapter: str | None
    max_tokens: int
    """Longest answer, in tokens."""
    temperature: float
    """0 is greedy."""
    max_resamples: int
    """Further answers that may be sampled where one would only repeat an earlier action."""


@dataclass(frozen=True)
class ActiveRun:
    """A run in progress: the route of each role's turns, and its settings."""

    run: TaskRun
    task: Task
    routes: Mapping[str, Route]
    """The route of each role, the run's own role first."""
    policy: Policy
    preface: Preface
    alone: frozenset[str] = frozenset()
    """The roles with a model of their own."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Those of the task's inputs that the model is shown."""
    media: Mapping[str, str] = field(default_factory=dict)
    """What the marks in its prompts stand for."""
    watch: Stopwatch = field(default_factory=Stopwatch)
    """The run's duration since its start."""

    def open(self, environment: Environment, page: Page) -> Episode:
        """The episode of the run, which begins on the page."""
        started = self.run.started
        assert started is not None
        bounds, role = recorded_bounds(started.policy), self.task.role
        return Episode(environment, page, self.max_steps, role, self.preface, bounds, self._sight(), self.inputs)

    def _sight(self) -> Sight | None:
        """How the run reads; None where it does not. A model is asked where the reading role has an adapter or a model."""
        assert self.run.started is not None
        mode = recorded_observe(self.run.started.policy)
        if mode is None:
            return None
        role = READS[self.task.role]
        return Sight(mode, is_asked=role in self.alone or self.routes[role].adapter is not None)

    @property
    def max_steps(self) -> int:
        """Actions after which it has failed with a timeout."""
        return self.policy.run(self.task.role).max_steps

    def sampling_params(self, turn: str) -> SamplingParams:
        """The sampling parameters of the role's turn: those of the run's own role where it has neither an adapter nor another
        model."""
        is_apart = turn in self.alone or self.task.role in self.alone
        role = turn if is_apart or self.routes[turn].adapter is not None else self.task.role
        run = self.policy.run(role)
        return SamplingParams(self.routes[role].adapter, run.max_tokens, run.temperature, run.max_resamples)


Beside = Callable[[str], RoleModel | None]
"""The model of a role's own; None where the run's model makes its steps."""


class TaskRunner:
    """Runs tasks. ``prepare`` makes an adapter available by its name; ``beside`` gives the models of roles that have one of
    their own.

    ``on_text`` gets the parts of answers to questions as they are written.
    """

    def __init__(
        self,
        ledger: Ledger,
        model: Model,
        prepare: Callable[[str], None],
        base: str,
        actor: str,
        on_step: Callable[[int, Step], None] = lambda number, step: None,
        on_text: Callable[[str], None] | None = None,
        beside: Beside = lambda role: None,
    ) -> None:
        self.ledger = ledger
        self.model = model
        self.prepare = prepare
        self.base = base
        self.actor = actor
        self.on_step = on_step
        self.on_text = on_text
        self.beside = beside

    def run(
        self, task: Task, environment: Environment, state: State, *, pinned: Route | None = None, id: UUID | None = None
    ) -> TaskRun:
        """Run the task on the arm of its session, or on the pinned route, and return the ended run.

        Nothing is recorded when the task is unknown or the environment cannot start. A fault of the model or its
        weights ends the run as failed with ``error``, which counts as critical for the canary's health; a fault of the
        environment with ``environment``. Anything else that stops the run, such as Ctrl-C, also ends it with
        ``environment`` and is raised again.
        """
        page = environment.reset(task.task, task.seed)
        active = self.begin(task, environment, state, pinned, id or uuid4())
        with playing(self.ledger, active.run.id), self._ended_on_error(active):
            self.ledger.store(active.run)
            self._play(active, active.open(environment, page))
        return active.run

    def _play(self, active: ActiveRun, episode: Episode) -> None:
        """Take step after step, each stored at once, and end the run. Raises ``LogError`` where one cannot be stored."""
        fault: GrokputerError | None = None
        try:
            while not episode.is_over:
                step = self.read_alone(active, episode)
                if step is None:
                    request, resamples = self.request(active, episode)
                    step = episode.take(list(request.messages), self._answer(episode, request, resamples))
                    self.record_step(active, step)
                self.ledger.store(active.run)
                self.on_step(episode.taken, step)
        except LogError:
            raise
        except GrokputerError as error:
            fault = error
        self.end(active, episode, fault)
        self.ledger.store(active.run)

    def _answer(self, episode: Episode, request: Request, resamples: int) -> Completion:
        """The model's answer; that to a question is given to ``on_text`` in parts as it is written."""
        if self.on_text is not None and episode.page.is_question:
            return self._model_of(episode.turn).stream(request, self.on_text)
        [answer] = self.answer([(episode, request, resamples)])
        if isinstance(answer, GrokputerError):
            raise answer
        return answer

    def answer(self, asked: Sequence[Asked]) -> list[Completion | GrokputerError]:
        """The answer to each request, or its error, each by the model of the role whose turn it is."""
        return answer_by_role(self._model_of, asked)

    def _model_of(self, role: str) -> Model:
        own = self.beside(role)
        return self.model if own is None else own.model

    @contextmanager
    def _ended_on_error(self, active: ActiveRun) -> Iterator[None]:
        """After any error in the block the run is ended, where the log can be written, and the error is raised again."""
        try:
            yield
        except BaseException as error:
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"stopped by {type(error).__name__}"
            with suppress(LogError):  # a later process will end the run
                end_lost(self.ledger, active.run.id, why, active.policy, self.actor)
            raise

    def begin(self, task: Task, environment: Environment, state: State, pinned: Route | None, id: UUID) -> ActiveRun:
        """The started run in the environment; ``begin``, ``record_step`` and ``end`` store nothing.

        Raises ``NotPossible`` where the instructions of a role were erased.
        """
        capabilities, has_plan = environment.capabilities, is_planned(task, environment, state.policy)
        is_read = reads_pages(task, environment, state.policy)
        routes, alone = self._leave_unserved(routes_of(task, state, pinned, id, is_planned=has_plan, is_read=is_read))
        run, own, recorded = TaskRun(id), routes[task.role], recorded_settings(task.role, routes, state, alone)
        recorded |= {key: state.policy.get(key, task.role) for key in (PLAN_SETTINGS if has_plan else ())}
        is_question = Capability.QUESTION in capabilities
        recorded |= (
            {OBSERVE: str(Observe.OCR) if is_question else state.policy.run(task.role).observe} if is_read else {}
        )
        is_in_words = is_question or environment.takes_words()
        preface = make_preface(self.ledger.get_content, recorded, routes, task.earlier)
        others: list[Assignment] = [
            {"role": role, "arm": chosen.arm, "adapter": chosen.adapter, "rollout": chosen.rollout}
            for role, chosen in routes.items()
            if role != task.role
        ]
        run.start(
            self.ledger.context(self.actor),
            role=task.role,
            arm=own.arm,
            adapter=own.adapter,
            rollout=own.rollout,
            others=others,
            environment=task.environment,
            capabilities=capabilities,
            task=self.ledger.put(task.task, "the task") if is_in_words else task.task,
            seed=task.seed,
            base=self.base,
            session=task.session,
            policy=recorded,
            inputs=tuple(task.inputs),
        )
        inputs = shown_to(dict(task.inputs), takes_of(self.model)) if task.inputs else {}
        media = inputs | media_in(self.ledger, task.earlier)
        return ActiveRun(run, task, routes, state.policy, preface, alone, inputs, media)

    def _leave_unserved(self, routes: Mapping[str, Route]) -> tuple[dict[str, Route], frozenset[str]]:
        """The routes, and the roles with a model of their own. Such a model has no adapter that it does not serve."""
        served, alone = dict(routes), set[str]()
        for role, chosen in routes.items():
            if (own := self.beside(role)) is not None:
                alone.add(role)
                if chosen.adapter is not None and chosen.arm != Arm.PINNED and not own.serves(chosen.adapter):
                    served[role] = Route(Arm.STABLE, None, None)
        return served, frozenset(alone)

    def read_alone(self, active: ActiveRun, episode: Episode) -> Step | None:
        """The next step, taken and recorded, where no model is asked for it; None where one is."""
        answer = episode.answer_alone()
        if answer is None:
            return None
        step = episode.take(episode.ask(), answer)
        self.record_step(active, step)
        return step

    def request(self, active: ActiveRun, episode: Episode) -> tuple[Request, int]:
        """The run's next request, with the turn's adapter loaded, and the number of allowed resamples.

        Raises ``UnknownAdapter``, ``DamagedWeights``.
        """
        params = active.sampling_params(episode.turn)
        if params.adapter is not None:
            with active.watch.paused():  # loading weights is not part of the run
                self.prepare(params.adapter)
        seed = active.task.seed + len(episode.history)
        is_read, temperature = episode.kind == StepKind.READ, params.temperature
        longest = max(params.max_tokens, LONGEST_READING) if is_read else params.max_tokens
        request = Request(episode.ask(), params.adapter, longest, temperature, seed, media=active.media)
        return request, params.max_resamples

    def record_step(self, active: ActiveRun, step: Step) -> None:
        """Record the step in the run. Raises ``BadText`` for an answer that is not valid Unicode."""
        own = self.beside(step.role)
        active.run.take_step(
            self._context(active.run),
            role=step.role,
            prompt=self.ledger.put(json.dumps(step.messages, ensure_ascii=False), "the prompt"),
            answer=self.ledger.put(step.answer, "the model's answer"),
            error=self._keep(step.page.error, "the error"),
            kind=step.kind,
            goal=step.goal,
            found=step.found or "",
            confidence=step.confidence,
            model=None if own is None else own.label,
            model_ms=step.completion.duration_ms,
            environment_ms=step.environment_ms,
            prompt_tokens=step.completion.prompt_tokens,
            completion_tokens=step.completion.completion_tokens,
            screen=record_screen(
                self.ledger, step.seen, step.answer, step.kind, Screenshots(active.policy.log(step.role).screenshots)
            ),
        )

    def end(self, active: ActiveRun, episode: Episode, fault: GrokputerError | None) -> None:
        """End the run by its last page, or by its fault."""
        run, page, policy = active.run, episode.page, active.policy
        assert run.started is not None
        took_ms, context = active.watch.took_ms, self._context(run)
        if fault is not None:
            reason = FailureReason.ENVIRONMENT if isinstance(fault, EnvironmentUnavailable) else FailureReason.ERROR
            run.fail(
                reason,
                self.ledger.put(as_text(str(fault))),
                took_ms,
                page.reward,
                policy,
                context,
                turn=episode.turn,
            )
        elif is_success(page) and not run.started.is_verified:
            run.answer(took_ms, context)
        elif is_success(page):
            run.succeed(took_ms, page.reward, policy, context)
        else:
            run.fail(
                FailureReason.WRONG if page.is_done else FailureReason.TIMEOUT,
                self._keep(page.error, "the detail"),
                took_ms,
                page.reward,
                policy,
                context,
                are_all_reached=episode.coordinator.are_all_reached,
            )
        self._teach_readings(active, episode)

    def _teach_readings(self, active: ActiveRun, episode: Episode) -> None:
        """Record what the readings should have been, by the environment's own lines, as a correction for the reading role.

        A pinned run teaches nothing, because it measures.
        """
        lessons = [] if episode.sight is None else episode.sight.lessons
        run = active.run
        if not lessons or any(route.arm == Arm.PINNED for route in active.routes.values()):
            return
        rows = [row_of_reading(lesson.messages, lesson.lines, READS[active.task.role]) for lesson in lessons]
        key = self.ledger.put(json.dumps(rows, ensure_ascii=False), "the correction")
        teacher = self.ledger.context(str(CorrectionSource.REVIEWER), f"{run.id}/{run.version}")
        run.correct(CorrectionSource.REVIEWER, key, 0, True, teacher)

    def _context(self, run: TaskRun) -> Context:
        return self.ledger.context(self.actor, f"{run.id}/{run.version}")

    def _keep(self, error: str, what: str) -> str:
        """The content key of what went wrong, because it may quote an answer, which people may erase; empty without one."""
        return self.ledger.put(as_text(error), what) if error else ""


def task_of(ledger: Ledger, started: TaskStarted) -> Task | None:
    """The task of a run; None when its text or one of its pictures and sounds was erased."""
    words = ledger.get_content(started.task) if started.is_in_words else started.task
    inputs = read_inputs(ledger, started)
    if words is None or inputs is None:
        return None
    return Task(started.environment, words, started.seed, started.role, started.session, inputs=inputs)


def acts_of(ledger: Ledger, run: TaskRun) -> Sequence[tuple[list[dict[str, str]], str]]:
    """The run's acts as (messages, answer with its calls), without those with erased content."""
    steps = []
    for step in run.acts:
        prompt, answer = ledger.get_content(step.prompt), ledger.get_content(step.answer)
        calls = read_stored(step.tool_calls, ledger.get_content)
        if prompt is not None and answer is not None and calls is not None:
            steps.append((json.loads(prompt), show_answer(answer, calls)))
    return steps
