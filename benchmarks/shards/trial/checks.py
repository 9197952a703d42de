"""What must hold when the fleet has come to rest. Each check returns what it finds wrong, in sentences; nothing is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grokputer.domain.errors import LogError
from grokputer.domain.events import AdapterPromoted, AdapterRolledBack, TaskStarted
from grokputer.runners.archive.integrity import Head, verify
from grokputer.runners.store.log import Log
from grokputer.runners.store.port import COLUMNS, LARGEST, pages

from ..acks import Ack
from ..counted import RunsCounted
from ..decider import Decisions
from ..tally import tally, total
from .reference import decisions_in


@dataclass(frozen=True)
class Check:
    """A check, what it looked at, and what it found wrong; nothing where all is right."""

    name: str
    about: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"| {self.name} | {self.about} | {'; '.join(self.problems[:3]) or 'holds'} |"


def batches_of(decisions: Log) -> list[RunsCounted]:
    """All batches, in the order of the decision log."""
    return [event for _, event in decisions.read(topics=[RunsCounted.TOPIC]) if isinstance(event, RunsCounted)]


def check_order(shard: str, log: Log, batches: Sequence[RunsCounted]) -> list[str]:
    """Positions without a gap, every event as it was stored, and each batch's head that of its events."""
    fault = verify(log, [Head.read(batch.head) for batch in batches]).fault
    return [] if fault is None else [f"{shard} {fault}"]


def check_ranges(shard: str, size: int, batches: Sequence[RunsCounted]) -> list[str]:
    """Ranges that follow each other from position 1 to the shard's end."""
    problems, counted = list[str](), 0
    for batch in batches:
        if batch.first != counted + 1:
            problems.append(f"{shard} was counted up to {counted}, then from {batch.first}")
        counted = batch.last
    return problems if counted == size else [*problems, f"{shard} has {size} events, {counted} were counted"]


def check_counts(batches: Iterable[RunsCounted], shards: Iterable[Log]) -> list[str]:
    """The sum of all batches is the tally of all shards, to the unit."""
    counted, there = total(batch.counts for batch in batches), total(_tallies(shards))
    return [
        f"{' '.join(map(str, group))}: counted {counted.get(group)}, there are {there.get(group)}"
        for group in {**counted, **there}
        if counted.get(group) != there.get(group)
    ]


def _tallies(shards: Iterable[Log]) -> Iterable[Any]:
    for shard in shards:
        with shard.database.snapshot() as rows:
            yield tally(pages(rows, COLUMNS, "stored_events", 0)).counts


def stored_runs(shards: Mapping[str, Log]) -> dict[str, int]:
    """By the hex id of each run, the position of its start in its shard."""
    found = dict[str, int]()
    for shard in shards.values():
        with shard.reading() as rows:
            statement = "SELECT originator_id, position FROM stored_events WHERE topic = ? AND position <= ?"
            found.update(rows.execute(statement, (TaskStarted.TOPIC, LARGEST)).fetchall())
    return found


def check_acknowledged(acks: Sequence[Ack], stored: Mapping[str, int]) -> list[str]:
    """Each run that a gateway acknowledged is in a shard."""
    lost = [ack.run for ack in acks if ack.run not in stored]
    return [f"{len(lost)} acknowledged runs are lost, such as {lost[0]}"] if lost else []


def check_decisions(decisions: Log, single: Log) -> list[str]:
    """The decisions are those that one log made of the same runs."""
    here, there = decisions_in(decisions), decisions_in(single)
    for number, (ours, theirs) in enumerate(zip(here, there, strict=False), 1):
        if ours != theirs:
            return [f"decision {number} is {_short(ours)}; one log decides {_short(theirs)}"]
    return [] if len(here) == len(there) else [f"there are {len(here)} decisions; one log makes {len(there)}"]


def check_fold(decisions: Log) -> list[str]:
    """The decisions that the decision log has are those that follow from its other events."""
    try:
        fold(decisions)
    except LogError as error:
        return [str(error)]
    return []


def fold(decisions: Log) -> Decisions:
    """The fold of the decision log from nothing. Raises ``LogError`` where a decision in it does not follow."""
    found = Decisions()
    for _, event in decisions.read():
        found.take(event)
    return found


def _short(decision: tuple[str, dict[str, Any]]) -> str:
    topic, said = decision
    shown = ", ".join(str(said[name]) for name in ("adapter", "verdict", "message", "weight_percent") if name in said)
    return f"{topic} ({shown})"


def check_all(
    shards: Mapping[str, Log], decisions: Log, acks: Sequence[Ack], single: Log
) -> tuple[list[Check], dict[str, int]]:
    """All checks of a fleet at rest, and the positions of its runs."""
    batches, stored = batches_of(decisions), stored_runs(shards)
    by_shard = {name: [batch for batch in batches if batch.shard == name] for name in shards}
    order = [problem for name, log in shards.items() for problem in check_order(name, log, by_shard[name])]
    ranges = [it for name, log in shards.items() for it in check_ranges(name, log.position, by_shard[name])]
    events = sum(log.position for log in shards.values())
    made = _say_decisions(decisions)
    checks = [
        Check("positions without a gap, `verify`, heads of all batches", f"{events:,} events", tuple(order)),
        Check("ranges without gap or overlap", f"{len(batches):,} batches", tuple(ranges)),
        Check(
            "sum of the batches = fold of the shards",
            f"{len(stored):,} runs",
            tuple(check_counts(batches, shards.values())),
        ),
        Check("nothing acknowledged is lost", f"{len(acks):,} runs", tuple(check_acknowledged(acks, stored))),
        Check("decisions follow from the decision log alone", made, tuple(check_fold(decisions))),
        Check("decisions = those of one log of SQLite", made, tuple(check_decisions(decisions, single))),
        Check("the decision log, `verify`", f"{decisions.position:,} events", _fault_of(decisions)),
    ]
    return checks, stored


def _say_decisions(decisions: Log) -> str:
    topics = [topic for topic, _ in decisions_in(decisions)]
    ends = ((AdapterPromoted.TOPIC, "promoted"), (AdapterRolledBack.TOPIC, "rolled back"))
    return ", ".join([f"{len(topics)} decisions", *(f"{topics.count(topic)} {word}" for topic, word in ends)])


def _fault_of(log: Log) -> tuple[str, ...]:
    fault = verify(log).fault
    return () if fault is None else (str(fault),)


def table(found: Sequence[Check]) -> list[str]:
    """The table of the checks."""
    return ["| what | of | found |", "|---|---|---|", *map(str, found)]
