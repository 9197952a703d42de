"""A small fleet in files: two shards, a decision log, and a canary that is worse."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from grokputer.benchmarks.shards.acks import Ack
from grokputer.benchmarks.shards.counted import RunsCounted
from grokputer.benchmarks.shards.counter import Counter
from grokputer.benchmarks.shards.world import make_adapter, make_rollout, play
from grokputer.domain.aggregates.base import ACTOR, Context
from grokputer.domain.rules.routing import Traffic, route
from grokputer.runners.store.ledger import Ledger

ROLLOUT = make_rollout(1, None, 0.0, Context(datetime.now(UTC), ACTOR)).id


@dataclass
class Small:
    """Two shards and a decision log, as files, with one canary that is worse."""

    folder: Path

    def __post_init__(self) -> None:
        self.shards = {name: Ledger.create(self.folder / f"{name}.db") for name in ("shard-0", "shard-1")}
        self.decisions = Ledger.create(self.folder / "decisions.db")
        self.draw = random.Random(5)
        self.acks: list[Ack] = []

    def roll_out(self) -> None:
        context = self.decisions.context(ACTOR)
        self.decisions.store(make_adapter(1, context), make_rollout(1, None, 0.0, context))

    def run(self, count: int) -> None:
        """Store so many runs, by turns in the shards, all of them drawn for the canary's rollout."""
        traffic = Traffic(None, "lora-v1", ROLLOUT.hex, 15)
        for number in range(count):
            shard, ledger = [*self.shards.items()][number % 2]
            id = UUID(int=self.draw.getrandbits(128), version=4)
            chosen = route(traffic, id.hex)
            ledger.store(play(id, "s", chosen, 15, self.draw, ledger.context("reviewer"), ledger.put))
            self.acks.append(Ack(id.hex, int(shard[-1]), float(number), 0.1))

    def counters(self, most: int = 10_000) -> list[Counter]:
        return [Counter(name, ledger, self.decisions, most) for name, ledger in self.shards.items()]

    def count_all(self) -> list[RunsCounted]:
        found = list[RunsCounted]()
        for counter in self.counters(most=40):
            while (told := counter.count()) is not None:
                found.append(told)
        return found
