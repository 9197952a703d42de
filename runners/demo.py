"""The whole loop on a fresh log, in one go: baseline, feedback, breach, training, canary, promotion, and the tasks again.

Nothing in here is a shortcut: runs go through the task runner, ratings and corrections through the reviewer, and training,
proof and rollout through the worker, exactly as when people do it. The table at the end is made from the log.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..domain.errors import GrokputerError
from ..domain.routing import Route
from ..domain.run import TaskRun
from ..domain.settings import SETTINGS_ID, Settings
from ..projections.state import State
from .environments.miniwob import BASE_TASKS, UNSEEN_TASKS
from .improvement import follow
from .ledger import Ledger
from .reviewer import review
from .tasks import Task, TaskRunner
from .wiring import Parts, adapters_folder
from .worker import Reporter, Worker, lease

if TYPE_CHECKING:
    from ..adapters.job import Progress

ROLE = "action"
ACTOR = "demo"

SETTINGS = {
    "canary.rule": ("relative", "the base fails at most unseen tasks, so the stable arm itself is under the bars"),
    "canary.min_runs": (20, "a verdict on ten runs would mostly be chance"),
    "canary.bake_s": (0, "the demo's traffic comes in minutes, not hours; the number of runs decides"),
    "canary.interval_s": (0, "a look after every few runs"),
    "training.retries": (0, "the reviewer has corrected what failed"),
}
"""What the demo sets, with the reason that the log records."""


@dataclass(frozen=True)
class Plan:
    """How many episodes each part has; chosen so that the whole takes a few minutes on two cores."""

    measured_unseen: int = 12
    """Per unseen task, before and after."""
    measured_old: int = 20
    """Per base task, before and after: more, since a loss of a few points is to be seen."""
    rated_unseen: int = 15
    """Per unseen task."""
    rated_old: int = 6
    """Per base task."""
    canary_runs: int = 400
    """At most; the rollout is usually decided after a third."""
    look_every: int = 5
    seed: int = 1


@dataclass(frozen=True)
class Score:
    """One task's successes before and after."""

    task: str
    group: str
    before: tuple[int, int]
    """(successes, runs)"""
    after: tuple[int, int]


class Display:
    """What the demo shows while it runs; this one shows nothing."""

    def phase(self, title: str) -> None:
        """A part of the demo begins."""

    def say(self, line: str) -> None:
        """Something worth a line happened."""

    def track(self, items: list[Any], title: str) -> Iterable[Any]:
        """The items, with a bar that follows them."""
        return items

    progress: Callable[[Progress], None] = staticmethod(lambda progress: None)
    """Called with each step of the trainer."""


def fresh_log(path: Path) -> Ledger:
    """A new log at the path; one from an earlier demo is moved aside with its adapters, not deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        with lease(Ledger.open(path), Reporter(), waits=False):
            aside = path.parent / f"before-{datetime.now(UTC):%Y%m%d-%H%M%S}"
            aside.mkdir()
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", adapters_folder(path).name):
                if (path.parent / name).exists():
                    (path.parent / name).rename(aside / name)
    return Ledger.create(path)


def run_demo(path: Path, plan: Plan | None = None, display: Display | None = None) -> list[Score]:
    """Run the loop on a fresh log at the path and return the table. Raises ``GrokputerError`` where it cannot go on."""
    plan, display = plan or Plan(), display or Display()
    ledger = fresh_log(path)
    reporter = Reporter(display.say, display.progress)
    with lease(ledger, reporter), Parts(ledger, follow(ledger)) as parts:
        demo = _Demo(ledger, parts, plan, display, Worker(ledger, parts, reporter))
        demo.play()
    return scores(ledger)


class _Demo:
    def __init__(self, ledger: Ledger, parts: Parts, plan: Plan, display: Display, worker: Worker) -> None:
        self.ledger = ledger
        self.parts = parts
        self.plan = plan
        self.display = display
        self.worker = worker
        self.draw = random.Random(plan.seed)

    def play(self) -> None:
        self.display.phase("Settings for a demo, recorded with their reasons")
        for key, (value, reason) in SETTINGS.items():
            self._set(key, value, reason)
        self.display.phase("Before: the base model on tasks it has never seen, and on those it was made for")
        self._measure("before")
        self.display.phase("Feedback: the reviewer rates each run from the task's reward, and corrects the failures")
        self._give_feedback()
        self.display.phase("Training: what the breach of the rating threshold has asked for")
        self._work_until(lambda state: bool(state.registry.adapters) or _has_ended(state))
        self.display.phase("Canary: 15 % of the runs go to the adapter")
        self._roll_out()
        self.display.phase("After: the same tasks, with seeds nobody has seen")
        self._measure("after")

    def _set(self, key: str, value: Any, reason: str) -> None:
        context = self.ledger.context(ACTOR)
        self.ledger.write(Settings, SETTINGS_ID, lambda it: it.change(key, value, reason, context))
        self.display.say(f"{key} = {value}: {reason}")
        self.parts.state = follow(self.ledger)

    def _runner(self) -> TaskRunner:
        return TaskRunner(self.ledger, self.parts.model, self.parts.prepare, self.parts.base_label, ACTOR)

    def _run(self, task: str, seed: int, session: str | None = None, pinned: Route | None = None) -> TaskRun:
        id = UUID(int=self.draw.getrandbits(128), version=4)
        wanted = Task("miniwob", task, seed, ROLE, session)
        environment = self.parts.environment("miniwob")
        return self._runner().run(wanted, environment, self.parts.state, pinned=pinned, id=id)

    def _measure(self, label: str) -> None:
        """Runs pinned to the live adapter, unrated: they measure and count in no window."""
        live = self.parts.state.traffic(ROLE).stable
        seeds = self._seeds(label)
        wanted = [*UNSEEN_TASKS] * self.plan.measured_unseen + [*BASE_TASKS] * self.plan.measured_old
        tasks = [(task, next(seeds)) for task in sorted(wanted)]
        for task, seed in self.display.track(tasks, label):
            self._run(task, seed, session=label, pinned=Route("pinned", live, None))
        self.parts.state = follow(self.ledger)

    def _give_feedback(self) -> None:
        tasks = [*UNSEEN_TASKS] * self.plan.rated_unseen + [*BASE_TASKS] * self.plan.rated_old
        self.draw.shuffle(tasks)
        seeds = self._seeds("feedback")
        for task in self.display.track(tasks, "feedback"):
            self._reviewed_run(task, next(seeds), corrects=True)
        window = self.parts.state.window(ROLE)
        self.display.say(f"the mean of the last {len(window.ratings)} ratings is {window.mean:.2f}")

    def _reviewed_run(self, task: str, seed: int, corrects: bool) -> None:
        run = self._run(task, seed)
        review(self.ledger, run, self.parts.environment("miniwob") if corrects else None)
        self.parts.state = follow(self.ledger)

    def _work_until(self, is_reached: Callable[[State], bool]) -> None:
        while not is_reached(self.parts.state):
            if not self.worker.step():
                break
        self.parts.state = follow(self.ledger)
        if not self.parts.state.registry.adapters:
            raise GrokputerError(f"no adapter came of it; see 'grokputer log --db {self.ledger.path}'")

    def _roll_out(self) -> None:
        while self.worker.step():
            pass
        if self.parts.state.traffic(ROLE).canary is None:
            raise GrokputerError(f"the adapter was rejected; see 'grokputer why lora-v1 --db {self.ledger.path}'")
        tasks = [*UNSEEN_TASKS, *BASE_TASKS]
        seeds = self._seeds("canary")
        for number in range(1, self.plan.canary_runs + 1):
            if self.parts.state.traffic(ROLE).stable is not None:
                return
            if self.parts.state.traffic(ROLE).canary is None:
                raise GrokputerError(
                    f"the adapter was rolled back; see 'grokputer why lora-v1 --db {self.ledger.path}'"
                )
            self._reviewed_run(self.draw.choice(tasks), next(seeds), corrects=False)
            if number % self.plan.look_every == 0:
                self.worker.step()
        raise GrokputerError(f"the canary was not decided within {self.plan.canary_runs} runs; see 'grokputer status'")

    def _seeds(self, purpose: str) -> Iterator[int]:
        """Seeds of this purpose alone: what is measured was never trained on."""
        draw = random.Random(f"{self.plan.seed}/{purpose}")
        offset = ("before", "feedback", "canary", "after").index(purpose) * 1_000_000
        return (offset + draw.randrange(1_000_000) for _ in iter(int, 1))


def _has_ended(state: State) -> bool:
    return any(training["status"] in ("declined", "failed") for training in state.registry.trainings.values())


def scores(ledger: Ledger) -> list[Score]:
    """The table before and after, made from the log."""
    counts: dict[tuple[str, str], list[int]] = {}
    labels: dict[UUID, tuple[str, str]] = {}
    for recorded in ledger.read(1, None, ("TaskStarted", "TaskSucceeded", "TaskFailed")):
        event: Any = recorded.event
        if event.TOPIC == "TaskStarted":
            if event.session in ("before", "after"):
                labels[event.originator_id] = (event.task, event.session)
        elif event.originator_id in labels:
            count = counts.setdefault(labels[event.originator_id], [0, 0])
            count[0] += event.TOPIC == "TaskSucceeded"
            count[1] += 1

    def of(task: str, label: str) -> tuple[int, int]:
        successes, runs = counts.get((task, label), (0, 0))
        return successes, runs

    return [
        Score(task, group, of(task, "before"), of(task, "after"))
        for group, tasks in (("unseen", UNSEEN_TASKS), ("old", BASE_TASKS))
        for task in tasks
    ]
