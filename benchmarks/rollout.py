"""How often the rules of a rollout are right, and how soon: ``python benchmarks/rollout.py --png rollout.png``.

The rules are the shipped ones, called through their public functions; only the world is simulated:

- Runs come one by one, 30 s apart. Each is assigned to the canary with its share, 15 % at first, and more when the rule
  says ``ramp`` (50 %). The rule decides after each run.
- The stable arm succeeds in .95 of its runs and has a mean rating of 3.9 stars; the canary's figures name the row. A
  ``dead`` canary always fails, without an error of the system, and gets one star.
- Half of the runs are rated, at random, at once, independently of success. Stars are J-shaped: 12, 7, 10, 20 and 51 %
  for 1 to 5 stars (mean 3.91), tilted exponentially to the wanted mean.
- ``sequential`` is the rule by evidence with its default terms. ``threshold`` is the plain rule with its default
  settings; it promotes at the first look at ten canary runs that it calls healthy.
- The trigger gets one rating after another. After an alarm it starts again. Its delay is counted from the rating at
  which the mean falls from 4.2 to 3.4, after 200 ratings at 4.2; series with an earlier alarm are left out.

- In the rows of ``ratings alone`` nothing judges a run: its success is unknown, as for answers in words, so the mean
  stars of the rated runs decide.

The number after ``±`` is one standard error. The ``just too bad`` canaries lie exactly at the margins: at most 5 %
of them may be promoted, and they are simulated four times as often as the others. Each row has its own seeds, so it
does not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from bisect import bisect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from multiprocessing import Pool
from pathlib import Path

from grokputer.domain.evidence.canary import Evidence
from grokputer.domain.evidence.detector import Detector
from grokputer.domain.evidence.sequential import next_weight, standing
from grokputer.domain.evidence.terms import CanaryTerms, TriggerTerms
from grokputer.domain.rules.breach import Window, is_breach
from grokputer.domain.rules.canary import Outcome, assess_canary
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Times

SECONDS_PER_RUN = 30.0
WEIGHT_PERCENT = 15
J_SHAPE = (0.12, 0.07, 0.10, 0.20, 0.51)
"""Shares of 1 to 5 stars. Chosen after reviews of products, of which half give five stars and then most four or one: Hu,
Zhang and Pavlou, "Overcoming the J-shaped distribution of product reviews" (2009)."""

CHUNK = 250
"""Simulations that one process does at a time, with their own seed."""


@dataclass(frozen=True)
class World:
    """The two arms' success rates and mean stars, and the share of the runs that are rated."""

    success: float
    stars: float
    stable_success: float = 0.95
    stable_stars: float = 3.9
    rated: float = 0.5
    is_judged: bool = True
    """Whether the success of a run is known; where not, ratings alone decide."""
    is_null: bool = False
    """Whether the canary is just too bad: then promotions are errors, and it is simulated four times as often."""


WORLDS = {
    "equal .95/3.9": World(0.95, 3.9),
    "better .98/4.1": World(0.98, 4.1),
    "just too bad .90/3.9": World(0.90, 3.9, is_null=True),
    "just too bad .98/3.5": World(0.98, 3.5, is_null=True),
    "worse .90/3.3": World(0.90, 3.3),
    "bad .80/3.9": World(0.80, 3.9),
    "broken .50/2.5": World(0.50, 2.5),
    "dead": World(0.0, 1.0),
}
RATED = {"a fifth": 0.2, "half": 0.5, "all": 1.0}
MEANS = {"equal 3.9": 3.9, "better 4.3": 4.3, "just too bad 3.5": 3.5, "worse 3.3": 3.3, "bad 2.5": 2.5}
RATINGS_ALONE = {
    f"{canary}, {share} rated": World(0.95, stars, rated=rated, is_judged=False, is_null=canary.startswith("just"))
    for share, rated in RATED.items()
    for canary, stars in MEANS.items()
}
"""Worlds in which nothing judges a run but its rating."""

FURTHER = {
    "equal, a fifth rated": World(0.95, 3.9, rated=0.2),
    "equal .85/3.9": World(0.85, 3.9, stable_success=0.85),
    "equal .70/3.5": World(0.70, 3.5, stable_success=0.70, stable_stars=3.5),
}
"""Worlds outside the rule's assumptions; simulated when they are named."""

ALL = {**WORLDS, **RATINGS_ALONE, **FURTHER}


@dataclass(frozen=True)
class End:
    """The verdict on one rollout, the runs of its canary, and all its runs."""

    verdict: str
    canary_runs: int
    runs: int


def play_sequential(world: World, draw: random.Random) -> End:
    """One rollout under the sequential rule."""
    terms = CanaryTerms() if world.is_judged else CanaryTerms(unknown=("success",))
    evidence = Evidence.begin(terms, WEIGHT_PERCENT)
    weight, runs = WEIGHT_PERCENT, 0
    while True:
        runs += 1
        arm, success, stars = draw_run(world, weight, draw)
        evidence.end(arm, success if world.is_judged else None)
        if stars is not None:
            evidence.rate(arm, stars)
        times = Times.since_start(runs * SECONDS_PER_RUN)
        word, reason = standing(evidence, times)
        if reason == "no worse so far":
            weight = next_weight(evidence, times) or weight
            evidence.weigh(weight)
        elif word != "hold":
            return End(word, evidence.canary_outcomes, runs)


def play_threshold(world: World, draw: random.Random) -> End:
    """One rollout under the plain rule, which ignores the stable arm."""
    canary: list[Outcome] = []
    runs = 0
    while True:
        runs += 1
        arm, success, stars = draw_run(world, WEIGHT_PERCENT, draw)
        if arm == "canary":
            canary.append(Outcome(runs, bool(success) if world.is_judged else None, True, False, stars))
            word = assess_canary(
                canary, (), Times.since_start(runs * SECONDS_PER_RUN), Policy(), "action", "threshold"
            ).verdict
            if word != "hold":
                return End(word, len(canary), runs)


PLAYS: dict[str, Callable[[World, random.Random], End]] = {"sequential": play_sequential, "threshold": play_threshold}


def draw_run(world: World, weight: int, draw: random.Random) -> tuple[str, int, int | None]:
    """One run: its arm, 1 for a success or 0, and its stars if it is rated."""
    if draw.random() * 100 < weight:
        arm, rate, mean = "canary", world.success, world.stars
    else:
        arm, rate, mean = "stable", world.stable_success, world.stable_stars
    success = int(draw.random() < rate)
    return arm, success, draw_stars(mean, draw) if draw.random() < world.rated else None


def draw_stars(mean: float, draw: random.Random) -> int:
    """Stars from the J shape with this mean, 1 to 5."""
    return bisect(shares_up_to(mean), draw.random()) + 1


@cache
def shares_up_to(mean: float) -> tuple[float, ...]:
    """The shares of ratings with up to 1, 2, 3 and 4 stars: the J shape, tilted exponentially to the mean."""
    low, high = -50.0, 50.0
    for _ in range(100):
        tilt = (low + high) / 2
        weights = [share * math.exp(tilt * (star - 3)) for star, share in enumerate(J_SHAPE, 1)]
        reached = sum(star * weight for star, weight in enumerate(weights, 1)) / sum(weights)
        low, high = (tilt, high) if reached < mean else (low, tilt)
    return tuple(accumulate(weight / sum(weights) for weight in weights[:4]))


@dataclass(frozen=True)
class Chunk:
    """Several rollouts of one row that are simulated with one seed."""

    rule: str
    row: str
    count: int
    seed: str


def play(chunk: Chunk) -> list[End]:
    """The ends of the chunk's rollouts."""
    draw = random.Random(chunk.seed)
    world = ALL[chunk.row]
    return [PLAYS[chunk.rule](world, draw) for _ in range(chunk.count)]


Trigger = Callable[[float], bool]
"""A function that takes the next rating and returns whether it is an alarm."""


def sequential_trigger() -> Trigger:
    """A new detector with the default terms."""
    detector = Detector(TriggerTerms())

    def take(stars: float) -> bool:
        detector.take(stars)
        return detector.is_alarm

    return take


def threshold_trigger() -> Trigger:
    """The plain rule, beginning with an empty window."""
    policy = Policy({"rating.rule": "threshold"})
    ratings: deque[tuple[int, int]] = deque(maxlen=policy.rating(None).window)

    def take(stars: float) -> bool:
        ratings.append((0, int(stars)))
        return is_breach(Window("action", None, ratings, len(ratings)), policy)

    return take


TRIGGERS = {"sequential": sequential_trigger, "threshold": threshold_trigger}


@dataclass(frozen=True)
class Watch:
    """Ratings with one mean for a trigger: their number, and how long it rests after an alarm."""

    rule: str
    mean: float
    ratings: int
    rest: int
    seed: str


def count_alarms(watch: Watch) -> tuple[int, int]:
    """Numbers of breaches and of ratings. After a breach the trigger starts again; alarms during the rest do not count."""
    draw = random.Random(watch.seed)
    take, alarms, resting = TRIGGERS[watch.rule](), 0, 0
    for _ in range(watch.ratings):
        is_alarm = take(draw_stars(watch.mean, draw))
        resting = max(0, resting - 1)
        if is_alarm and not resting:
            take, alarms, resting = TRIGGERS[watch.rule](), alarms + 1, watch.rest
    return alarms, watch.ratings


def delay(rule: str, draw: random.Random, before: int = 200) -> int | None:
    """Number of ratings from a fall of the mean from 4.2 to 3.4 to the alarm; None where there was an earlier alarm."""
    take = TRIGGERS[rule]()
    if any(take(draw_stars(4.2, draw)) for _ in range(before)):
        return None
    ratings = 1
    while not take(draw_stars(3.4, draw)):
        ratings += 1
    return ratings


def delays(chunk: Chunk) -> list[int | None]:
    """The delays of the chunk's triggers."""
    draw = random.Random(chunk.seed)
    return [delay(chunk.rule, draw) for _ in range(chunk.count)]


def chunks(rule: str, row: str, count: int, seed: int) -> list[Chunk]:
    """The row's rollouts in chunks, each with its own seed, whatever the number of processes."""
    return [
        Chunk(rule, row, min(CHUNK, count - start), f"{seed}/{rule}/{row}/{start}") for start in range(0, count, CHUNK)
    ]


def share(ends: Sequence[End], verdict: str) -> str:
    """The share with that verdict and its standard error."""
    found = sum(end.verdict == verdict for end in ends) / len(ends)
    return f"{found:.3f} ±{math.sqrt(found * (1 - found) / len(ends)):.3f}"


def quantile(values: Sequence[int], at: float) -> int:
    """The smallest value that this share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(at * len(values)) - 1)]


def describe_row(row: str, ends: Sequence[End]) -> str:
    """One line of the table."""
    words = " | ".join(share(ends, verdict) for verdict in ("promote", "roll back", "inconclusive"))
    ours, everyone = [end.canary_runs for end in ends], [end.runs for end in ends]
    return (
        f"| {row:29} | {words} | {quantile(ours, 0.5):4} / {quantile(ours, 0.9):4} | {quantile(everyone, 0.5):5} "
        f"| {len(ends):6} |"
    )


def play_rows(rule: str, rows: Sequence[str], runs: int, seed: int, processes: int) -> dict[str, list[End]]:
    """Simulate every row and print its line when it is done."""
    print(
        f"\n{rule}\n| canary | promoted | rolled back | inconclusive | canary runs, median / p90 | all runs | played |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    found = {}
    with Pool(processes) as pool:
        for row in rows:
            count = runs * (4 if ALL[row].is_null else 1)
            parts = pool.imap(play, chunks(rule, row, count, seed))
            found[row] = [end for part in progress(row, parts, count) for end in part]
            print(describe_row(row, found[row]), flush=True)
    return found


def progress(row: str, parts: Iterator[list[End]], count: int) -> Iterator[list[End]]:
    """The same items, with progress on stderr where it is a terminal."""
    done = 0
    for part in parts:
        done += len(part)
        if sys.stderr.isatty():
            print(f"\r{row}: {done} of {count}\033[K", end="\r", file=sys.stderr, flush=True)
        yield part


def watch_triggers(runs: int, seed: int, processes: int) -> None:
    """The trigger's table: ``runs`` thousand ratings for each mean."""
    print(
        "\ntrigger\n| rule | ratings to a false alarm at 3.8 | 3.9 | 4.0 | per 1,000 ratings at 3.8, with cooldown | delay |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    rests = {"sequential": TriggerTerms().cooldown, "threshold": Policy().rating(None).cooldown}
    with Pool(processes) as pool:
        for rule, rest in rests.items():
            cells = []
            for mean, resting in ((3.8, 0), (3.9, 0), (4.0, 0), (3.8, rest)):
                parts = min(runs, 40)
                watches = [
                    Watch(rule, mean, runs * 1000 // parts, resting, f"{seed}/{rule}/{mean}/{resting}/{part}")
                    for part in range(parts)
                ]
                counted = pool.map(count_alarms, watches, chunksize=1)
                alarms, ratings = sum(one for one, _ in counted), sum(other for _, other in counted)
                error = 1 / math.sqrt(max(alarms, 1))  # alarms form a Poisson process
                rate, run = alarms / (runs * 1000) * 1000, ratings / max(alarms, 1)
                cells.append(f"{rate:.2f} ±{rate * error:.2f}" if resting else f"{run:,.0f} ±{run * error:,.0f}")
            delays_of_all = [one for part in pool.map(delays, chunks(rule, "delay", runs, seed)) for one in part]
            known = [one for one in delays_of_all if one is not None]
            print(f"| {rule} | {' | '.join(cells)} | {statistics.median(known):.0f} |", flush=True)


def draw_table(found: dict[str, dict[str, list[End]]], path: Path) -> None:
    """Write the picture, PNG: for each rule the verdicts of every row, and the number of canary runs before them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Source: Okabe and Ito, distinct for colour-blind people too.
    colours = {"promote": "#009E73", "inconclusive": "#BBBBBB", "roll back": "#D55E00"}
    figure = Figure(figsize=(11, 1.2 + 2.2 * len(found)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(found), 2, squeeze=False, sharey="row")
    for (rule, rows), (shares, sizes) in zip(found.items(), grid, strict=True):
        names = list(rows)[::-1]
        left = [0.0] * len(names)
        for verdict, colour in colours.items():
            widths = [100 * sum(end.verdict == verdict for end in rows[name]) / len(rows[name]) for name in names]
            shares.barh(names, widths, left=left, color=colour, label=verdict)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        shares.set_title(f"{rule}: verdicts, %", loc="left")
        sizes.boxplot([[end.canary_runs for end in rows[name]] for name in names], orientation="horizontal", whis=(10, 90),
                      showfliers=False, positions=range(len(names)), manage_ticks=False)  # fmt: skip
        sizes.set_xscale("log")
        sizes.set_title("canary runs to the verdict (whiskers: 10 and 90 %)", loc="left")
        for axes in (shares, sizes):
            axes.spines[["top", "right"]].set_visible(False)
    grid[0][0].legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.12), frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Simulate the table and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=4000, help="rollouts per row; four times as many of the nulls")
    options.add_argument(
        "--rows", nargs="+", choices=[*ALL, "trigger"], default=[*WORLDS, *RATINGS_ALONE, "trigger"], metavar="ROW",
        help="the rows by their names, and the trigger; default: all but the worlds outside the assumptions",
    )  # fmt: skip
    options.add_argument("--rules", nargs="+", choices=list(PLAYS), default=list(PLAYS))
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--png", type=Path, help="draw the tables, too; needs the extra 'bench'")
    arguments = options.parse_args()
    rows = [row for row in arguments.rows if row != "trigger"]
    found = {
        rule: play_rows(rule, rows, arguments.runs, arguments.seed, arguments.processes)
        for rule in arguments.rules
        if rows
    }
    if "trigger" in arguments.rows:
        watch_triggers(arguments.runs, arguments.seed, arguments.processes)
    if arguments.png and found:
        draw_table(found, arguments.png)


if __name__ == "__main__":
    main()
