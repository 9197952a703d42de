"""One log of SQLite that gets the same runs, one after the other in the order of the decision log: what would it have decided?

The product's own process follows it. Its clock stands at the time of the batch, because the rules' time is that of their log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from grokputer.domain.aggregates.base import Aggregate
from grokputer.domain.events import AdapterRegistered, Event, RolloutEvent, RolloutStarted, TaskStarted
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log

from ..counted import RunsCounted

MEASURED = "latency_ms"
"""The number of a verdict that a batch does not carry: it decides nothing."""
TOGETHER = 500
"""Runs of one commit while no rollout is under way."""


class Told:
    """A clock that stands where it is put."""

    time = datetime(2025, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The time."""
        return self.time


def feed(decisions: Log, shards: Mapping[str, Log], path: Path) -> Log:
    """A log of SQLite at the path with the same runs and starts of rollouts, and what its process decided."""
    clock = Told()
    ledger = Ledger.create(path, clock)
    state = process_new_events(ledger)
    for _, event in decisions.read():
        clock.time = event.time
        if isinstance(event, RunsCounted):
            runs = [*_runs(shards[event.shard], event)]
            while runs:
                together = 1 if state.undecided else TOGETHER
                ledger.store(*runs[:together])
                del runs[:together]
                state = process_new_events(ledger, state)
        elif isinstance(event, (AdapterRegistered, RolloutStarted)):
            ledger.store(_of([event]))
            state = process_new_events(ledger, state)
    return ledger


def _runs(shard: Log, batch: RunsCounted) -> Iterator[Aggregate]:
    """The runs of the range, with the batch's time."""
    events = (_at(batch.time, event) for _, event in shard.read(batch.first, batch.last))
    for _, run in groupby(events, lambda event: event.originator_id):
        yield _of([*run])


def _at(time: datetime, event: Event) -> Event:
    return type(event)(**{**vars(event), "time": time})


def _of(events: list[Event]) -> Aggregate:
    aggregate = Aggregate(events[0].originator_id)
    aggregate.take_back(events)
    return aggregate


def decisions_in(log: Log) -> list[tuple[str, dict[str, Any]]]:
    """Each decision on a rollout, in order, by topic: what it says, without position, time and latency, which must differ."""
    found = list[tuple[str, dict[str, Any]]]()
    for _, event in log.read():
        if isinstance(event, RolloutEvent):
            said = {name: value for name, value in vars(event).items() if name not in ("up_to", "time", "caused_by")}
            if "numbers" in said:
                said["numbers"] = {name: value for name, value in said["numbers"].items() if name != MEASURED}
            found.append((event.TOPIC, said))
    return found


def arms_by_share(shards: Mapping[str, Log], entry: str) -> dict[int, tuple[int, int]]:
    """By recorded share in percent, the runs of canaries and of stable arms beside them, in all shards."""
    found = dict[int, tuple[int, int]]()
    for shard in shards.values():
        for _, event in shard.read(topics=[TaskStarted.TOPIC]):
            if isinstance(event, TaskStarted) and event.rollout is not None:
                canary, stable = found.get(event.policy[entry], (0, 0))
                is_canary = event.arm == "canary"
                found[event.policy[entry]] = canary + is_canary, stable + (not is_canary)
    return found
