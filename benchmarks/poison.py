"""The effect of a poisoned dataset on an adapter: ``python benchmarks/poison.py --out poison``.

Wrong corrections of an environment's tasks are refused: each is tried first. Here they bypass that check, as a person
with write access to the log could do, and each is trusted above the right one of the same run. In practice wrong
corrections can come only from sources that no environment verifies: answers to questions in words, imported sets, a
teacher's answers.

    --kind random   the right action's element is replaced by another one of the page, in a share of all corrected runs so far
    --kind task     every correction of a share of the tasks is wrong in that way: the effect of a mistaken reviewer
    --clean 1       cycles without poison before, so that the poisoned adapter has a trained parent

It prints one JSON document: the dataset, the verdicts of gate and canary, and the tasks before and after.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import (
    AdapterRejected,
    CanaryAssessed,
    CycleClosed,
    DatasetBuilt,
    HeldOutJudged,
    TaskCorrected,
)
from grokputer.projections.bench import Count
from grokputer.runners.bench.bench import COMMON
from grokputer.runners.bench.loop import Lines, Loop
from grokputer.runners.bench.plan import Plan
from grokputer.runners.bench.report import read_learning
from grokputer.runners.environments.miniwob.environment import BASE_TASKS, UNSEEN_TASKS
from grokputer.runners.feedback.reviewer import TaskReviewer
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.lease import lease
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services

TOLD = (DatasetBuilt, HeldOutJudged, AdapterRejected, CanaryAssessed, CycleClosed)
ELEMENT = re.compile(r"^.*\[\d+\]$", re.MULTILINE)


class Poisoned(Loop):
    """The loop, with wrong corrections added over the right ones before a training."""

    share = 0.2
    kind = "random"
    clean = 0

    def give_feedback(self, cycle: int) -> None:
        super().give_feedback(cycle)
        if cycle <= self.clean:
            return
        draw = random.Random(f"{self.plan.seed}/poison/{cycle}")
        runs = self._corrected_runs()
        hit = self._choose(runs, draw)
        for run in hit:
            self._poison(run, draw)
        self.services.state = process_new_events(self.ledger)
        self.display.say(f"{len(hit)} of {len(runs)} corrected runs were poisoned")

    def _corrected_runs(self) -> list[TaskRun]:
        """The rated and corrected runs of all cycles so far."""
        cycles = range(1, self.plan.cycles + 1)
        labels = {str(planned.label) for cycle in cycles for planned in self.plan.rated(cycle, "feedback")}
        corrected = dict.fromkeys(
            stored.event.originator_id for stored in self.ledger.read(1, None, (TaskCorrected.TOPIC,))
        )
        runs = (self.ledger.get(TaskRun, id) for id in corrected)
        return [run for run in runs if run.started is not None and run.started.session in labels]

    def _choose(self, runs: list[TaskRun], draw: random.Random) -> list[TaskRun]:
        if self.kind == "random":
            return draw.sample(runs, round(self.share * len(runs)))
        tasks = sorted({run.started.task for run in runs if run.started is not None})
        hit = set(draw.sample(tasks, max(1, round(self.share * len(tasks)))))
        return [run for run in runs if run.started is not None and run.started.task in hit]

    def _poison(self, run: TaskRun, draw: random.Random) -> None:
        rows = json.loads(self.ledger.get_content(run.corrections[-1].correction) or "[]")
        for row in rows:
            others = [line for line in ELEMENT.findall(row["messages"][-1]["content"]) if line not in row["completion"]]
            row["completion"] = f"CLICK{draw.choice(others)}" if others else "DONE"
        key, context = self.ledger.put(json.dumps(rows)), self.ledger.context("mallory")
        self.ledger.write(TaskRun, run.id, lambda run: run.correct("human", key, len(rows), True, context))


SHOWN = ("adapter", "verdict", "reason", "message", "outcome", "by_source")


def describe_outcome(ledger: Ledger) -> dict[str, Any]:
    """The outcome, from the log."""
    events = [recorded.event for recorded in ledger.read() if isinstance(recorded.event, TOLD)]
    happened = [
        {"event": event.TOPIC, **{key: vars(event)[key] for key in SHOWN if key in vars(event)}} for event in events
    ]
    cycles = [
        {group: count_up(cycle.tasks, group) for group in ("unseen", "old")} for cycle in read_learning(ledger).cycles
    ]
    return {"happened": happened, "good_and_runs_by_cycle": cycles}


def count_up(tasks: Mapping[tuple[str, str], Count], group: str) -> tuple[int, int]:
    """(successes, runs) of the group's tasks."""
    counts = [count for (of, _), count in tasks.items() if of == group]
    return sum(count.good for count in counts), sum(count.runs for count in counts)


def main() -> None:
    """Run the loop and print its outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("poison"), help="folder of the log; a log in it is gone on with"
    )
    parser.add_argument(
        "--share", type=float, default=0.2, help="of the corrected runs, or of the tasks, that is poisoned"
    )
    parser.add_argument("--kind", choices=("random", "task"), default="random")
    parser.add_argument("--clean", type=int, default=0, help="cycles without poison before the poisoned one")
    parser.add_argument("--episodes", type=int, default=120, help="rated runs in each cycle")
    parser.add_argument("--canary", type=int, default=60, help="rated runs at most until the canary is decided")
    parser.add_argument(
        "--measure", type=int, default=12, help="runs of each task before the first and after each cycle"
    )
    parser.add_argument("--tasks", nargs="+", default=UNSEEN_TASKS)
    parser.add_argument("--old-tasks", nargs="+", default=BASE_TASKS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    Poisoned.share, Poisoned.kind, Poisoned.clean = asked.share, asked.kind, asked.clean
    plan = Plan(
        name="poison", seed=asked.seed, tasks=asked.tasks, old_tasks=asked.old_tasks, cycles=asked.clean + 1,
        feedback=asked.episodes, canary=asked.canary, measured=asked.measure, measured_old=asked.measure,
        settings={**COMMON, "training.retries": (0, "what failed is corrected by the reviewer")},
    )  # fmt: skip
    asked.out.mkdir(parents=True, exist_ok=True)
    ledger, display = Ledger.create(asked.out / "events.db"), Lines()
    reporter = Reporter(display.say)
    with lease(ledger, reporter.say), Services(ledger, process_new_events(ledger)) as services:
        worker = Worker(ledger, services, reporter)
        Poisoned(
            ledger, services, worker, plan, "poison", display, TaskReviewer(services.environment(plan.environment))
        ).play()
    print(json.dumps(describe_outcome(ledger), indent=2))


if __name__ == "__main__":
    main()
