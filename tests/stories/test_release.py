"""A story in a real browser: a good adapter goes through the ramp to promotion, a bad one is rolled back, a starved one waits.

Nobody decides by hand and nothing is made up but the weights of the bad adapter, which were trained to give up at once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from command_line import output
from tiny_base import quiet_libraries

from grokputer.adapters.data.examples import Example, write_examples
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.settings.recipe import Recipe
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.feedback.reviewer import review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import change, complete_training

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {
    "run.max_tokens": 24, "run.max_steps": 3, "training.retries": 0, "training.epochs": 6, "training.held_out_share": 0.0,
    "gate.enabled": False, "rating.average_run_length": 50.0, "canary.weight_percent": 40, "canary.ramp": "60:3",
    "canary.success_margin": 0.2, "canary.bake_s": 0, "canary.interval_s": 0,
}  # fmt: skip
"""Little traffic: the rules are the default ones, at bars that a hundred runs can reach."""

TASK = "click-button-sequence"
"""The base never does it."""


class Clock:
    """The system's clock, so many days ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Release:
    """One log, its runs in the browser, and the worker that looks after it."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.ledger = Ledger.create(path, self.clock)
        for key, value in SETTINGS.items():
            change(self.ledger, key, value)
        self.parts = Services(self.ledger, process_new_events(self.ledger))
        self.seed = 0

    def runs(self, count: int) -> None:
        """Runs where the traffic goes, rated and corrected by the reviewer."""
        place, state = self.parts.environment("miniwob"), process_new_events(self.ledger)
        runner = TaskRunner(self.ledger, self.parts.model, self.parts.prepare, self.parts.base_label, "ada")
        wanted = [RunSpec(Task("miniwob", TASK, self.seed + number), uuid4()) for number in range(count)]
        self.seed += count
        for run in list(run_batch(runner, wanted, place, state)):
            review(self.ledger, run, place)

    def work(self) -> None:
        """A worker that begins now does what there is to do."""
        worker = Worker(self.ledger, self.parts, Reporter())
        while worker.step():
            pass

    def roll_out(self, most: int = 300) -> str:
        """Runs until the rollout is decided; its phase."""
        for _ in range(0, most, 10):
            if not process_new_events(self.ledger).undecided:
                break
            self.runs(10)
            self.work()
        return self.phase()

    def phase(self) -> str:
        *_, newest = process_new_events(self.ledger).rollouts
        return newest.phase

    def offer(self, weights: Path, folder: Path) -> None:
        """A training that a person asked for ends with these weights."""
        complete_training(self.ledger, self.parts, self.parts.store.put(shutil.copytree(weights, folder)).hash)
        self.work()

    def lessons(self) -> list[Example]:
        """What the corrections teach."""
        found = []
        for recorded in self.ledger.read(1, None, ("TaskCorrected",)):
            steps = json.loads(str(self.ledger.get_content(vars(recorded.event)["correction"])))
            found += [Example(tuple(it["messages"]), it["completion"], "correction") for it in steps]
        return found


def train_to_give_up(lessons: list[Example], folder: Path) -> Path:
    """The weights of an adapter that answers DONE whatever it is asked."""
    (folder / "job").mkdir(parents=True)
    write_examples(folder / "dataset.jsonl", [replace(it, completion="DONE") for it in lessons])
    recipe = Recipe(epochs=6, batch=8, accumulation=1, quantization="none", checkpoint_steps=100)
    with quiet_libraries():
        return train_job(TrainingJobSpec(folder / "job", folder / "dataset.jsonl", recipe, Base())).adapter


@dataclass(frozen=True)
class Told:
    """What came of it."""

    path: Path
    phases: dict[str, str]
    shares: list[int]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("release")
    release, phases = Release(folder / "events.db"), {}
    with release.parts:
        while process_new_events(release.ledger).rollouts.cycle("action") is None:
            release.runs(5)
        release.work()
        phases["good"] = release.roll_out()
        weights = release.parts.store.path(process_new_events(release.ledger).registry.adapters["lora-v1"].weights)
        release.offer(train_to_give_up(release.lessons(), folder / "bad"), folder / "bad weights")
        phases["bad"] = release.roll_out()
        release.offer(weights, folder / "good weights")
        release.runs(6)
        for _ in range(7 * 24 // 4 + 1):
            release.clock.ahead += timedelta(hours=4)
            release.work()
        phases["starved"] = release.phase()
        shares = [vars(it.event)["weight_percent"] for it in release.ledger.read(1, None, ("CanaryWeightSet",))]
        yield Told(folder / "events.db", phases, shares)


def test_a_good_adapter_is_promoted_through_the_ramp(told: Told) -> None:
    assert told.phases["good"] == "promoted"
    assert told.shares[:2] == [60, 100]
    said = " ".join(output("why", "lora-v1", db=told.path).split())
    assert "evidence for a mean under 3.8 stars" in said
    assert "enough for 60 % of the runs" in said
    assert "promote (no worse)" in said
    assert "evidence for no worse than 20 points" in said


def test_a_bad_adapter_is_rolled_back(told: Told) -> None:
    assert told.phases["bad"] == "rolled back"
    assert told.shares[2] == 0
    said = " ".join(output("why", "lora-v2", db=told.path).split())
    assert "roll back (worse)" in said
    assert "canary runs succeeded against" in said


def test_a_starved_adapter_ends_inconclusive_and_paused(told: Told) -> None:
    assert told.phases["starved"] == "paused"
    said = " ".join(output("why", "lora-v3", db=told.path).split())
    assert "inconclusive (time)" in said
    assert "neither is shown after 7.0 days" in said
    assert "paused" in said


def test_every_decision_of_the_story_is_made_again_from_its_log(told: Told) -> None:
    found = list(decide_again(Ledger.open(told.path)))
    made_up = [it for it in found if it.kind == "DatasetBuilt"][1:]  # two of the trainings
    assert [it for it in found if it.difference and it not in made_up] == []
    assert {"arm", "CanaryAssessed", "AdapterPromoted", "AdapterRolledBack", "RolloutPaused"} <= {
        it.kind for it in found
    }
