"""Running a task: pick the arm, play the episode, and record every step as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from ..domain.aggregate import Context
from ..domain.errors import EnvironmentUnavailable, GrokputerError
from ..domain.events import TaskStarted
from ..domain.ports import Environment, Model, Page
from ..domain.routing import Route, route
from ..domain.run import TaskRun
from ..domain.settings import Policy
from ..projections.state import State
from .episode import Step, ask_model, is_success, play
from .ledger import Ledger

RECORDED_SETTINGS = ("run.max_steps", "run.max_tokens", "run.temperature")
"""The settings a run is shaped by, recorded with its start."""


@dataclass(frozen=True)
class Task:
    """What is to be done: ``task`` is the environment's own name for it, or a question in words."""

    environment: str
    task: str
    seed: int = 0
    role: str = "action"
    session: str | None = None


@dataclass(frozen=True)
class Underway:
    """A run that has begun: its route and the settings it is played by."""

    run: TaskRun
    task: Task
    lane: Route
    policy: Policy
    began: float
    """``time.perf_counter`` when it did."""

    @property
    def max_steps(self) -> int:
        """Steps after which it is out of time."""
        return int(self.policy.get("run.max_steps", self.task.role))

    @property
    def max_tokens(self) -> int:
        """The longest answer."""
        return int(self.policy.get("run.max_tokens", self.task.role))

    @property
    def temperature(self) -> float:
        """Of its answers, 0 is greedy."""
        return float(self.policy.get("run.temperature", self.task.role))


class TaskRunner:
    """Runs tasks with one model. ``prepare`` makes an adapter ready to be asked for by name."""

    def __init__(
        self,
        ledger: Ledger,
        model: Model,
        prepare: Callable[[str], None],
        base: str,
        actor: str,
        on_step: Callable[[int, Step], None] = lambda number, step: None,
    ) -> None:
        self.ledger = ledger
        self.model = model
        self.prepare = prepare
        self.base = base
        self.actor = actor
        self.on_step = on_step

    def run(
        self, task: Task, environment: Environment, state: State, *, pinned: Route | None = None, id: UUID | None = None
    ) -> TaskRun:
        """Run the task on the arm its session falls on, or on the pinned route, and return the ended run.

        Nothing is recorded when the task is unknown or the environment cannot be had. A fault of the model or of its
        weights ends the run as failed with ``error``, which the canary's health counts as critical; one of the
        environment with ``environment``.
        """
        page = environment.reset(task.task, task.seed)
        underway = self.begin(task, state, pinned, id or uuid4())
        self.ledger.store(underway.run)
        fault: GrokputerError | None = None
        try:
            self.prepare_for(underway)
            lane = underway.lane
            actor = ask_model(self.model, lane.adapter, underway.max_tokens, underway.temperature, task.seed)
            for number, step in enumerate(play(environment, page, actor, underway.max_steps), 1):
                page = step.page
                self.record_steps([(underway, step)])
                self.ledger.store(underway.run)
                self.on_step(number, step)
        except GrokputerError as error:
            fault = error
        self.end(underway, page, fault)
        self.ledger.store(underway.run)
        return underway.run

    def begin(self, task: Task, state: State, pinned: Route | None, id: UUID) -> Underway:
        """The run begun; ``begin``, ``record_steps`` and ``end`` leave storing to whoever calls them."""
        policy, traffic = state.policy, state.traffic(task.role)
        lane = pinned or route(traffic, task.session or id.hex)
        recorded = {key: policy.get(key, task.role) for key in RECORDED_SETTINGS}
        recorded["canary_weight_percent"] = traffic.weight_percent
        run = TaskRun(id)
        run.start(
            self.ledger.context(self.actor),
            role=task.role,
            arm=lane.arm,
            adapter=lane.adapter,
            rollout=lane.rollout,
            environment=task.environment,
            task=self.ledger.put(task.task) if task.environment == "chat" else task.task,
            seed=task.seed,
            base=self.base,
            session=task.session,
            policy=recorded,
        )
        return Underway(run, task, lane, policy, time.perf_counter())

    def prepare_for(self, underway: Underway) -> None:
        """Make the run's adapter ready. Raises ``UnknownAdapter``, ``DamagedWeights``."""
        if underway.lane.adapter is not None:
            self.prepare(underway.lane.adapter)

    def record_steps(self, steps: Sequence[tuple[Underway, Step]]) -> None:
        """Let each run take its step, what was asked and answered kept in one transaction."""
        keys = iter(self.ledger.put_all([it for _, step in steps for it in (json.dumps(step.messages), step.answer)]))
        for underway, step in steps:
            underway.run.take_step(
                self._context(underway.run),
                prompt=next(keys),
                answer=next(keys),
                error=step.page.error,
                model_ms=step.completion.duration_ms,
                environment_ms=step.environment_ms,
                prompt_tokens=step.completion.prompt_tokens,
                completion_tokens=step.completion.completion_tokens,
            )

    def end(self, underway: Underway, page: Page, fault: GrokputerError | None) -> None:
        """End the run with what its last page says, or with the fault that it met."""
        run, policy, took_ms, context = (
            underway.run,
            underway.policy,
            _since(underway.began),
            self._context(underway.run),
        )
        if fault is not None:
            reason = "environment" if isinstance(fault, EnvironmentUnavailable) else "error"
            run.fail(reason, str(fault), took_ms, page.reward, policy, context)
        elif is_success(page):
            run.succeed(took_ms, page.reward, policy, context)
        else:
            run.fail("wrong" if page.is_done else "timeout", page.error, took_ms, page.reward, policy, context)

    def _context(self, run: TaskRun) -> Context:
        return self.ledger.context(self.actor, f"{run.id}/{run.version}")


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def task_of(ledger: Ledger, started: TaskStarted) -> Task | None:
    """The task that a run did, None when its words were erased."""
    words = ledger.get_content(started.task) if started.environment == "chat" else started.task
    return None if words is None else Task(started.environment, words, started.seed, started.role, started.session)


def steps_of(ledger: Ledger, run: TaskRun) -> Sequence[tuple[list[dict[str, str]], str]]:
    """The run's steps as (messages, answer), without those whose content was erased."""
    found = []
    for step in run.steps:
        prompt, answer = ledger.get_content(step.prompt), ledger.get_content(step.answer)
        if prompt is not None and answer is not None:
            found.append((json.loads(prompt), answer))
    return found
