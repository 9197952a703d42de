"""The improvement process step by step on a real log: ratings, a breach, a training, a proof, a judgement, a rollout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from given import OFFERED
from grokputer.domain.aggregates.adapter import Adapter, adapter_id
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.role import RoleImprovement, role_id
from grokputer.domain.aggregates.rollout import Rollout, rollout_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Verdict
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change

DATASET: dict[str, Any] = {
    "dataset": "sha256:dd", "manifest": "sha256:ee", "examples": 30, "by_source": {"correction": 30}, "runs": 12, "up_to": 99,
}  # fmt: skip
RESULT: dict[str, Any] = {
    "weights": "sha256:ff", "base_hash": "sha256:00", "config_hash": "sha256:11", "dataset": "sha256:dd", "steps": 8,
    "tokens": 4000, "examples": 30, "left_out": 0, "reasons": {},
    "final_loss": 0.2, "duration_s": 12.5, "peak_memory_bytes": 10**9, "device": "cpu", "versions": {},
}  # fmt: skip
NUMBERS = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}


PASSED = Verdict("pass", "better", "9 of 12 held-out failures now succeed against 1 of 12 for its parent", {})


def threshold_ledger(path: Path) -> Ledger:
    """A new log under the plain rules, which ten ratings of two stars are enough for."""
    ledger = Ledger.create(path)
    for key in ("rating.rule", "canary.rule"):
        change(ledger, key, "threshold")
    return ledger


def rated_run(ledger: Ledger, stars: int, number: int, *, adapter: str | None = None, arm: str = "stable") -> None:
    context = ledger.context("ada")

    def play(run: TaskRun) -> None:
        run.start(
            context, role="action", arm=arm, adapter=adapter, rollout=None, environment="chat", task="sha256:aa", seed=0,
            capabilities=OFFERED["chat"], base="embedded", session=None, policy={},
        )  # fmt: skip
        run.succeed(100, 1.0, Policy(), context)
        run.rate(stars, "human", [], None, context)

    ledger.write(TaskRun, derive_id("test run", number), play)


def breach(ledger: Ledger) -> UUID:
    """Ten ratings of two stars, and what follows; the id of the training that is asked for."""
    for number in range(10):
        rated_run(ledger, 2, number)
    process_new_events(ledger)
    [requested] = [recorded.event for recorded in ledger.read(1, None, ("TrainingRequested",))]
    return requested.originator_id


def complete(ledger: Ledger, training: UUID) -> UUID:
    """The training done; the id of the adapter that came of it."""
    context = ledger.context("grokputer", f"{training}/1")

    def finish(job: TrainingJob) -> None:
        job.build_dataset(context, **DATASET)
        job.start(context)
        job.complete(context, **RESULT)

    ledger.write(TrainingJob, training, finish)
    process_new_events(ledger)
    return adapter_id(training)


def prove(ledger: Ledger, adapter: UUID) -> None:
    context = ledger.context("grokputer", f"{adapter}/1")
    ledger.write(Adapter, adapter, lambda it: it.evaluate(True, True, NUMBERS, context))
    process_new_events(ledger)


def judge(ledger: Ledger, adapter: UUID, judgement: Verdict) -> None:
    context = ledger.context("grokputer", f"{adapter}/2")
    ledger.write(Adapter, adapter, lambda it: it.judge(judgement, "sha256:aa", 99, context))
    process_new_events(ledger)


def roll_out(ledger: Ledger) -> tuple[UUID, UUID]:
    """A proven and judged adapter on its share of the traffic: the ids of adapter and rollout."""
    adapter = complete(ledger, breach(ledger))
    prove(ledger, adapter)
    judge(ledger, adapter, PASSED)
    return adapter, rollout_id(adapter)


def assess(ledger: Ledger, rollout: UUID, verdict: str) -> State:
    decided = Verdict(verdict, "healthy", f"it says {verdict}", {})
    context = ledger.context("grokputer", f"{rollout}/1")
    ledger.write(Rollout, rollout, lambda it: it.assess(decided, ledger.position, context))
    return process_new_events(ledger)


def count(ledger: Ledger) -> Counter[str]:
    return Counter(recorded.event.TOPIC for recorded in ledger.read())


def causes(ledger: Ledger, topic: str) -> list[str]:
    """Topics from the newest event of this one back to where a person began."""
    [*_, newest] = ledger.read(1, None, (topic,))
    chain = [newest.event.TOPIC]
    while newest.event.caused_by is not None:
        position = ledger.position_of(newest.event.caused_by)
        assert position is not None
        newest = ledger.at(position)
        chain.append(newest.event.TOPIC)
    return chain


def raise_one(ledger: Ledger) -> None:
    """Ask for a training and let it fail: one alert."""
    context = ledger.context("ada")
    ledger.write(RoleImprovement, role_id("action"), lambda it: it.open("action", None, "corrections", context))
    [*_, training] = process_new_events(ledger).registry.trainings
    ledger.write(TrainingJob, UUID(training), lambda it: it.fail("the disk is full", context))
    process_new_events(ledger)
