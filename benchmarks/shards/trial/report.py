"""The report of a trial: what was checked, and the tables of ``benchmarks/README.md``."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log

from ..acks import Marks
from ..counted import RunsCounted
from ..world import SHARE
from . import checks, cold, endpoints, figures, reference, truth
from .phases import Fleet, say

MEMORY = "/dev/shm"
"""Where the single log lies, which is not measured."""
LONGER_S = 10.0
"""Seconds between two counts of a shard, for canaries beside those of the trial."""


def tell(fleet: Fleet, options: Namespace, disk: float) -> list[str]:
    """Check the fleet at rest and print all tables; what was found wrong. ``disk`` is how often it syncs in a second."""
    assert fleet.costs is not None and fleet.stopped is not None
    problems = _check(fleet)
    problems += _costs_and_storage(fleet, options, disk)
    if options.rollouts:
        rate, periods = fleet.costs.runs / fleet.costs.seconds, (options.every, LONGER_S)
        say("playing canaries")
        lines = truth.table(rate, periods, options.rollouts, options.shards, options.processes, options.seed)
        title("Canaries in batches", lines)
    if not options.no_servers:
        lines, wrong = endpoints.try_fleet(Path(fleet.layout.folder) / "servers")
        title("Three servers", lines)
        problems += wrong
    return problems


def _check(fleet: Fleet) -> list[str]:
    """The tables of the fleet's own logs."""
    shards, decisions, acks = fleet.shards, fleet.decisions, fleet.acks
    say("feeding the same runs to one log of SQLite")
    with TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as folder:
        single = reference.feed(decisions, shards, Path(folder) / "single.db")
        found, stored = checks.check_all(shards, decisions, acks, single)
    counted, decided = _marks(fleet, shards, decisions)
    title("Load and lag", figures.load_table(fleet.loads, acks, stored, counted, decided))
    assert fleet.stopped is not None
    files = [fleet.layout.file(f"gateway-{worker.name}.stats") for worker in fleet.roster.gateways]
    told = figures.stats_of(files, fleet.stopped)
    title("Back-pressure", figures.brake_table(fleet.stopped, told, fleet.layout.behind, fleet.catch_up_s))
    title("What was checked", [_say_deaths(fleet), "", *checks.table(found)])
    title("Share drawn", figures.share_table(reference.arms_by_share(shards, SHARE)))
    return [problem for check in found for problem in check.problems]


def _costs_and_storage(fleet: Fleet, options: Namespace, disk: float) -> list[str]:
    """The tables of what scales and of cold storage."""
    assert fleet.costs is not None
    ledger, before = Ledger.create(fleet.server.place("bulk")), fleet.server_cpu_s
    events, took, used = cold.fill(ledger, options.bulk)
    seconds = took, used, fleet.server_cpu_s - before
    bulk = figures.Bulk(events, *(each / events * 1e6 for each in seconds))
    storage = cold.try_storage(ledger, Path(fleet.layout.folder) / "cold", options.seed)
    lines = figures.cost_table(fleet.costs, bulk, disk, storage, _batch_bytes(fleet.decisions))
    title("What a run costs", [*lines, figures.verdict_line(*_verdicts(fleet.decisions))])
    title("Cold storage", figures.storage_table(storage))
    title("Computed from these figures, not measured", figures.size_table(fleet.costs, bulk, disk, storage))
    return [*storage.problems]


def _say_deaths(fleet: Fleet) -> str:
    killed = dict.fromkeys((worker.kind for worker in fleet.roster.workers), 0)
    for worker in fleet.roster.workers:
        killed[worker.kind] += worker.killed
    said = ", ".join(f"{kind} {count} times" for kind, count in killed.items())
    return f"Killed by -9: {said}; the server {fleet.crashes} times by `immediate`, and down for {fleet.down_s:.0f} s in all."


def _marks(fleet: Fleet, shards: Mapping[str, Log], decisions: Log) -> tuple[Sequence[Marks], Sequence[Marks]]:
    """By shard, when its positions were counted, and when they were decided on."""
    handled = Marks(fleet.times("decider.decided"))
    counted: dict[str, dict[int, float]] = {name: {} for name in shards}
    decided: dict[str, dict[int, float]] = {name: {} for name in shards}
    told = {name: fleet.times(f"{name}.counted") for name in shards}
    for position, event in decisions.read(topics=[RunsCounted.TOPIC]):
        if isinstance(event, RunsCounted):
            counted[event.shard][event.last] = told[event.shard].get(event.last, event.time.timestamp())
            at = handled.passed(position)
            decided[event.shard] |= {} if at is None else {event.last: at}
    return [*map(Marks, counted.values())], [*map(Marks, decided.values())]


def _verdicts(decisions: Log) -> tuple[int, float]:
    """The runs of rollouts that the decision log tells of, and the processor seconds to decide on all of it."""
    began = time.process_time()
    return checks.fold(decisions).runs, time.process_time() - began


def _batch_bytes(decisions: Log) -> float:
    """Bytes of a batch as it is stored, with its nodes, on average."""
    with decisions.reading() as rows:
        statement = "SELECT avg(length(state) + length(nodes))::float8 FROM stored_events WHERE topic = ?"
        return float(rows.execute(statement, (RunsCounted.TOPIC,)).fetchone()[0] or 0.0)


def title(name: str, lines: Sequence[str]) -> None:
    """Print a table with its title."""
    print("\n".join(["", f"### {name}", "", *lines]), flush=True)
