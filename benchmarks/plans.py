"""What learning plans is worth: success on long tasks with plans and without, after the same corrections of the same tasks.

    python benchmarks/plans.py                                                        # the embedded model on boards
    python benchmarks/plans.py --environment long --base smollm2 --rated 60 --parts 3  # a language model in a shell

The base tries ``--rated`` long tasks, once in runs that plan and once in runs that do not. The reviewer rates each run and
corrects it by the environment's demonstration: with plans it teaches three roles, without plans the acting role alone. One
adapter a role is trained from these corrections. Both are then measured on the same new tasks.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from boards import Board

from grokputer.adapters.data.dataset import TOPICS, build_dataset
from grokputer.adapters.data.examples import write_examples
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.process import train
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskFailed, TaskSucceeded
from grokputer.domain.page.messages import Completion, Message, Request
from grokputer.domain.ports import Answer, Environment, Model, RoleModel
from grokputer.domain.settings.settings import resolve_recipe
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.feedback.reviewer import review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting
from grokputer.runners.wiring.services import Services, base_of

FAMILIES = ("make-folder", "make-file", "delete-file", "back-up")
"""The parts: each takes one command, and the page shows what it changed."""

ROLES = ("action", "decomposition", "recovery")
SETTINGS = (("run.max_resamples", 0), ("run.max_steps", 8), ("run.max_tokens", 160), ("run.max_plans", 2))
"""The same for both ways. A demonstration takes an act for each part, and its plan has about 20 tokens for each."""

BELOW_STARS = 4
FRESH = 10_000_000
"""Seeds from here on are only measured, never trained on."""


class Adapted(Model):
    """The model with one adapter, whatever the request names."""

    def __init__(self, model: Model, adapter: str) -> None:
        self.model, self.adapter = model, adapter

    def complete(self, messages: Sequence[Message], **options: Any) -> Completion:
        """The adapter's answer."""
        return self.model.complete(messages, **(options | {"adapter": self.adapter}))

    def complete_many(self, requests: Sequence[Request]) -> list[Answer]:
        """The adapter's answers."""
        return self.model.complete_many([replace(request, adapter=self.adapter) for request in requests])


def main() -> None:
    """Measure both ways, and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="embedded")
    options.add_argument("--environment", choices=("board", "long"), default="board")
    options.add_argument("--rated", type=int, default=40, help="corrected runs of each way")
    options.add_argument("--measured", type=int, default=40, help="measured runs of each way")
    options.add_argument("--parts", type=int, default=4, help="parts of each task")
    options.add_argument("--families", default=",".join(FAMILIES))
    arguments = options.parse_args()
    print(f"{'':10} {'before':>8} {'after':>8} {'examples':>9} {'minutes':>8}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for mode in ("never", "always"):
            folder = Path(scratch) / mode
            folder.mkdir()
            _measure_way(folder, mode, arguments)


def _measure_way(folder: Path, mode: str, arguments: argparse.Namespace) -> None:
    """Correct, train and measure in one way, and print its line."""
    ledger, families = Ledger.create(folder / "events.db"), arguments.families.split(",")
    for key, value in (*SETTINGS, ("run.plan", mode), ("model.base", arguments.base)):
        change_setting(ledger, key, value, reason="the benchmark", actor="benchmark")
    with Services(ledger, process_new_events(ledger)) as services:
        place = Board() if arguments.environment == "board" else services.environment("long")
        before = _count(_runs(services, place, _tasks(arguments, FRESH, arguments.measured // 2, families), {}))
        for run in list(_runs(services, place, _tasks(arguments, 0, arguments.rated, families), {})):
            review(ledger, run, place)
        began, examples, own = time.perf_counter(), 0, dict[str, RoleModel]()
        for role in ROLES if mode == "always" else ROLES[:1]:
            count, adapter = _train(services, folder / role, role)
            examples += count
            if adapter is None:  # nothing to learn: every goal of the plans shows on the page
                continue
            server = services.model.adapters
            assert server is not None
            server.load(role, adapter)
            own[role] = RoleModel(Adapted(services.model, role), role)
        minutes = (time.perf_counter() - began) / 60
        runs = list(_runs(services, place, _tasks(arguments, FRESH, arguments.measured, families), own))
        print(f"{mode:10} {before:>8} {_count(runs):>8} {examples:>9} {minutes:>8.1f}", flush=True)
        faults = [run.ended.fault for run in runs if isinstance(run.ended, TaskFailed)]
        print(f"{'':10} failed by { ({role: faults.count(role) for role in dict.fromkeys(faults)}) }", flush=True)


def _tasks(arguments: argparse.Namespace, first: int, count: int, families: Sequence[str]) -> list[Task]:
    """So many tasks; in a shell each of different families in an order of its own."""
    if arguments.environment == "board":
        return [Task("board", str(arguments.parts), seed) for seed in range(first, first + count)]
    found = []
    for seed in range(first, first + count):
        parts = random.Random(seed).sample(list(families), arguments.parts)
        found.append(Task("long", "+".join(parts), seed))
    return found


def _runs(
    services: Services, place: Environment, tasks: Sequence[Task], own: dict[str, RoleModel]
) -> Iterator[TaskRun]:
    runner = TaskRunner(
        services.ledger, services.model, lambda name: None, services.base_label, "benchmark", beside=own.get
    )
    specs = [RunSpec(task, derive_id("plans", len(own), task.task, task.seed)) for task in tasks]
    yield from run_batch(runner, specs, place, services.state)


def _count(runs: Iterator[TaskRun] | Sequence[TaskRun]) -> str:
    """How many succeeded, of how many."""
    ended = [isinstance(run.ended, TaskSucceeded) for run in runs]
    return f"{sum(ended)}/{len(ended)}"


def _train(services: Services, folder: Path, role: str) -> tuple[int, Path | None]:
    """The number of examples, and the folder of the role's adapter; None without an example."""
    ledger, policy = services.ledger, services.state.policy
    recipe = replace(resolve_recipe(policy, role), held_out_share=0.0, held_out_early=0.0)
    events = (recorded.event for recorded in ledger.read(1, None, TOPICS))
    dataset = build_dataset(events, ledger.get_content, role, BELOW_STARS, recipe)
    if not dataset.examples:
        return 0, None
    folder.mkdir()
    write_examples(folder / "dataset.jsonl", dataset.examples)
    result = train(
        TrainingJobSpec(folder / "job", folder / "dataset.jsonl", recipe, base_of(policy, ledger.get_content))
    )
    return result.examples, result.adapter


if __name__ == "__main__":
    main()
