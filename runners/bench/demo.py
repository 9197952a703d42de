"""The demo: one cycle of the loop on a new log, and a table of every task before and after, made from that log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...domain.errors import GrokputerError, Hint
from ..store.lease import lease
from ..store.ledger import Ledger
from ..store.log import Log, adapters_folder
from .loop import Display, cycles_closed, play
from .plan import SHORT_ANSWERS, Plan, Reasoned
from .report import measured_tasks, read_learning

ACTOR = "demo"

SETTINGS: Reasoned = {
    "run.max_tokens": SHORT_ANSWERS,
    "rating.rule": ("threshold", "the base fails at most unseen tasks from the first, and a window shows it soonest"),
    "canary.rule": ("relative", "the base fails at most unseen tasks, so the stable arm itself is under the bars"),
    "canary.min_runs": (20, "a verdict on ten runs would mostly be chance"),
    "canary.bake_s": (0, "the demo's traffic comes in minutes, not hours; the number of runs decides"),
    "canary.interval_s": (0, "a look after every few runs"),
    "training.retries": (0, "the reviewer has corrected the failures"),
}
"""The demo's settings, with the reasons that the log records."""


@dataclass(frozen=True)
class Score:
    """One task's successes before and after the cycle."""

    task: str
    group: str
    before: tuple[int, int]
    """(successes, runs)"""
    after: tuple[int, int]


def plan_demo(seed: int) -> Plan:
    """One cycle with the canary at its default share; it takes a few minutes on two cores."""
    # At most 400 canary runs: the rollout is usually decided after a third.
    return Plan(name=ACTOR, seed=seed, feedback=300, canary=400, settings=SETTINGS)


def fresh_log(path: Path) -> Ledger:
    """A new log at the path; an earlier demo's log is moved aside with its adapters, not deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        with lease(Log.open(path), waits=False):
            aside = path.parent / f"before-{datetime.now(UTC):%Y%m%d-%H%M%S}"
            aside.mkdir()
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", adapters_folder(path).name):
                if (path.parent / name).exists():
                    (path.parent / name).rename(aside / name)
    return Ledger.create(path)


def run_demo(path: Path, plan: Plan, display: Display | None = None) -> Log:
    """Run the plan on a new log at the path; the log.

    Raises ``GrokputerError`` where it cannot continue, and where nothing was promoted.
    """
    ledger = fresh_log(path)
    play(ledger, plan, ACTOR, display or Display())
    [*_, last] = cycles_closed(ledger)
    if last.outcome != "promoted":
        raise GrokputerError(
            f"the cycle ended {last.outcome}: {ledger.say(last.detail)}", hint=Hint.SEE_LOG, about=ledger.label
        )
    return ledger


def scores(log: Log) -> list[Score]:
    """The table before and after, made from the log."""
    learning = read_learning(log)
    before, after = learning.cycles[0].tasks, learning.cycles[-1].tasks
    return [
        Score(task, group, *((tasks[group, task].good, tasks[group, task].runs) for tasks in (before, after)))
        for group, task in measured_tasks(learning)
        if (group, task) in after
    ]
