"""A gateway of the fleet, as a process: it takes requests at a rate, and stores each as a whole run in its session's shard.

    python -m grokputer.benchmarks.shards.gateway FLEET NUMBER

It has no state of its own. Its arms are drawn by the product's rule from the lanes of the decision log, which it follows with a
small delay. What it takes in is bounded: requests wait in a queue of ``MOST_WAITING``, more are refused, and nothing is stored
in a shard of which too much is not counted yet. Commands come by standard input: ``RATE`` in requests a second, ``max``, ``0``.
"""

from __future__ import annotations

import json
import os
import queue
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

from eventsourcing.persistence import PersistenceError

from grokputer.domain.errors import GrokputerError
from grokputer.domain.rules.routing import Traffic, route
from grokputer.projections.state.state import State
from grokputer.runners.gateway.owner import MOST_WAITING
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import read_place

from .acks import AckFile
from .counted import RunsCounted, known
from .layout import AGAIN_S, Layout, patiently
from .world import ROLE, play

FOLLOW_S = 0.1
"""Seconds between two looks at the decision log and at the sizes of the shards."""
SESSION = 3
"""Runs of a session."""


class Lanes:
    """Where runs go, and which shards are behind, as of a moment ago."""

    def __init__(self, layout: Layout) -> None:
        self.traffic = Traffic()
        self.full: frozenset[str] = frozenset()
        """The shards of which more waits to be counted than may."""
        self.behind = 0
        """The most events of a shard that wait to be counted."""
        self._layout = layout
        self._decisions = Log.open(read_place(layout.decisions))
        self._shards = {name: Log.open(layout.place(name)) for name in layout.names}
        self._state, self._counted = State(), dict.fromkeys(layout.names, 0)

    def look(self) -> None:
        """Follow the decision log, and see what waits. Raises ``LogError``."""
        for position, event in self._decisions.read(self._state.position + 1):
            self._state.apply(position, event)
            if isinstance(event, RunsCounted):
                self._counted[event.shard] = event.last
        self.traffic = self._state.traffic(ROLE)
        waiting = {name: log.position - self._counted[name] for name, log in self._shards.items()}
        self.behind = max(waiting.values())
        self.full = frozenset(name for name, events in waiting.items() if events > self._layout.behind)


class Requests:
    """Requests as they come: at a rate, or as fast as they are taken."""

    def __init__(self) -> None:
        self.refused = 0
        self.waiting: queue.Queue[float] = queue.Queue(MOST_WAITING)
        """When each request that waits was due."""
        self._rate = 0.0
        self._changed = threading.Condition()

    def set_rate(self, rate: float) -> None:
        """Requests a second from now on; infinity for as many as are taken."""
        with self._changed:
            self._rate = rate
            self._changed.notify_all()

    def arrive(self) -> None:
        """Let requests come, in a thread of its own, for ever; one that finds the queue full is refused."""
        due = time.time()
        while True:
            with self._changed:
                while not 0 < self._rate < float("inf"):
                    self._changed.wait()
                    due = time.time()
                due += 1 / self._rate
            time.sleep(max(0.0, due - time.time()))
            try:
                self.waiting.put_nowait(due)
            except queue.Full:
                self.refused += 1

    def take(self) -> Iterator[float]:
        """The requests that one thread serves: when each was due."""
        while True:
            with self._changed:
                is_at_once = self._rate == float("inf")
            if is_at_once:
                yield time.time()
                continue
            try:
                yield self.waiting.get(timeout=0.2)
            except queue.Empty:
                continue


class Gateway:
    """The threads of one gateway, and what they share."""

    def __init__(self, layout: Layout, number: int) -> None:
        self._layout, self._number = layout, number
        self._ledgers = [Ledger.open(read_place(place)) for place in layout.shards]
        self._acks = AckFile(layout.file(f"gateway-{number}.acks"))
        self.requests, self.lanes = Requests(), Lanes(layout)
        self.lanes.look()
        self.in_doubt = 0
        """Runs that are perhaps stored, and were not acknowledged."""

    def serve(self, seed: str) -> None:
        """Store runs, in a thread of its own, for ever."""
        draw, session = random.Random(seed), ""
        for number, due in enumerate(self.requests.take()):
            session = uuid4().hex[:12] if number % SESSION == 0 else session
            shard = self._layout.shard_of(session)
            while shard in self.lanes.full:
                time.sleep(FOLLOW_S / 2)
            self._store(uuid4(), session, self._layout.names.index(shard), due, draw)

    def _store(self, run: UUID, session: str, shard: int, due: float, draw: random.Random) -> None:
        ledger, traffic = self._ledgers[shard], self.lanes.traffic
        chosen = route(traffic, run.hex, session)
        share = traffic.weight_percent if traffic.canary is not None else 0
        try:
            ledger.store(play(run, session, chosen, share, draw, ledger.context("reviewer"), ledger.put))
        except (GrokputerError, PersistenceError):
            self.in_doubt += 1
            time.sleep(AGAIN_S)
            return
        now = time.time()
        self._acks.add(run, shard, now, now - due)

    def follow(self) -> None:
        """Look at the decision log and tell how this process is, in a thread of its own, for ever."""
        with self._layout.file(f"gateway-{self._number}.stats").open("a") as told:
            while True:
                try:
                    self.lanes.look()
                except GrokputerError:
                    time.sleep(AGAIN_S)
                    continue
                told.write(json.dumps(self._figures()) + "\n")
                told.flush()
                time.sleep(FOLLOW_S)

    def _figures(self) -> dict[str, float]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "at": time.time(),
            "pid": os.getpid(),
            "memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            "waiting": self.requests.waiting.qsize(),
            "refused": self.requests.refused,
            "in_doubt": self.in_doubt,
            "behind": self.lanes.behind,
        }


def main() -> None:
    """Serve until standard input ends."""
    layout, number = Layout.load(Path(sys.argv[1])), int(sys.argv[2])
    with known():
        gateway = patiently(lambda: Gateway(layout, number))
        work = [threading.Thread(target=gateway.requests.arrive, daemon=True)]
        work.append(threading.Thread(target=gateway.follow, daemon=True))
        for thread in range(layout.threads):
            seed = f"{layout.seed}/{number}/{thread}/{os.getpid()}"
            work.append(threading.Thread(target=gateway.serve, args=(seed,), daemon=True))
        for each in work:
            each.start()
        print("ready", flush=True)
        for line in sys.stdin:
            gateway.requests.set_rate(float("inf") if line.strip() == "max" else float(line))


if __name__ == "__main__":
    main()
