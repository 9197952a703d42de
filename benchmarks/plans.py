"""What learning plans is worth: success on long tasks with plans and without, after the same corrections of the same tasks.

    python benchmarks/plans.py    # the embedded model on boards
    python benchmarks/plans.py --environment long --base smollm2 --rated 20 --measured 20 --parts 3 --steps 5 \\
        --epochs 8 --rate 1e-3

The base tries ``--rated`` long tasks, once in runs that plan and once in runs that do not. The reviewer rates each run and
corrects it by the environment's demonstration. An adapter is trained from these corrections for role ``action``, and with
plans one for ``decomposition`` too. Role ``recovery`` has that of ``action`` in both ways. Both are then measured on the same
new tasks, the base on half as many. ``--show`` prints every step that is measured.

A board has buttons and fields, in memory. The embedded model can press and fill in, so what it lacks on a long task is only
to know what comes next.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grokputer.adapters.data.dataset import TOPICS, build_dataset
from grokputer.adapters.data.examples import write_examples
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.process import train
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import Capability, TaskFailed, TaskSucceeded
from grokputer.domain.page.action import parse_action, write_action
from grokputer.domain.page.messages import Completion, Message, Page, Request
from grokputer.domain.page.plan import Goal, write_plan
from grokputer.domain.ports import Answer, Environment, Model, PlannedScript, RoleModel, Script
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
SETTINGS = (
    *(("run.max_resamples", 0), ("run.max_plans", 1), ("run.max_tokens", 24), ("decomposition.run.max_tokens", 120)),
    ("training.accumulation", 1),
)
"""The same for both ways. An act has up to 16 tokens, a plan about 25 for each part. Few examples take many small steps."""

PLANNER_EPOCHS = 16
"""Passes over the plans: a correction has one plan, and an act for each part."""

BELOW_STARS = 4
FRESH = 10_000_000
"""Seeds from here on are only measured, never trained on."""


BUTTONS = ("Send", "Print", "Save", "Copy", "Share", "Close", "Help", "Undo", "Mute", "Pause")
FIELDS = ("Name", "City", "Mail", "Phone", "Street", "Title")
WORDS = ("anna", "bob", "rome", "oslo", "blue", "green", "river", "stone", "tiger", "lamp", "apple", "pearl")

Part = tuple[str, str]
"""What is pressed or filled in, and the word; empty for a button."""


class Board(Environment):
    """Tasks ``3`` to ``6``, named by the number of their parts. One is done when all its parts are, and nothing else."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def tasks(self) -> Sequence[str]:
        """By the number of parts."""
        return ("3", "4", "5", "6")

    def is_long(self, task: str) -> bool:
        """All are."""
        return True

    def reset(self, task: str, seed: int) -> Page:
        """A board with six buttons and four fields."""
        draw = random.Random(f"board/{task}/{seed}")
        self._named = draw.sample(BUTTONS, 6) + draw.sample(FIELDS, 4)
        draw.shuffle(self._named)
        words = iter(draw.sample(WORDS, len(FIELDS)))
        asked = draw.sample(self._named, int(task))
        self._wanted = {name: next(words) if name in FIELDS else "" for name in asked}
        self._state: dict[str, str] = {}
        return self._page()

    def act(self, action: str) -> Page:
        """Press or fill in. ``DONE`` ends the task."""
        lines, parsed = self._lines(), parse_action(action)
        if parsed is not None and parsed.verb == "DONE":
            return self._page(is_over=True)
        if parsed is None or not 1 <= parsed.number <= len(lines):
            return self._page(error="cannot read this action")
        name = self._named[parsed.number - 1]
        if (parsed.verb == "TYPE") != (name in FIELDS):
            return self._page(error=f"{name} does not take {parsed.verb}")
        self._state[name] = parsed.text
        return self._page()

    def demonstrate(self, task: str) -> Script:
        """The parts in their order."""
        return lambda page, history: _next(page)

    def demonstrate_plan(self, task: str) -> PlannedScript:
        """A goal for each part."""
        return _Shown()

    def beside(self, seat: int) -> Board:
        """Another board."""
        return Board()

    def _page(self, error: str = "", *, is_over: bool = False) -> Page:
        parts = [_say(name, word) for name, word in self._wanted.items()]
        is_done = self._state == self._wanted
        return Page(". ".join(parts), tuple(self._lines()), is_done or is_over, 1.0 if is_done else -1.0, error)

    def _lines(self) -> list[str]:
        return [f"{_show(name, self._state.get(name))}[{number}]" for number, name in enumerate(self._named, 1)]


class _Shown(PlannedScript):
    """How a board's task is done."""

    def plan(self, page: Page) -> str:
        """A goal for each part, with its line once it is done."""
        return write_plan([Goal(_say(*part), _show(*part)) for part in _parts(page.task)])

    def act(self, page: Page, history: Sequence[str], goal: str) -> str:
        """The part's one action."""
        found = next((part for part in _parts(page.task) if _say(*part) == goal), None)
        if found is None:
            raise ValueError(f"no part of the task is {goal!r}")
        return _act(page, found)


def _say(name: str, word: str) -> str:
    return f"Type {word} into {name}" if word else f"Press {name}"


def _show(name: str, state: str | None) -> str:
    """The line of the button or field, without its number; None before anything was done with it."""
    if name in FIELDS:
        return f"input.text={state}:{name}" if state else f"input.text:{name}"
    return f"button:{name}" if state is None else f"button*:{name}"


def _parts(task: str) -> list[Part]:
    """The parts that the words ask for."""
    found = []
    for part in task.split(". "):
        verb, *rest = part.split()
        found.append((rest[0], "") if verb == "Press" else (rest[2], rest[0]))
    return found


def _next(page: Page) -> str:
    """The action for the first part that the page does not show as done."""
    shown = [line.rpartition("[")[0] for line in page.lines]
    left = [part for part in _parts(page.task) if _show(*part) not in shown]
    if not left:
        raise ValueError("all parts are done, and more")
    return _act(page, left[0])


def _act(page: Page, part: Part) -> str:
    name, word = part
    line = next(line for line in page.lines if line.rpartition("[")[0].endswith(f":{name}"))
    return write_action("TYPE" if word else "CLICK", line, word)


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
    options.add_argument("--steps", type=int, default=8, help="acts of a measured run, at most")
    options.add_argument("--epochs", type=int, default=3, help="passes over the acts")
    options.add_argument("--rate", type=float, help="the learning rate; default: that of the preset")
    options.add_argument("--show", action="store_true", help="print every step that is measured")
    options.add_argument("--plans", nargs="+", default=["never", "always"], help="values of run.plan to measure")
    options.add_argument("--families", default=",".join(FAMILIES))
    arguments = options.parse_args()
    print(f"{'':10} {'before':>8} {'after':>8} {'examples':>9} {'CPU s':>8}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for mode in arguments.plans:
            folder = Path(scratch) / mode
            folder.mkdir()
            _measure_way(folder, mode, arguments)


def _measure_way(folder: Path, mode: str, arguments: argparse.Namespace) -> None:
    """Correct, train and measure in one way, and print its line."""
    ledger, families = Ledger.create(folder / "events.db"), arguments.families.split(",")
    further = {"run.plan": mode, "model.base": arguments.base, "decomposition.training.epochs": PLANNER_EPOCHS}
    further |= {"training.epochs": arguments.epochs}
    further |= {} if arguments.rate is None else {"training.learning_rate": arguments.rate}
    _set(ledger, dict(SETTINGS) | further | {"run.max_steps": arguments.steps})
    with Services(ledger, process_new_events(ledger)) as services:
        place = Board() if arguments.environment == "board" else services.environment("long")
        before = _count(_runs(services, place, _tasks(arguments, FRESH, arguments.measured // 2, families), {}))
        # A demonstration takes an act for each part. The base fails from the first, so more of its acts say nothing.
        _set(ledger, {"run.max_steps": arguments.parts})
        services.state = process_new_events(ledger, services.state)
        for run in list(_runs(services, place, _tasks(arguments, 0, arguments.rated, families), {})):
            review(ledger, run, place)
        began, examples, own = _cpu_seconds(), 0, dict[str, RoleModel]()
        for role in ROLES[:2] if mode == "always" else ROLES[:1]:
            count, adapter = _train(services, folder / role, role)
            examples += count
            server = services.model.adapters
            assert server is not None and adapter is not None
            server.load(role, adapter)
            own[role] = RoleModel(Adapted(services.model, role), role)
        own["recovery"], took = own["action"], _cpu_seconds() - began
        _set(ledger, {"run.max_steps": arguments.steps})
        services.state = process_new_events(ledger, services.state)
        runs = list(_runs(services, place, _tasks(arguments, FRESH, arguments.measured, families), own))
        print(f"{mode:10} {before:>8} {_count(runs):>8} {examples:>9} {took:>8.0f}", flush=True)
        faults = [run.ended.fault for run in runs if isinstance(run.ended, TaskFailed)]
        print(f"{'':10} failed by { ({role: faults.count(role) for role in dict.fromkeys(faults)}) }", flush=True)
        for run in runs if arguments.show else []:
            _show_steps(ledger, run)


def _set(ledger: Ledger, settings: dict[str, Any]) -> None:
    for key, value in settings.items():
        change_setting(ledger, key, value, reason="the benchmark", actor="benchmark")


def _cpu_seconds() -> float:
    """Of this process and of its trainings so far."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _show_steps(ledger: Ledger, run: TaskRun) -> None:
    """Print the run's steps: what was asked for, the answer, and what was found."""
    assert run.started is not None and run.ended is not None
    print(f"{run.ended.TOPIC} {run.started.task}#{run.started.seed}")
    for step in run.steps:
        asked = json.loads(ledger.get_content(step.prompt) or "[]")[-1]["content"].split("\n")[-2]
        print(f"  {step.role} {step.kind}: {asked!r} -> {ledger.get_content(step.answer)!r} {step.found}")


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
