"""The order of the trial: the highest rate, parts of it, deaths of processes and of the server, a time without counters."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import read_place

from ..acks import Ack, read_acks, times_file
from ..counted import ShardCounts
from ..layout import Layout
from ..world import Canaries
from .roster import Roster, cpu_of, wait_until

if TYPE_CHECKING:
    from stores import Server

LOADS = (0.5, 0.8, 1.0)
"""Parts of the highest rate that lags are measured at."""
REST_S = 120.0
"""Seconds that the fleet may take to come to rest."""
HIGHEST, LAG, KILLS, STOPPED = 0.2, 0.12, 0.34, 0.1
"""Parts of the trial's time: the highest rate, each of the loads, the deaths, and the time without counters."""
KILLING = 0.8
"""The load while processes die: what they leave behind can be made up for."""
ALL_AT_ONCE = float("inf")
ROLLOUTS = 6
"""Rollouts of a trial, about: the one log that is compared gets their runs one by one, which takes milliseconds each."""
KINDS = 3
"""Gateways, counters and the decider."""


@dataclass(frozen=True)
class Phase:
    """A time of the simulation, and what was offered meanwhile, in runs a second."""

    name: str
    began: float
    ended: float
    offered: float = 0.0

    def acks(self, acks: Iterable[Ack]) -> list[Ack]:
        """The runs that were stored meanwhile."""
        return [ack for ack in acks if self.began <= ack.at < self.ended]


@dataclass(frozen=True)
class Costs:
    """What the highest rate took: processor seconds by kind of process, and what the server wrote."""

    seconds: float
    runs: int
    events: int
    cpu_s: Mapping[str, float]
    syncs: float
    wal_bytes: float

    def us(self, kind: str) -> float:
        """Processor microseconds of a run."""
        return self.cpu_s[kind] / max(1, self.runs) * 1e6

    @property
    def us_of_all(self) -> float:
        """Processor microseconds of a run, of all processes together."""
        return sum(map(self.us, self.cpu_s))


@dataclass
class Fleet:
    """A fleet, its server, and what was seen of it."""

    server: Server
    layout: Layout
    roster: Roster
    loads: list[Phase] = field(default_factory=list)
    """The times of which rates and lags are told."""
    stopped: Phase | None = None
    """The time in which nothing was counted."""
    costs: Costs | None = None
    crashes: int = 0
    down_s: float = 0.0
    """How long the server was down because of them."""
    catch_up_s: float = 0.0
    """How long it took to come to rest in the end."""

    def crash(self) -> None:
        """Let the server die and start again."""
        began = time.time()
        self.server.stop("immediate")
        self.server.start()
        self.crashes += 1
        self.down_s += time.time() - began

    def spend(self, name: str, seconds: float, offered: float = 0.0) -> Phase:
        """Let so many seconds pass, as a phase."""
        began = time.time()
        time.sleep(seconds)
        return Phase(name, began, time.time(), offered)

    @property
    def shards(self) -> dict[str, Log]:
        """The shards, opened for reading."""
        return {name: Log.open(self.layout.place(name)) for name in self.layout.names}

    @property
    def decisions(self) -> Ledger:
        """The decision log."""
        return Ledger.open(read_place(self.layout.decisions))

    @property
    def acks(self) -> list[Ack]:
        """What gateways acknowledged so far."""
        return read_acks(self.layout.file(f"gateway-{worker.name}.acks") for worker in self.roster.gateways)

    def times(self, name: str) -> dict[int, float]:
        """The times that a process told, by position; none before it has begun."""
        file = self.layout.file(name)
        return times_file(file.read_text().splitlines()) if file.exists() else {}

    @property
    def server_cpu_s(self) -> float:
        """Processor seconds of the server's processes since its start."""
        postmaster = (self.server.folder / "data" / "postmaster.pid").read_text().splitlines()[0]
        return cpu_of(int(postmaster), with_children=True)


def play(fleet: Fleet, seconds: float, kill_every_s: float, seed: int) -> None:
    """The whole trial with so many seconds of load; then the fleet is at rest, and its processes are ended."""
    canaries = Canaries(fleet.decisions, every_s=seconds / ROLLOUTS, bake_s=1.0)
    try:
        fleet.roster.start()
        canaries.start()
        _load(fleet, seconds, kill_every_s, random.Random(seed))
        canaries.stop()
        fleet.roster.offer(0)
        fleet.catch_up_s = _rest(fleet)
    finally:
        fleet.roster.stop()


def _load(fleet: Fleet, seconds: float, kill_every_s: float, draw: random.Random) -> None:
    roster = fleet.roster
    roster.offer(ALL_AT_ONCE)
    time.sleep(min(2.0, seconds / 10))
    fleet.costs = _at_highest_rate(fleet, HIGHEST * seconds)
    highest = fleet.costs.runs / fleet.costs.seconds
    for part in LOADS:
        roster.offer(part * highest)
        time.sleep(min(2.0, seconds / 50))
        fleet.loads.append(fleet.spend(f"{part:.0%} of the highest", LAG * seconds, part * highest))
    say(f"killing, at {KILLING * highest:,.0f} runs/s")
    roster.offer(KILLING * highest)
    fleet.loads.append(_with_deaths(fleet, KILLS * seconds, kill_every_s, draw))
    say("counters are dead")
    roster.offer(2 * highest)
    for counter in roster.counters:
        counter.kill()
    fleet.stopped = fleet.spend("counters dead", STOPPED * seconds, 2 * highest)
    for counter in roster.counters:
        counter.start()
        counter.wait()


def _at_highest_rate(fleet: Fleet, seconds: float) -> Costs:
    """What as many runs as are taken cost."""
    shards = [*fleet.shards.values()]

    def look() -> tuple[dict[str, float], tuple[float, float], int]:
        used = {**fleet.roster.cpu_s(), "PostgreSQL": fleet.server_cpu_s}
        return used, wal(shards[0]), sum(shard.position for shard in shards)

    before, (syncs, written), events = look()
    phase = fleet.spend("as fast as they are taken", seconds)
    after, (syncs_after, written_after), events_after = look()
    fleet.loads.append(phase)
    used = {kind: after[kind] - before[kind] for kind in after}
    return Costs(
        seconds=phase.ended - phase.began,
        runs=len(phase.acks(fleet.acks)),
        events=events_after - events,
        cpu_s=used,
        syncs=syncs_after - syncs,
        wal_bytes=written_after - written,
    )


def _with_deaths(fleet: Fleet, seconds: float, every_s: float, draw: random.Random) -> Phase:
    """Kill one process after the other for so many seconds in which the server is up, and the server twice; each kind dies
    once at least."""
    began, crashes = time.time(), [seconds / 3, seconds * 2 / 3]
    killed = began
    while (passed := time.time() - began - fleet.down_s) < seconds or crashes or fleet.roster.killed < KINDS:
        time.sleep(0.1)
        fleet.roster.require_running()
        if crashes and passed > crashes[0]:
            crashes.pop(0)
            fleet.crash()
        elif time.time() - killed > every_s:
            fleet.roster.kill_next(draw)
            killed = time.time()
    return Phase(f"{KILLING:.0%}, while processes die", began, time.time(), fleet.roster.rate)


def _rest(fleet: Fleet) -> float:
    """Wait until nothing is stored any more, and all is counted and decided; the seconds that took."""
    shards, decisions, sizes = fleet.shards, fleet.decisions, dict[str, int]()

    def is_quiet() -> bool:
        before = dict(sizes)
        sizes.update({name: shard.position for name, shard in shards.items()})
        time.sleep(0.5)
        return before == sizes

    def is_counted() -> bool:
        return all(ShardCounts.load(decisions, name).counted == shard.position for name, shard in shards.items())

    def is_decided() -> bool:
        return max(fleet.times("decider.decided"), default=0) >= decisions.position

    took = wait_until(is_quiet, REST_S, "storing what waits")
    took += wait_until(is_counted, REST_S, "counting what is stored")
    return took + wait_until(is_decided, REST_S, "deciding on what is counted")


def wal(log: Log) -> tuple[float, float]:
    """The server's syncs and bytes of its journal so far."""
    with log.reading() as rows:
        syncs, written = rows.execute("SELECT wal_sync, wal_bytes::bigint FROM pg_stat_wal").fetchone()
    return float(syncs), float(written)


def say(what: str) -> None:
    """Tell a person what is done at present."""
    print(what, file=sys.stderr, flush=True)
