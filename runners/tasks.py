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
from ..domain.ports import Environment, Model
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
        id = id or uuid4()
        policy = state.policy
        traffic = state.traffic(task.role)
        lane = pinned or route(traffic, task.session or id.hex)
        run = TaskRun(id)
        self._start(run, task, lane, policy, traffic.weight_percent)
        began = time.perf_counter()
        try:
            if lane.adapter is not None:
                self.prepare(lane.adapter)
            actor = ask_model(
                self.model,
                lane.adapter,
                policy.get("run.max_tokens", task.role),
                policy.get("run.temperature", task.role),
                task.seed,
            )
            for number, step in enumerate(play(environment, page, actor, policy.get("run.max_steps", task.role)), 1):
                page = step.page
                self._record_step(run, step)
                self.on_step(number, step)
        except GrokputerError as error:
            reason = "environment" if isinstance(error, EnvironmentUnavailable) else "error"
            run.fail(reason, str(error), _since(began), page.reward, policy, self._context(run))
        else:
            if is_success(page):
                run.succeed(_since(began), page.reward, policy, self._context(run))
            else:
                reason = "wrong" if page.is_done else "timeout"
                run.fail(reason, page.error, _since(began), page.reward, policy, self._context(run))
        self.ledger.store(run)
        return run

    def _start(self, run: TaskRun, task: Task, lane: Route, policy: Policy, weight_percent: int) -> None:
        named = self.ledger.put(task.task) if task.environment == "chat" else task.task
        recorded = {key: policy.get(key, task.role) for key in RECORDED_SETTINGS}
        recorded["canary_weight_percent"] = weight_percent
        run.start(
            self.ledger.context(self.actor),
            role=task.role,
            arm=lane.arm,
            adapter=lane.adapter,
            rollout=lane.rollout,
            environment=task.environment,
            task=named,
            seed=task.seed,
            base=self.base,
            session=task.session,
            policy=recorded,
        )
        self.ledger.store(run)

    def _record_step(self, run: TaskRun, step: Step) -> None:
        run.take_step(
            self._context(run),
            prompt=self.ledger.put(json.dumps(step.messages)),
            answer=self.ledger.put(step.answer),
            error=step.page.error,
            model_ms=step.completion.duration_ms,
            environment_ms=step.environment_ms,
            prompt_tokens=step.completion.prompt_tokens,
            completion_tokens=step.completion.completion_tokens,
        )
        self.ledger.store(run)

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
