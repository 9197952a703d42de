"""How fast events are appended: one at a time, a thousand at a time, in batches by one thread and by four processes.

    python benchmarks/appending.py --folder .

All measurements run on one disk: times as multiples of an fdatasync, rates as multiples of raw SQLite
(``synchronous=FULL``), beside the stock ``eventsourcing`` application. The methods alternate, append by append, so that
a change of the disk's speed affects all of them. Run it alone: other load slows the methods, but not equally.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate as StockAggregate
from eventsourcing.domain import event

from grokputer.domain.aggregates.base import Aggregate
from grokputer.domain.events import StepTaken
from grokputer.runners.store.codec import encode
from grokputer.runners.store.ledger import Ledger, Save

MEMORY = "/dev/shm"
WARM, SINGLES, TOGETHER, BATCHES, PROCESSES = 20, 500, 1000, 20, 4
SIZES = (1, 16, 64)
TABLE = (
    "CREATE TABLE stored_events (position INTEGER PRIMARY KEY AUTOINCREMENT, originator_id TEXT, originator_version INTEGER, "
    "topic TEXT, state BLOB, UNIQUE (originator_id, originator_version))"
)
INSERT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)"

Prepare = Callable[[int], Callable[[], object]]
"""Make this many events; the returned function appends them in one transaction."""


def step(id: UUID, version: int) -> StepTaken:
    """An event of the most common kind, about 370 bytes."""
    return StepTaken(
        originator_id=id, originator_version=version, time=datetime.now(UTC), actor="ada", step=version, role="action",
        prompt=f"sha256:{id.hex * 2}", answer=f"sha256:{id.hex * 2}", error="", model_ms=40, environment_ms=12,
        prompt_tokens=90, completion_tokens=9, tools=None, tool_calls=None,
        kind="act", goal=0, found="", model=None, screen=None, confidence=None, completion=None,
    )  # fmt: skip


def raw(folder: Path) -> Prepare:
    """Raw SQLite, without this program."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", TABLE):
        connection.execute(statement)

    def prepare(count: int) -> Callable[[], None]:
        id = uuid4()
        steps = [step(id, version) for version in range(1, count + 1)]

        def append() -> None:
            connection.execute("BEGIN")
            rows = [(id.hex, step.originator_version, "StepTaken", encode(step)) for step in steps]
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")

        return append

    return prepare


class StockRun(StockAggregate):
    """A run as an aggregate of the library."""

    @event("StepTaken")
    def take_step(self, step: int, role: str, prompt: str, answer: str, error: str, model_ms: int) -> None:
        """One step."""


def stock(folder: Path) -> Prepare:
    """The library's own application."""
    app: Application[UUID] = Application(
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "stock.db")}
    )

    def prepare(count: int) -> Callable[[], object]:
        run = StockRun()
        for number in range(count - 1):
            text = f"sha256:{run.id.hex * 2}"
            run.take_step(step=number, role="action", prompt=text, answer=text, error="", model_ms=40)
        return lambda: app.save(run)

    return prepare


def ours(folder: Path) -> Prepare:
    """This program's ledger."""
    ledger = Ledger.create(folder / "events.db")

    def prepare(count: int) -> Callable[[], None]:
        run = Aggregate(uuid4())
        run.take_back([step(run.id, version) for version in range(1, count + 1)])
        return lambda: ledger.store(run)

    return prepare


def fdatasync(folder: Path) -> Prepare:
    """One page, flushed to the disk."""
    file = os.open(folder / "page", os.O_WRONLY | os.O_CREAT)

    def sync() -> None:
        os.write(file, b"x" * 4096)
        os.fdatasync(file)

    return lambda count: sync


def in_turn(
    ways: Mapping[str, Prepare], count: int, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median elapsed seconds in which each method appends this many events in one transaction."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(WARM + rounds):
        for name, prepare in ways.items():
            append = prepare(count)
            began = clock()
            append()
            took[name].append(clock() - began)
    return {name: statistics.median(times[WARM:]) for name, times in took.items()}


def cpu(ways: Mapping[str, Callable[[Path], Prepare]]) -> dict[str, float]:
    """CPU seconds of a single append without waiting for a disk: the program's own share, the median."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    try:
        return in_turn({name: way(folder) for name, way in ways.items()}, 1, SINGLES, time.thread_time)
    finally:
        shutil.rmtree(folder)


def batch_of(ledger: Ledger, size: int) -> Prepare:
    """Many members in one commit, each of several events and each able to fail alone, as one thread stores for others."""

    def prepare(count: int) -> Callable[[], object]:
        saves = []
        for _ in range(size):
            run = Aggregate(uuid4())
            run.take_back([step(run.id, version) for version in range(1, count + 1)])
            saves.append(Save((run,)))
        return lambda: ledger.store_all(saves)

    return prepare


WRITE = f"""
import sys, time; sys.path.insert(0, sys.argv[1])
from pathlib import Path; import appending
prepare = appending.ours(Path(sys.argv[2])); appends = [prepare(1) for _ in range({SINGLES})]
longest, began = 0.0, time.perf_counter()
for append in appends:
    at = time.perf_counter(); append(); longest = max(longest, time.perf_counter() - at)
print(time.perf_counter() - began, longest)
"""


def processes(folder: Path, count: int) -> tuple[float, float]:
    """Events per second by all processes together, and the longest wait of one of them, in seconds."""
    Ledger.create(folder / "events.db").close()
    command = [sys.executable, "-c", WRITE, str(Path(__file__).parent), str(folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    took = [tuple(map(float, process.communicate()[0].split())) for process in running]
    return SINGLES * count / max(time[0] for time in took), max(time[1] for time in took)


def main() -> None:
    """Measure and print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path(), help="on the disk that is to be measured")
    folder = Path(tempfile.mkdtemp(dir=options.parse_args().folder))
    try:
        ways = {"raw SQLite": raw, "stock library": stock, "grokputer": ours}
        prepared = {name: way(folder) for name, way in ways.items()}
        single = in_turn({"fdatasync": fdatasync(folder), **prepared}, 1, SINGLES)
        several, used, sync = in_turn(prepared, TOGETHER, BATCHES), cpu(ways), single["fdatasync"]
        print(f"fdatasync {sync * 1000:.2f} ms")
        print(f"{'':20} {'one, ms':>8} {'x fdatasync':>12} {'CPU us':>8} {'1000 a time, /s':>16} {'x raw':>6}")
        for name in ways:
            rate, ratio = TOGETHER / several[name], several["raw SQLite"] / several[name]
            one = f"{single[name] * 1000:8.2f} {single[name] / sync:12.2f}"
            print(f"{name:20} {one} {used[name] * 1e6:8.0f} {rate:16,.0f} {ratio:6.2f}")
        ledger = Ledger.create(folder / "batches.db")
        took = in_turn({str(size): batch_of(ledger, size) for size in SIZES}, 1, SINGLES // 5)
        each = {size: took[str(size)] / size for size in SIZES}
        shown = ", ".join(f"{size} a commit {each[size] * 1e6:.0f} us" for size in SIZES)
        print(
            f"one thread, an event for each of many: {shown} each, {each[1] / each[SIZES[-1]]:.1f} times the rate of one"
        )
        (folder / "one").mkdir()
        (folder / "four").mkdir()
        alone, (rate, longest) = processes(folder / "one", 1)[0], processes(folder / "four", PROCESSES)
        print(
            f"{PROCESSES} processes: {rate / alone:.2f} times the rate of one in all, the longest wait {longest:.2f} s"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
