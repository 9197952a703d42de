"""How often a canary that is just too bad is promoted when runs come in sessions: ``python benchmarks/sessions.py``.

The rule is the sequential one with its default terms, and the world is that of ``rollout.py``: 30 s between runs, 15 %
for the canary at first, half of the runs rated. But runs come in sessions, three of them in parallel. A share of the
sessions goes well or badly as a whole, in success and in stars.

- ``session`` is the default: a session is assigned to an arm and counts once, as the mean of its runs.
- ``run`` is ``canary.randomization_unit run``: each run is assigned and counts.

Of the canaries ``too bad``, which lie exactly at the margin, at most 5 % may be promoted.
"""

from __future__ import annotations

import argparse
import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pool

from grokputer.benchmarks.rollout import CHUNK, SECONDS_PER_RUN, WEIGHT_PERCENT, End, World, describe_row, shares_up_to
from grokputer.domain.evidence.canary import Evidence
from grokputer.domain.evidence.clusters import RatingClusters
from grokputer.domain.evidence.sequential import next_weight, standing
from grokputer.domain.evidence.terms import CanaryTerms
from grokputer.domain.verdict import Times

SIDE_BY_SIDE = 3
"""Parallel sessions; chosen."""


@dataclass(frozen=True)
class Talks:
    """The two arms, the runs of a session, and the share of sessions whose runs all go the same way."""

    world: World
    runs: int
    alike: float


ROWS = {
    "too bad, 5 half alike": Talks(World(0.90, 3.9, is_null=True), 5, 0.5),
    "too bad, 20 alike": Talks(World(0.90, 3.9, is_null=True), 20, 1.0),
    "equal, 5 half alike": Talks(World(0.95, 3.9), 5, 0.5),
}
UNITS = ("session", "run")


@dataclass
class Session:
    """An active session: its arm, the remaining runs, and the outcome that its runs share, if any."""

    name: str
    arm: str
    left: int
    luck: tuple[float, float] | None


class Rollout:
    """One rollout, simulated run by run until it is decided."""

    def __init__(self, talks: Talks, unit: str, draw: random.Random) -> None:
        self.talks, self.unit, self.draw = talks, unit, draw
        self.evidence = Evidence.begin(CanaryTerms(), WEIGHT_PERCENT)
        self.weight = WEIGHT_PERCENT
        self.begun = 0
        self.sessions: list[Session] = []
        self.bursts = {(kind, arm): RatingClusters() for kind in ("end", "rate") for arm in ("canary", "stable")}

    def play(self) -> End:
        """The end of the rollout."""
        runs = 0
        while True:
            runs += 1
            self._run()
            times = Times.since_start(runs * SECONDS_PER_RUN)
            word, reason = standing(self.evidence, times)
            if reason == "no worse so far":
                self.weight = next_weight(self.evidence, times) or self.weight
                self.evidence.weigh(self.weight)
            elif word != "hold":
                return End(word, self.evidence.state["canary"]["runs"], runs)

    def _run(self) -> None:
        """One run of a session, and the outcomes that it completes."""
        world, session = self.talks.world, self._next()
        arm = session.arm if self.unit == "session" else self._arm()
        rate, mean = (world.success, world.stars) if arm == "canary" else (world.stable_success, world.stable_stars)
        for_success, for_stars = session.luck or (self.draw.random(), self.draw.random())
        for success in self._count("end", arm, session, float(for_success < rate)):
            self.evidence.end(arm, success)
        if self.draw.random() < world.rated:
            for stars in self._count("rate", arm, session, float(bisect(shares_up_to(mean), for_stars) + 1)):
                self.evidence.rate(arm, stars)

    def _next(self) -> Session:
        """The session of the next run, with one run fewer left."""
        while len(self.sessions) < SIDE_BY_SIDE:
            self.begun += 1
            luck = (self.draw.random(), self.draw.random()) if self.draw.random() < self.talks.alike else None
            self.sessions.append(Session(f"talk {self.begun}", self._arm(), self.talks.runs, luck))
        session = self.draw.choice(self.sessions)
        session.left -= 1
        if not session.left:
            self.sessions.remove(session)
        return session

    def _arm(self) -> str:
        return "canary" if self.draw.random() * 100 < self.weight else "stable"

    def _count(self, kind: str, arm: str, session: Session, value: float) -> list[float]:
        if self.unit == "run":
            return [value]
        means = self.bursts[kind, arm].take(session.name, session.name, str(session.left), value)
        return [mean for mean in means if mean is not None]


@dataclass(frozen=True)
class Chunk:
    """Several rollouts of one row that are simulated with one seed."""

    row: str
    unit: str
    count: int
    seed: str


def play(chunk: Chunk) -> list[End]:
    """The ends of the chunk's rollouts."""
    draw = random.Random(chunk.seed)
    return [Rollout(ROWS[chunk.row], chunk.unit, draw).play() for _ in range(chunk.count)]


def chunks(row: str, unit: str, count: int, seed: int) -> Iterator[Chunk]:
    """The row's rollouts in chunks, each with its own seed, whatever the number of processes."""
    for start in range(0, count, CHUNK):
        yield Chunk(row, unit, min(CHUNK, count - start), f"{seed}/{unit}/{row}/{start}")


def main() -> None:
    """Simulate the table and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=1000, help="rollouts per row; four times as many of those too bad")
    options.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    options.add_argument("--units", nargs="+", choices=UNITS, default=UNITS)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--processes", type=int, default=2)
    arguments = options.parse_args()
    with Pool(arguments.processes) as pool:
        for unit in arguments.units:
            print(
                f"\n{unit}\n| canary | promoted | rolled back | inconclusive | outcomes, median / p90 | all runs | played |"
            )
            print("|---|---|---|---|---|---|---|", flush=True)
            for row in arguments.rows:
                count = arguments.runs * (4 if ROWS[row].world.is_null else 1)
                print(
                    describe_row(
                        row, [end for part in pool.imap(play, chunks(row, unit, count, arguments.seed)) for end in part]
                    )
                )


if __name__ == "__main__":
    main()
