"""A log of a million realistic events, and how fast it is written, replayed, looked into and proven.

    python benchmarks/history.py write /tmp/million --events 1000000
    python benchmarks/history.py read /tmp/million

The events are made by the aggregates and followed by the process, which decides on breaches and canaries itself; what no model
is needed for (how runs go, what people say) is drawn from a seed. Ratios beside the stock way of ``eventsourcing`` in one run.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from grokputer.domain.adapter import Adapter, adapter_id
from grokputer.domain.aggregate import ACTOR, Context, derive_id
from grokputer.domain.gate import Losses, Runs, Side, judge_held_out
from grokputer.domain.routing import route
from grokputer.domain.run import TaskRun
from grokputer.domain.settings import Policy
from grokputer.domain.training import TrainingJob
from grokputer.projections.state import State
from grokputer.runners.improvement import follow
from grokputer.runners.ledger import Ledger

TOGETHER = 200
"""Runs that are stored in one transaction, and followed."""
PEOPLE = ("ada", "bob", "cleo", "dan")


class Minutes:
    """A clock that is a minute later for each batch of runs."""

    def __init__(self) -> None:
        self.time = datetime(2025, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The time."""
        return self.time


@dataclass
class World:
    """How good each adapter is, drawn when it is trained; what is live gets worse as the world moves on."""

    draw: random.Random
    quality: dict[str, float] = field(default_factory=lambda: {"": 0.9})

    def train(self, adapter: str) -> None:
        """A new adapter is mostly better than what there is."""
        self.quality[adapter] = self.draw.choice([0.95, 0.93, 0.92, 0.6])

    def drift(self) -> None:
        """All become a little worse."""
        self.quality = {name: max(0.3, quality - self.draw.uniform(0, 0.004)) for name, quality in self.quality.items()}


def write(folder: Path, events: int, seed: int = 1) -> None:
    """A log of at least so many events in the folder."""
    folder.mkdir(parents=True)
    clock, world = Minutes(), World(random.Random(seed))
    ledger = Ledger.create(folder / "events.db", clock)
    state, number = follow(ledger), 0
    while ledger.position < events:
        clock.time += timedelta(minutes=20)
        runs = [_run(ledger, world, state, number := number + 1) for _ in range(TOGETHER)]
        ledger.store(*runs)
        state = follow(ledger)
        world.drift()
        if _improve(ledger, world):
            state = follow(ledger)


def _run(ledger: Ledger, world: World, state: State, number: int) -> TaskRun:
    """A run on the arm that it is drawn for: one to five steps, mostly rated, some that failed corrected."""
    draw, run = world.draw, TaskRun(derive_id("history", number))
    lane = route(state.traffic("action"), run.id.hex)
    context = ledger.context(draw.choice(PEOPLE))
    run.start(
        context, role="action", arm=lane.arm, adapter=lane.adapter, rollout=lane.rollout, environment="miniwob",
        task=draw.choice(("click-button", "click-link", "enter-text", "login-user")), seed=number, base="embedded@sha256:00",
        session=f"s{number // 3}", policy={"run.max_steps": 12, "run.max_tokens": 64, "run.temperature": 0.0},
    )  # fmt: skip
    for step in range(draw.randint(1, 5)):
        run.take_step(
            context, prompt=f"sha256:{number:060d}{step:04d}", answer=f"sha256:{step:04d}{number:060d}", error="",
            model_ms=40, environment_ms=12, prompt_tokens=90, completion_tokens=9,
        )  # fmt: skip
    succeeds = draw.random() < world.quality[lane.adapter or ""]
    if succeeds:
        run.succeed(draw.randint(500, 9000), 1.0, Policy(), context)
    else:
        run.fail("wrong", "", draw.randint(500, 9000), -1.0, Policy(), context)
    if draw.random() < 0.6:
        stars = draw.choice((4, 5, 5)) if succeeds else draw.choice((1, 2, 3))
        run.rate(stars, "human", [] if succeeds else ["wrong_action"], None, context)
    if not succeeds and draw.random() < 0.5:
        run.correct("human", f"sha256:{number:064d}", 2, True, context)
    return run


def _improve(ledger: Ledger, world: World) -> bool:
    """A training that was asked for ends, and its adapter passes proof and gate; False when there is none."""
    trainings = follow(ledger).registry.trainings
    waiting = [id for id, it in trainings.items() if it["status"] == "requested"]
    if not waiting:
        return False
    job, adapter = UUID(waiting[0]), f"lora-v{sum(it['status'] == 'completed' for it in trainings.values()) + 1}"
    world.train(adapter)
    manifest = ledger.put(json.dumps([]))

    def finish(it: TrainingJob) -> None:
        it.build_dataset(
            _after(ledger, it), dataset="sha256:dd", manifest=manifest, examples=40, by_source={"correction": 40}, runs=20,
            up_to=ledger.position,
        )  # fmt: skip
        it.start(_after(ledger, it))
        it.complete(
            _after(ledger, it), weights=f"sha256:{adapter}", base_hash="sha256:00", config_hash="sha256:11",
            dataset="sha256:dd", steps=80, tokens=40_000, examples=40, left_out=0, final_loss=0.1, duration_s=90.0,
            peak_memory_bytes=10**9, device="cpu", versions={},
        )  # fmt: skip

    ledger.write(TrainingJob, job, finish)
    follow(ledger)
    numbers = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}
    id = adapter_id(job)
    ledger.write(Adapter, id, lambda it: it.evaluate(True, True, numbers, _after(ledger, it)))
    follow(ledger)
    judgement = judge_held_out(Side(Runs(40, 30, 10), Losses()), Side(Runs(40, 40, 40), Losses()), Policy(), "action")
    rows = ledger.put(json.dumps([]))
    ledger.write(Adapter, id, lambda it: it.judge(judgement, rows, ledger.position, _after(ledger, it)))
    return True


def _after(ledger: Ledger, it: TrainingJob | Adapter) -> Context:
    return ledger.context(ACTOR, f"{it.id}/{it.version}" if it.version else None)
