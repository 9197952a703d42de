"""A log whose adapters are offered to the gate, and an environment that costs nothing for its held-out runs."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from tiny_base import LABELS

from grokputer.domain.aggregates.adapter import adapter_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.events import Capability, TaskSucceeded
from grokputer.domain.page.messages import Page
from grokputer.domain.ports import Environment
from grokputer.domain.vocabulary import HandDecision
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.feedback.corrections import correct_by_hand
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.rollouts import decide_by_hand
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import Ticking, complete_training

SETTINGS: dict[str, Any] = {
    "rating.minimum": 1000, "run.max_steps": 1, "run.max_tokens": 16, "training.retries": 0, "training.held_out_share": 0.5,
    "gate.minimum": 3, "gate.runs": 24, "rating.rule": "threshold", "canary.rule": "threshold",
}  # fmt: skip


class Finished(Environment):
    """An environment that costs nothing: a page on which all is done already, so that the right answer is to say so."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS})
    is_lost = False

    def reset(self, task: str, seed: int) -> Page:
        """Other buttons for each seed."""
        labels = random.Random(seed).sample(LABELS, 3)
        self.page = Page(f"click {labels[0]}", tuple(f"button:{label}[{n}]" for n, label in enumerate(labels, 1)))
        return self.page

    def act(self, action: str) -> Page:
        """The first action ends it."""
        if Finished.is_lost:
            raise EnvironmentUnavailable("the browser was lost")
        return replace(self.page, is_done=True, reward=1.0 if action == "DONE" else -1.0)

    def beside(self, seat: int) -> Finished:
        """Another one."""
        return Finished()

    def close(self) -> None:
        """Nothing is held."""


class History:
    """One log: runs, feedback, and adapters that are offered to the gate."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger.open(path) if path.exists() else Ledger.create(path, Ticking())
        self.parts = Services(self.ledger, process_new_events(self.ledger))
        self.parts._environments["miniwob"] = None, Finished()
        self.said: list[str] = []

    def set(self, **values: Any) -> None:
        context = self.ledger.context("ada")

        def change(settings: Settings) -> None:
            for key, value in values.items():
                settings.change(key, value, "", context)

        self.ledger.write(Settings, SETTINGS_ID, change)
        self.parts.state = process_new_events(self.ledger)

    def run(self, environment: str, seeds: range) -> list[TaskRun]:
        """Runs of the live adapter."""
        tasks = [
            Task(environment, "finished" if environment == "miniwob" else f"question {seed}", seed) for seed in seeds
        ]
        wanted = [RunSpec(task, UUID(int=task.seed + 1)) for task in tasks]
        runner = TaskRunner(self.ledger, self.parts.model, self.parts.prepare, self.parts.base_label, "ada")
        return list(run_batch(runner, wanted, self.parts.environment(environment), self.parts.state))

    def feedback(self, environment: str, seeds: range) -> None:
        """Runs of the live adapter, rated by how they ended; what failed is corrected."""
        for run in self.run(environment, seeds):
            is_good = isinstance(run.ended, TaskSucceeded) and environment == "miniwob"
            self.rate(run, 5 if is_good else 1)
            if not is_good:
                correct_by_hand(self.ledger, run, self.parts.environment(environment), ["DONE"], "ada")
        self.parts.state = process_new_events(self.ledger)

    def rate(self, run: TaskRun, stars: int) -> None:
        context = self.ledger.context("ada")
        self.ledger.write(TaskRun, run.id, lambda it: it.rate(stars, "human", [], None, context))

    def offer(self, weights: Path) -> UUID:
        """A training that ends with these weights; the id of the adapter."""
        training = complete_training(self.ledger, self.parts, self.parts.store.put(copied(weights)).hash)
        self.parts.state = process_new_events(self.ledger)
        return adapter_id(training)

    def work(self) -> None:
        """What a worker finds to do: proof and gate."""
        worker = Worker(self.ledger, self.parts, Reporter(self.said.append))
        while worker.step():
            pass

    def decide(self, wanted: str) -> None:
        """A person decides the rollout of lora-v1."""
        decide_by_hand(self.ledger, self.parts.state, "lora-v1", HandDecision(wanted), "looked at it", "ada")
        self.parts.state = process_new_events(self.ledger)

    def judgement(self) -> dict[str, Any]:
        [*_, judged] = self.ledger.read(1, None, ("HeldOutJudged",))
        return vars(judged.event)

    def runs_of(self, session: str) -> Counter[UUID]:
        """How often each run of the session was begun."""
        started = self.ledger.read(1, None, ("TaskStarted",))
        return Counter(it.event.originator_id for it in started if vars(it.event)["session"] == session)


def copied(folder: Path) -> Path:
    """A copy beside it: the store takes what it is given."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(folder, copy))
