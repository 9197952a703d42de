"""The cost of following the log: the process manager from cause to consequence, and another process that watches.

    python benchmarks/following.py --folder .

The process manager is compared with two direct saves, in the same run on the same disk. The two alternate, so that a
change of the disk's speed affects both. Run it alone.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from grokputer.domain.aggregates.role import RoleImprovement, role_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.tail import Watch

LOGS, PAIRS = 5, 40
"""Pairs in each of so many logs: a role has had twenty cycles at the end, which a million events come to."""
PACES = {"busy": (300, 0.03), "nearly idle": (20, 1.0)}
"""Number of events, and the seconds between two of them: a watch checks less often while nothing happens."""
RUN: dict[str, Any] = {
    "role": "action", "arm": "stable", "adapter": None, "rollout": None, "environment": "miniwob", "task": "click-link",
    "seed": 1, "base": "embedded", "session": None, "policy": {"run.max_steps": 12},
}  # fmt: skip


def start_run(ledger: Ledger) -> None:
    """Save one event."""
    context = ledger.context("ada")
    ledger.write(TaskRun, uuid4(), lambda run: run.start(context, **RUN))


def twice(ledger: Ledger) -> None:
    """The minimum of the process manager: two saves."""
    start_run(ledger)
    start_run(ledger)


def milliseconds(work: Callable[[], object]) -> float:
    """The duration of the work, in milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def in_turn(ledger: Ledger) -> tuple[list[float], list[float]]:
    """Milliseconds of two saves, and from a cause to its consequence in the log, alternately.

    The causes are opened cycles, which request a training, and declined trainings.
    """
    state, direct, took = process_new_events(ledger), list[float](), list[float]()
    for _ in range(PAIRS // 2):
        direct.append(milliseconds(partial(twice, ledger)))
        process_new_events(ledger, state)
        role = ledger.get(RoleImprovement, role_id("action"))
        role.open("action", None, "a benchmark", ledger.context("ada"))

        def cause(role: RoleImprovement = role) -> None:
            ledger.store(role)
            process_new_events(ledger, state)

        took.append(milliseconds(cause))
        direct.append(milliseconds(partial(twice, ledger)))
        process_new_events(ledger, state)
        training = next(id for id, training in state.registry.trainings.items() if training.status == "requested")
        job = ledger.get(TrainingJob, UUID(training))
        job.decline("too little", 0, 5, ledger.position, ledger.context("grokputer"))

        def decline(job: TrainingJob = job) -> None:
            ledger.store(job)
            process_new_events(ledger, state)

        took.append(milliseconds(decline))
        assert state.rollouts.cycle("action") is None
    return direct, took


def watch(path: Path, count: int) -> None:
    """Print the delay in ms until each event was seen, then the share of a core that watching used."""
    log = Log.open(path)
    follower, last, began, used = Watch(log), log.position, time.perf_counter(), time.process_time()
    print("ready", flush=True)
    seen = 0
    while seen < count:
        follower.wait(10)
        for stored in log.read(last + 1):
            print((datetime.now(UTC) - stored.event.time).total_seconds() * 1000)
            last, seen = stored.position, seen + 1
    print((time.process_time() - used) / (time.perf_counter() - began), flush=True)


def lateness(ledger: Ledger, count: int, apart_s: float) -> tuple[list[float], float]:
    """Milliseconds from an event's time, before its save, until another process has read it; and the used share of a core."""
    command = [sys.executable, __file__, "--watch", str(ledger.path), "--count", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(count):
            time.sleep(apart_s)
            start_run(ledger)
        *late, share = map(float, process.stdout.read().split())
    return late, share


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path(), help="on the disk that is to be measured")
    options.add_argument("--watch", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--count", type=int, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.watch is not None:
        watch(arguments.watch, arguments.count)
        return
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        direct, followed = list[float](), list[float]()
        for number in range(LOGS):
            ledger = Ledger.create(folder / f"events-{number}.db")
            for _ in range(50):
                start_run(ledger)
            saves, causes = in_turn(ledger)
            direct, followed = direct + saves, followed + causes
        two, took = statistics.median(direct), statistics.median(followed)
        print(f"two saves {two:.2f} ms; cause and consequence by the process {took:.2f} ms, {took / two:.2f} times")
        for pace, (count, apart_s) in PACES.items():
            late, share = lateness(ledger, count, apart_s)
            late.sort()
            middle, most = statistics.median(late), late[int(len(late) * 0.99)]
            print(
                f"{pace}, {apart_s:g} s between events: seen by another process after {middle:.1f} ms (p50), "
                f"{most:.1f} ms (p99), for {share:.1%} of a core"
            )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
