"""What 40 corrections teach a language model on a desktop: success by family before and after, and the metrics of the roles.

    python benchmarks/desktop_loop.py --out desktop-loop --seeds 1 2 3    # hours on two cores; started again, it continues
    python benchmarks/desktop_loop.py --out desktop-loop --from-log       # the same tables, from the logs alone
    python benchmarks/desktop_loop.py --out small-loop --base embedded    # the same with the embedded model

The loop is that of ``make demo-desktop``, on its six families and two more. Five others, one of each subject, are measured and
never taught. All measurements are on seeds that no feedback has. Each seed has a log of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grokputer.projections.bench import Count, Learning
from grokputer.projections.wording.role_metrics import describe_metric, role_metric
from grokputer.runners.bench.desktop import FAMILIES, TAUGHT, UNTAUGHT, plan_desktop
from grokputer.runners.bench.loop import Lines, play
from grokputer.runners.bench.plan import Plan, Reasoned
from grokputer.runners.bench.report import measured_cycles, read_learning, show_count
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.states import load_state

EIGHT = (*FAMILIES, "enter-code", "new-folder")
"""The families that are taught: dialogs, texts, a setting, files and folders, several windows."""

NEVER_TAUGHT = ("enter-password", "delete-line", "word-wrap", "drag-file", "copy-number")
"""One family of each subject: dialogs, texts, settings, files, several windows."""

ROLES = ("ocr", "action", "decomposition", "recovery")


def plan_of(seed: int, base: str, measured: int) -> Plan:
    """The demo's plan on the eight families, and on the others to measure."""
    plan = plan_desktop(seed, EIGHT, NEVER_TAUGHT, measured)
    given: Reasoned = {"model.base": (base, "given for this benchmark"), "run.max_tokens": (96, "enough for any base")}
    return plan if base == plan.settings["model.base"][0] else replace(plan, settings={**plan.settings, **given})


def read(logs: Sequence[Path]) -> list[Learning]:
    """The seeds that are measured to their end."""
    found = [read_learning(Log.open(log)) for log in logs]
    return [learning for learning in found if len(measured_cycles(learning)) > 1]


def row(name: str, counts: Sequence[Sequence[Count]]) -> str:
    """A row of the table: the counts before and after, over all seeds."""
    before, after = (show_count(sum(pair, Count())) for pair in zip(*counts, strict=True))
    return f"| {name} | {before} | {after} |"


def print_families(learnings: Sequence[Learning]) -> None:
    """Print success by family, and over each group."""
    print("| family | before | after |\n|---|---|---|")
    for group, families in ((TAUGHT, EIGHT), (UNTAUGHT, NEVER_TAUGHT)):
        of_group = []
        for family in families:
            counts = [[cycle.tasks[group, family] for cycle in learning.cycles[:2]] for learning in learnings]
            of_group += counts
            print(row(family, counts))
        print(row(f"**{group}**", of_group))


def print_effort(learnings: Sequence[Learning]) -> None:
    """Print what each seed took, and how its cycle ended."""
    print("\n| seed | rated | corrected | training, minutes | cycle |\n|---|---|---|---|---|")
    for learning in learnings:
        cycle = learning.cycles[1]
        corrected, minutes = cycle.corrected("reviewer"), cycle.training_s / 60
        print(f"| {learning.seed} | {len(cycle.rated)} | {corrected} | {minutes:.1f} | {cycle.outcome} |")


def print_metrics(logs: Sequence[Path]) -> None:
    """Print the metrics of the roles, as ``status`` has them, over the rated runs of the base and of its adapter."""
    for log in logs:
        metrics = load_state(Log.open(log)).role_metrics
        print(f"\n{log}")
        for adapter in ("base", "lora-v1"):
            for role in ROLES:
                print(f"  {adapter}: {describe_metric(role, role_metric(metrics, role, adapter))}")


def main() -> None:
    """Play the loops, or what is left of them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("desktop-loop"), help="folder of the logs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--base", default="smollm2", help="the model; each has a folder of its own")
    parser.add_argument("--measured", type=int, default=3, help="runs of each family, before and after")
    parser.add_argument("--from-log", action="store_true", help="play nothing")
    given = parser.parse_args()
    logs = [given.out / f"seed-{seed}" / "events.db" for seed in given.seeds]
    for seed, log in zip(given.seeds, logs, strict=True):
        if not given.from_log:
            log.parent.mkdir(parents=True, exist_ok=True)
            play(Ledger.create(log), plan_of(seed, given.base, given.measured), "bench", Lines(f"seed {seed}"))
    logs = [log for log in logs if log.exists()]
    learnings = read(logs)
    if not learnings:
        raise SystemExit(f"no log in {given.out} is measured to its end yet")
    print_families(learnings)
    print_effort(learnings)
    print_metrics(logs)


if __name__ == "__main__":
    main()
