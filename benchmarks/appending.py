"""How fast events are appended: one at a time, a thousand at a time, by many threads and by four processes.

    python benchmarks/appending.py --folder .

Everything in one run on one disk: times as multiples of an fdatasync, rates as multiples of raw SQLite (``synchronous=FULL``),
and beside the stock ``eventsourcing`` application. Run it alone: a busy machine is slow for all of them, but not equally.
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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate as StockAggregate
from eventsourcing.domain import event

from grokputer.domain.aggregates.base import Aggregate
from grokputer.domain.events import StepTaken
from grokputer.runners.store import writer
from grokputer.runners.store.codec import encode
from grokputer.runners.store.ledger import Ledger

MEMORY = "/dev/shm"
SINGLES, TOGETHER, BATCHES, THREADS, PROCESSES = 500, 1000, 20, 16, 4
TABLE = (
    "CREATE TABLE stored_events (position INTEGER PRIMARY KEY AUTOINCREMENT, originator_id TEXT, originator_version INTEGER, "
    "topic TEXT, state BLOB, UNIQUE (originator_id, originator_version))"
)
INSERT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)"

Prepare = Callable[[int], Callable[[], object]]
"""Make so many events; what is returned appends them in one transaction."""


def step(id: UUID, version: int) -> StepTaken:
    """An event of the commonest kind, of some 290 bytes."""
    return StepTaken(
        originator_id=id, originator_version=version, time=datetime.now(UTC), actor="ada", step=version, role="action",
        prompt=f"sha256:{id.hex * 2}", answer=f"sha256:{id.hex * 2}", error="", model_ms=40, environment_ms=12,
        prompt_tokens=90, completion_tokens=9,
    )  # fmt: skip


def raw(folder: Path) -> Prepare:
    """What the store itself can do."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", TABLE):
        connection.execute(statement)

    def prepare(count: int) -> Callable[[], None]:
        id = uuid4()
        steps = [step(id, version) for version in range(1, count + 1)]

        def append() -> None:
            connection.execute("BEGIN")
            rows = [(id.hex, it.originator_version, "StepTaken", encode(it)) for it in steps]
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")

        return append

    return prepare


class StockRun(StockAggregate):
    """A run as the library would have it."""

    @event("StepTaken")
    def take_step(self, step: int, role: str, prompt: str, answer: str, error: str, model_ms: int) -> None:
        """One step."""


def stock(folder: Path) -> Prepare:
    """The library as it comes."""
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


def fdatasync(folder: Path) -> float:
    """Milliseconds that the disk takes to make one page safe, the median."""
    file, times = os.open(folder / "page", os.O_WRONLY | os.O_CREAT), []
    for _ in range(SINGLES):
        began = time.perf_counter()
        os.write(file, b"x" * 4096)
        os.fdatasync(file)
        times.append((time.perf_counter() - began) * 1000)
    os.close(file)
    return statistics.median(times)


def measure(prepare: Prepare) -> tuple[float, float]:
    """Median ms of a single append, and events a second a thousand at a time."""
    wall, single = [], [prepare(1) for _ in range(20 + SINGLES)]
    for append in single:
        began = time.perf_counter()
        append()
        wall.append((time.perf_counter() - began) * 1000)
    several = [prepare(TOGETHER) for _ in range(BATCHES)]
    began = time.perf_counter()
    for append in several:
        append()
    return statistics.median(wall[20:]), BATCHES * TOGETHER / (time.perf_counter() - began)


def cpu(way: Callable[[Path], Prepare]) -> float:
    """Microseconds of CPU that a single append takes where no disk is waited for: the program's own share, the median."""
    folder, used = Path(tempfile.mkdtemp(dir=MEMORY)), []
    try:
        prepare = way(folder)
        for append in [prepare(1) for _ in range(20 + SINGLES)]:
            began = time.thread_time()
            append()
            used.append((time.thread_time() - began) * 1e6)
    finally:
        shutil.rmtree(folder)
    return statistics.median(used[20:])


def threads(prepare: Prepare, count: int) -> float:
    """Appends of one event a second, by so many threads, each of which makes its own one after another."""
    appends = [[prepare(1) for _ in range(SINGLES * 2 // count)] for _ in range(count)]

    def make(own: Sequence[Callable[[], object]]) -> None:
        for append in own:
            append()

    began = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(make, appends))
    return sum(map(len, appends)) / (time.perf_counter() - began)


@contextmanager
def commits_of_one() -> Iterator[None]:
    """What is stored meanwhile is committed one by one, however many wait."""
    before, writer.TOGETHER = writer.TOGETHER, 1
    try:
        yield
    finally:
        writer.TOGETHER = before


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
    """Events a second by so many processes in all, and the longest that one of them waited, seconds."""
    Ledger.create(folder / "events.db").close()
    command = [sys.executable, "-c", WRITE, str(Path(__file__).parent), str(folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    took = [tuple(map(float, process.communicate()[0].split())) for process in running]
    return SINGLES * count / max(it[0] for it in took), max(it[1] for it in took)


def main() -> None:
    """Measure and print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path(), help="on the disk that is to be measured")
    folder = Path(tempfile.mkdtemp(dir=options.parse_args().folder))
    try:
        sync = fdatasync(folder)
        print(f"fdatasync {sync:.2f} ms")
        print(f"{'':20} {'one, ms':>8} {'x fdatasync':>12} {'CPU us':>8} {'1000 a time, /s':>16} {'x raw':>6}")
        ways = {"raw SQLite": raw, "stock library": stock, "grokputer": ours}
        prepared = {name: way(folder) for name, way in ways.items()}
        ledger = prepared["grokputer"]
        rates = {name: measure(prepare) for name, prepare in prepared.items()}
        for name, (wall, rate) in rates.items():
            share = f"{cpu(ways[name]):8.0f} {rate:16,.0f} {rate / rates['raw SQLite'][1]:6.2f}"
            print(f"{name:20} {wall:8.2f} {wall / sync:12.2f} {share}")
        alone, together = threads(ledger, 1), threads(ledger, THREADS)
        with commits_of_one():
            each = threads(ledger, THREADS)
        print(
            f"{THREADS} threads: {together / each:.1f} times the rate of {THREADS} with a commit each, "
            f"{together / alone:.1f} times that of one"
        )
        (folder / "one").mkdir()
        (folder / "four").mkdir()
        single, (rate, longest) = processes(folder / "one", 1)[0], processes(folder / "four", PROCESSES)
        print(
            f"{PROCESSES} processes: {rate / single:.2f} times the rate of one in all, the longest wait {longest:.2f} s"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
