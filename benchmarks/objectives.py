"""What each objective makes of the same feedback: success on tasks the base has never seen and on those it was made for.

    python benchmarks/objectives.py --rated 15 --measured 20 --seeds 0 1 2
    python benchmarks/objectives.py --mix dpo_weight=1 --mix sft_weight=0,kto_weight=1,learning_rate=5e-4

The base runs every task and the reviewer rates and corrects it; that log is kept, and from it every mix is trained anew with
each seed. All are measured on the same fresh instances. A mix is what it changes in the recipe.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokputer.adapters.dataset import TOPICS, build_dataset
from grokputer.adapters.examples import write_examples
from grokputer.adapters.job import TrainingJobSpec
from grokputer.adapters.recipe import Recipe
from grokputer.adapters.training import train
from grokputer.domain.aggregate import derive_id
from grokputer.domain.errors import TrainingError
from grokputer.domain.events import TaskSucceeded
from grokputer.domain.routing import Route
from grokputer.runners.batch import Wanted, run_batch
from grokputer.runners.environments.miniwob import BASE_TASKS, UNSEEN_TASKS
from grokputer.runners.improvement import follow
from grokputer.runners.ledger import Ledger
from grokputer.runners.reviewer import review
from grokputer.runners.tasks import Task, TaskRunner
from grokputer.runners.wiring import Parts, base_of

MIXES = ("", "kto_weight=1", "dpo_weight=1", "sft_weight=0,kto_weight=1")
BELOW_STARS = 4
FRESH = 1_000_000
"""Seeds from here on are measured on and never trained on."""


@dataclass
class Score:
    """Successes and runs with the adapters of one mix, over all its seeds."""

    unseen: tuple[int, int] = (0, 0)
    old: tuple[int, int] = (0, 0)
    examples: int = 0
    minutes: float = 0.0
    failed: str = ""


def main() -> None:
    """Gather the feedback, train and measure every mix, and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rated", type=int, default=15, help="rated episodes per unseen task")
    options.add_argument("--rated-old", type=int, default=6, help="rated episodes per old task")
    options.add_argument("--measured", type=int, default=20, help="measured episodes per task, adapter and seed")
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--mix", action="append", metavar="KEY=VALUE,...", help="changes to the recipe; repeatable")
    options.add_argument("--folder", type=Path, help="where log and trainings go and stay; a log there is used again")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "events.db"
        is_new = not path.exists()
        ledger = Ledger.create(path) if is_new else Ledger.open(path)
        with Parts(ledger, follow(ledger)) as parts:
            bench = Bench(ledger, parts, folder)
            if is_new:
                bench.gather(given.rated, given.rated_old)
            print(f"{'mix':44} {'unseen':>7} {'old':>7} {'examples':>8} {'minutes':>7}", flush=True)
            print_score("the base", bench.measure(None, given.measured))
            for mix in given.mix or MIXES:
                print_score(mix or "the default", bench.score(mix, given.seeds, given.measured))


class Bench:
    """One log of feedback, and what is trained from it."""

    def __init__(self, ledger: Ledger, parts: Parts, folder: Path) -> None:
        self.ledger, self.parts, self.folder = ledger, parts, folder
        # What is measured must not become feedback: it goes into a log of its own.
        measured = folder / f"measured-{time.time_ns()}.db"
        self.measured = Ledger.create(measured)

    def gather(self, unseen: int, old: int) -> None:
        """Let the base run the tasks, and the reviewer rate and correct every run."""
        tasks = [(task, n) for task in UNSEEN_TASKS for n in range(unseen)]
        tasks += [(task, n) for task in BASE_TASKS for n in range(old)]
        environment = self.parts.environment("miniwob")
        for run in self._runs(self.ledger, tasks, None):
            review(self.ledger, run, environment)
        follow(self.ledger)

    def score(self, mix: str, seeds: Sequence[int], count: int) -> Score:
        """Train the mix with each seed and measure what came of it."""
        whole = Score()
        for seed in seeds:
            recipe = Recipe.from_json({"seed": seed, **read_mix(mix)})
            try:
                adapter, examples, minutes = self._train(recipe)
            except TrainingError as error:
                return Score(failed=str(error))
            name = f"{mix}/{seed}"
            self.parts.model.load(name, adapter)  # type: ignore[attr-defined]  # the local model
            found = self.measure(name, count)
            whole.unseen = add(whole.unseen, found.unseen)
            whole.old = add(whole.old, found.old)
            whole.examples, whole.minutes = examples, whole.minutes + minutes / len(seeds)
        return whole

    def _train(self, recipe: Recipe) -> tuple[Path, int, float]:
        events = (recorded.event for recorded in self.ledger.read(1, None, TOPICS))
        dataset = build_dataset(events, self.ledger.get_content, "action", BELOW_STARS, recipe)
        folder = Path(tempfile.mkdtemp(prefix="training-", dir=self.folder))
        write_examples(folder / "dataset.jsonl", dataset.examples)
        base = base_of(self.parts.state.policy)
        result = train(TrainingJobSpec(folder / "job", folder / "dataset.jsonl", recipe, base))
        return result.adapter, result.examples, result.duration_s / 60

    def measure(self, adapter: str | None, count: int) -> Score:
        """Run every task so many times on fresh instances, the same for every adapter."""
        tasks = [(task, FRESH + n) for task in (*UNSEEN_TASKS, *BASE_TASKS) for n in range(count)]
        score = Score()
        for run in self._runs(self.measured, tasks, Route("pinned", adapter, None)):
            assert run.started is not None
            one = (int(isinstance(run.ended, TaskSucceeded)), 1)
            if run.started.task in BASE_TASKS:
                score.old = add(score.old, one)
            else:
                score.unseen = add(score.unseen, one)
        return score

    def _runs(self, ledger: Ledger, tasks: Sequence[tuple[str, int]], pinned: Route | None) -> Iterator[Any]:
        runner = TaskRunner(ledger, self.parts.model, lambda name: None, self.parts.base_label, "benchmark")
        by = pinned.adapter if pinned else None
        wanted = [
            Wanted(Task("miniwob", task, seed), derive_id("objectives", by, task, seed, ledger.path.name), pinned)
            for task, seed in tasks
        ]
        yield from run_batch(runner, wanted, self.parts.environment("miniwob"), self.parts.state)


def read_mix(mix: str) -> dict[str, Any]:
    """The changes that a mix names: ``sft_weight=0,kto_weight=1``."""
    pairs = (part.split("=", 1) for part in mix.split(",") if part)
    return {key: json.loads(value) if value[:1] in "-.0123456789tf" else value for key, value in pairs}


def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Successes and runs of both."""
    return one[0] + other[0], one[1] + other[1]


def print_score(name: str, score: Score) -> None:
    """One line of the table; shares in percent."""
    if score.failed:
        print(f"{name:44} {score.failed}", flush=True)
        return
    unseen, old = (f"{100 * done / runs:6.1f}%" for done, runs in (score.unseen, score.old))
    print(f"{name:44} {unseen} {old} {score.examples:8} {score.minutes:7.1f}", flush=True)


if __name__ == "__main__":
    main()
