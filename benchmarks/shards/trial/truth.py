"""Does counting in batches cost runs, or make verdicts wrong? Canaries by the shipped rule, on one log and in batches.

Only the rule is real here, ``domain.evidence``: worlds and draws are those of ``benchmarks/rollout.py``, and no log is written.
On one log the rule looks after each run, and the share changes with the next one. In batches the runs go on under the old share
until their batch is counted, shard by shard; all runs until then are served, also those after the verdict.

The last way shows why a batch keeps the order of its runs: where it does not, and its reader takes the canary's successes and
the stable arm's failures first, the rule pairs them, and a canary that is too bad looks good.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import Pool

from grokputer.benchmarks.rollout import WEIGHT_PERCENT, World, draw_run, quantile, share
from grokputer.domain.evidence.canary import Evidence
from grokputer.domain.evidence.sequential import next_weight, standing
from grokputer.domain.evidence.terms import CanaryTerms
from grokputer.domain.verdict import Times

TERMS = replace(CanaryTerms(), bake_s=0.0)
"""The default terms without the least duration, which would hide what batches cost at many runs a second."""
WORLDS = {
    "equal .95/3.9": World(0.95, 3.9),
    "worse by the margin, .90/3.9": World(0.90, 3.9, is_null=True),
    "bad .80/3.3": World(0.80, 3.3),
}
SORTED = 100
"""Runs of a batch that forgets their order."""
CHUNK = 20
"""Rollouts of one seed."""

Run = tuple[str, int, int | None]
"""Arm, success and stars."""


@dataclass(frozen=True)
class End:
    """The verdict on one rollout; the canary's runs that were counted until then, and those that were served."""

    verdict: str
    counted: int
    canary_runs: int
    """As ``share`` and its neighbours take it: served."""
    runs: int


@dataclass(frozen=True)
class Way:
    """How runs are counted: so many together of all shards, in the order in which they ran or sorted."""

    name: str
    together: int
    shards: int
    is_sorted: bool = False


@dataclass(frozen=True)
class Part:
    """Some rollouts of one world, counted in one way."""

    world: World
    way: Way
    count: int
    seed: str


def play(part: Part) -> list[End]:
    """The ends of the part's rollouts."""
    draw = random.Random(part.seed)
    return [play_one(part.world, part.way, draw) for _ in range(part.count)]


def play_one(world: World, way: Way, draw: random.Random) -> End:
    """One rollout; runs that are counted one by one are one log."""
    evidence, weight = Evidence.begin(TERMS, WEIGHT_PERCENT), WEIGHT_PERCENT
    counted = served = runs = 0
    while True:
        batch = [draw_run(world, weight, draw) for _ in range(way.together)]
        runs += len(batch)
        served += sum(arm == "canary" for arm, _, _ in batch)
        for arm, success, stars in as_counted(batch, way, draw):
            counted += arm == "canary"
            evidence.end(arm, success)
            if stars is not None:
                evidence.rate(arm, stars)
            word, reason = standing(evidence, Times.since_start(0.0))
            if reason == "no worse so far":
                weight = next_weight(evidence, Times.since_start(0.0)) or weight
                evidence.weigh(weight)
            elif word != "hold":
                return End(word, counted, served, runs)


def as_counted(batch: Sequence[Run], way: Way, draw: random.Random) -> Iterator[Run]:
    """The runs as the decision log gets them: each in a shard at random, one shard after the other; or sorted."""
    if len(batch) == 1:
        yield from batch
    elif way.is_sorted:
        yield from sorted(batch, key=lambda run: (run[0] == "stable", run[1] == (run[0] == "stable")))
    else:
        parts = [list[Run]() for _ in range(way.shards)]
        for run in batch:
            draw.choice(parts).append(run)
        for part in parts:
            yield from part


def table(rate: float, every_s: Sequence[float], rollouts: int, shards: int, processes: int, seed: int) -> list[str]:
    """The lines of the table: each world on one log, and counted each so many seconds at this rate of runs."""
    lines = [
        "| canary | counted | promoted | rolled back | inconclusive | canary runs counted | served, median / p90 |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    with Pool(processes) as pool:
        for name, world in WORLDS.items():
            for way in _ways(rate, every_s, shards):
                count = rollouts * (2 if world.is_null else 1)
                parts = [Part(world, way, CHUNK, f"{seed}/{name}/{way}/{part}") for part in range(-(-count // CHUNK))]
                ends = [end for part in pool.imap(play, parts) for end in part]
                lines.append(f"| {name} | {way.name} | {_row(ends)} |")
    return lines


def _ways(rate: float, every_s: Sequence[float], shards: int) -> list[Way]:
    found = [Way("one log, each run", 1, 1)]
    for every in every_s:
        together = max(1, round(rate * every))
        found.append(Way(f"every {every:g} s, {together:,} runs", together, shards))
    return [*found, Way(f"{SORTED} runs, sorted against the truth", SORTED, shards, is_sorted=True)]


def _row(ends: Sequence[End]) -> str:
    words = " | ".join(share(ends, verdict) for verdict in ("promote", "roll back", "inconclusive"))  # type: ignore[arg-type]
    counted, served = [end.counted for end in ends], [end.canary_runs for end in ends]
    return f"{words} | {quantile(counted, 0.5)} | {quantile(served, 0.5)} / {quantile(served, 0.9)}"
