"""The effect of recipes on the same feedback: success on unseen tasks and on the base tasks.

    python benchmarks/recipes.py --rated 15 --measured 20 --seeds 0 1 2
    python benchmarks/recipes.py --recipe dpo_weight=1 --recipe sft_weight=0,kto_weight=1,learning_rate=5e-4
    python benchmarks/recipes.py --folder bench/corrections-1 --training 2 --recipe "" --recipe keep_inefficient=true

The base runs every task, and the reviewer rates and corrects it. That log is kept, and an adapter is trained from it
with every recipe and each seed. All are measured on the same new instances. A recipe is given by its changes to the
default one. With ``--training`` the feedback comes from an existing log, such as one of ``grokputer bench learn``, up
to its training of that number.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from grokputer.adapters.data.dataset import TOPICS, build_dataset
from grokputer.adapters.data.examples import write_examples
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.process import train
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.errors import TrainingError
from grokputer.domain.events import DatasetBuilt, TaskSucceeded
from grokputer.domain.rules.routing import Route
from grokputer.domain.settings.recipe import Recipe
from grokputer.projections.bench import Count
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.environments.miniwob.environment import BASE_TASKS, UNSEEN_TASKS
from grokputer.runners.feedback.reviewer import review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services, base_of

RECIPES = ("", "kto_weight=1", "dpo_weight=1", "sft_weight=0,kto_weight=1")
BELOW_STARS = 4
WEAK = 0.9
FRESH = 10_000_000
"""Seeds from here on are only measured, never trained on."""


@dataclass
class Score:
    """The results of one recipe's adapters, over all its seeds."""

    tasks: dict[str, Count] = field(default_factory=dict)
    examples: int = 0
    minutes: float = 0.0
    failed: str = ""


def main() -> None:
    """Collect the feedback, train and measure every recipe, and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rated", type=int, default=15, help="rated episodes per unseen task")
    options.add_argument("--rated-old", type=int, default=6, help="rated episodes per old task")
    options.add_argument("--measured", type=int, default=20, help="measured episodes per task, adapter and seed")
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument(
        "--recipe", action="append", metavar="KEY=VALUE,...", help="changes to the default; repeatable"
    )
    options.add_argument("--folder", type=Path, help="where log and trainings go and stay; a log there is used again")
    options.add_argument("--training", type=int, help="learn from what the log held at its training of this number")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "events.db"
        is_new = not path.exists()
        ledger = Ledger.create(path) if is_new else Ledger.open(path)
        with Services(ledger, process_new_events(ledger)) as services:
            bench = Bench(
                ledger,
                services,
                folder,
                None if arguments.training is None else position_of(ledger, arguments.training),
            )
            if is_new:
                bench.gather(arguments.rated, arguments.rated_old)
            print(f"{'recipe':44} {'unseen':>7} {'old':>7} {'examples':>8} {'minutes':>7}", flush=True)
            print_score("the base", bench.measure(None, arguments.measured))
            for changes in arguments.recipe or RECIPES:
                print_score(changes or "the default", bench.score(changes, arguments.seeds, arguments.measured))


class Bench:
    """One log of feedback, and the trainings from it."""

    def __init__(self, ledger: Ledger, services: Services, folder: Path, until: int | None) -> None:
        self.ledger, self.services, self.folder, self.until = ledger, services, folder, until
        # Measured runs must not become feedback: they go into a separate log.
        measured = folder / f"measured-{time.time_ns()}.db"
        self.measured = Ledger.create(measured)

    def gather(self, unseen: int, old: int) -> None:
        """Let the base run the tasks, and the reviewer rate and correct every run."""
        tasks = [(task, n) for task in UNSEEN_TASKS for n in range(unseen)]
        tasks += [(task, n) for task in BASE_TASKS for n in range(old)]
        environment = self.services.environment("miniwob")
        for run in self._runs(self.ledger, tasks, None):
            review(self.ledger, run, environment)
        process_new_events(self.ledger)

    def score(self, changes: str, seeds: Sequence[int], count: int) -> Score:
        """Train with the recipe and each seed, and measure the adapters."""
        whole = Score()
        for seed in seeds:
            held = {
                "quantization": self.services.state.policy.quantization
            }  # as a training requested in the log has it
            recipe = Recipe.from_json({"seed": seed, **held, **read_changes(changes)})
            try:
                adapter, examples, minutes = self._train(recipe)
            except TrainingError as error:
                return Score(failed=str(error))
            name = f"{changes}/{seed}"
            server = self.services.model.adapters
            assert server is not None, "the local model serves adapters"
            server.load(name, adapter)
            result = self.measure(name, count)
            whole.tasks = {task: whole.tasks.get(task, Count()) + result.tasks[task] for task in result.tasks}
            whole.examples, whole.minutes = examples, whole.minutes + minutes / len(seeds)
        return whole

    def _train(self, recipe: Recipe) -> tuple[Path, int, float]:
        events = (recorded.event for recorded in self.ledger.read(1, self.until, TOPICS))
        dataset = build_dataset(events, self.ledger.get_content, "action", BELOW_STARS, recipe)
        folder = Path(tempfile.mkdtemp(prefix="training-", dir=self.folder))
        write_examples(folder / "dataset.jsonl", dataset.examples)
        base = base_of(self.services.state.policy, self.ledger.get_content)
        result = train(TrainingJobSpec(folder / "job", folder / "dataset.jsonl", recipe, base))
        return result.adapter, result.examples, result.duration_s / 60

    def measure(self, adapter: str | None, count: int) -> Score:
        """Run every task ``count`` times on new instances, the same for every adapter."""
        tasks = [(task, FRESH + n) for task in (*UNSEEN_TASKS, *BASE_TASKS) for n in range(count)]
        score = Score()
        for run in self._runs(self.measured, tasks, Route("pinned", adapter, None)):
            assert run.started is not None
            task = run.started.task
            score.tasks[task] = score.tasks.get(task, Count()) + Count(int(isinstance(run.ended, TaskSucceeded)), 1)
        return score

    def _runs(self, ledger: Ledger, tasks: Sequence[tuple[str, int]], pinned: Route | None) -> Iterator[Any]:
        runner = TaskRunner(ledger, self.services.model, lambda name: None, self.services.base_label, "benchmark")
        by = pinned.adapter if pinned else None
        wanted = [
            RunSpec(Task("miniwob", task, seed), derive_id("recipes", by, task, seed, ledger.path.name), pinned)
            for task, seed in tasks
        ]
        yield from run_batch(runner, wanted, self.services.environment("miniwob"), self.services.state)


def position_of(ledger: Ledger, training: int) -> int:
    """The log position up to which the dataset of the log's training of this number, from 1, read runs."""
    built = [
        stored.event for stored in ledger.read(1, None, (DatasetBuilt.TOPIC,)) if isinstance(stored.event, DatasetBuilt)
    ]
    if not 1 <= training <= len(built):
        raise SystemExit(f"the log has no training {training} with a dataset; it has {len(built)}")
    return built[training - 1].up_to


def read_changes(changes: str) -> dict[str, Any]:
    """The changes of a recipe, from a text such as ``sft_weight=0,kto_weight=1``."""
    pairs = (part.split("=", 1) for part in changes.split(",") if part)
    return {key: json.loads(value) if value[:1] in "-.0123456789tf" else value for key, value in pairs}


def print_score(name: str, score: Score) -> None:
    """One line of the table, and the tasks with less than nine of ten runs successful."""
    if score.failed:
        print(f"{name:44} {score.failed}", flush=True)
        return
    unseen, old = (
        f"{100 * mean(score.tasks[task].share for task in group):6.1f}%" for group in (UNSEEN_TASKS, BASE_TASKS)
    )
    print(f"{name:44} {unseen} {old} {score.examples:8} {score.minutes:7.1f}", flush=True)
    weak = {task: count.share for task, count in score.tasks.items() if count.share < WEAK}
    print("    " + ", ".join(f"{task} {100 * share:.0f}%" for task, share in sorted(weak.items())), flush=True)


if __name__ == "__main__":
    main()
