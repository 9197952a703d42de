"""How long a reading command takes, as a multiple of an empty program that imports typer, rich and eventsourcing.

    python benchmarks/startup.py --runs 21 --events 1000

Whole processes, interleaved so that noise of the machine affects all of them; medians of elapsed and of CPU time.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.settings.settings import Policy
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger

EMPTY = "import typer, rich, eventsourcing.application, eventsourcing.sqlite"
BARE = "import typer, rich, eventsourcing"  # the library's own __init__ is empty
PROMPT = '[{"role": "user", "content": "task: Click the button.\\nbutton:Ok[1]\\ndo: "}]'
COMMANDS = (
    "--help",
    "status",
    "runs",
    "show {run}",
    "log",
    "log --json",
    "log --limit 20",
    "at 500",
    "adapters",
    "rollouts",
    "settings",
)


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=21)
    options.add_argument("--events", type=int, default=1000)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.db"
        run = write_log(path, arguments.events)
        programs = {"empty program": [sys.executable, "-c", EMPTY], "the bare packages": [sys.executable, "-c", BARE]}
        for command in COMMANDS:
            words = command.format(run=run).split()
            db = [] if command == "--help" else ["--db", str(path)]
            programs[command] = [sys.executable, "-c", "from grokputer.cli import main; main()", *words, *db]
        print_table(measure(programs, arguments.runs))


def write_log(path: Path, events: int) -> str:
    """A log of this many events, all followed; the id of one of its runs."""
    ledger = Ledger.create(path)
    while ledger.position < events:
        run = TaskRun(_id(ledger.position))
        context = ledger.context("ada")
        run.start(
            context, role="action", arm="stable", adapter=None, rollout=None, environment="miniwob", task="click-button",
            seed=ledger.position, base="embedded", session=None, policy={"run.max_steps": 12},
        )  # fmt: skip
        run.take_step(
            context, prompt=ledger.put(PROMPT), answer=ledger.put("CLICKbutton:Ok[1]"), error="", model_ms=30,
            environment_ms=10, prompt_tokens=80, completion_tokens=9,
        )  # fmt: skip
        run.succeed(1200, 1.0, Policy(), context)
        run.rate(5, "human", [], None, context)
        ledger.store(run)
    process_new_events(ledger)
    return run.id.hex


def _id(number: int) -> UUID:

    return derive_id("benchmark", number)


def measure(programs: dict[str, list[str]], runs: int) -> dict[str, tuple[float, float]]:
    """Median (elapsed, CPU) milliseconds of each program, without the first of its runs."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for _ in range(runs + 1):
        for name, program in programs.items():
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(program, stdout=subprocess.DEVNULL, check=True)
            elapsed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            taken[name].append((elapsed * 1000, used * 1000))
    return {
        name: (statistics.median(time[0] for time in times[1:]), statistics.median(time[1] for time in times[1:]))
        for name, times in taken.items()
    }


def print_table(measured: dict[str, tuple[float, float]]) -> None:
    """One line per program, each as a multiple of the empty one."""
    elapsed, used = measured["empty program"]
    print(f"{'command':16} {'elapsed ms':>10} {'ratio':>6} {'CPU ms':>8} {'ratio':>6}")
    for name, (wall, cpu) in measured.items():
        print(f"{name[:16]:16} {wall:10.0f} {wall / elapsed:6.2f} {cpu:8.0f} {cpu / used:6.2f}")


if __name__ == "__main__":
    main()
