"""The two stores of a log side by side, in one run on one disk: a file of SQLite, and a PostgreSQL server of its own.

    python benchmarks/stores.py --folder .

Both are measured in turn, append by append or second by second, so that a change of the machine's or the disk's speed
affects both. Each figure of PostgreSQL is given as a ratio to that of SQLite in the same round, above 1 for the faster
one. Run it alone. The server syncs each commit that is acknowledged, as its defaults are.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

from grokputer.benchmarks import appending, history
from grokputer.domain.aggregates.base import Aggregate
from grokputer.projections.state.state import State
from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.jsonl import export_log, import_log
from grokputer.runners.archive.replay import replay
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import Place, text_of
from grokputer.runners.store.states import fold, load_state

ROOT = Path(__file__).parents[1]
SQLITE, POSTGRES = "SQLite", "PostgreSQL"
SINGLES, TOGETHER, BATCHES = 300, 1000, 15
PROCESSES, THREADS, LASTS_S = 4, 4, 2.0
READS = 300
"""Point reads of a round."""

Work = Callable[[], object]


def prepared(ledger: Ledger) -> appending.Prepare:
    """Events of one new aggregate, to be stored in one transaction."""

    def prepare(count: int) -> Work:
        run = Aggregate(uuid4())
        run.take_back([appending.step(run.id, version) for version in range(1, count + 1)])
        return lambda: ledger.store(run)

    return prepare


WRITE = f"""
import sys, threading, time
from grokputer.benchmarks import stores
from grokputer.runners.store.place import read_place
ledger = stores.Ledger.open(read_place(sys.stdin.readline().strip()))
prepare, counts = stores.prepared(ledger), [0] * {THREADS}
prepare(1)()
print("ready", flush=True); sys.stdin.readline()
end = time.perf_counter() + {LASTS_S}
def write(number):
    while time.perf_counter() < end:
        prepare(1)()
        counts[number] += 1
threads = [threading.Thread(target=write, args=(number,)) for number in range({THREADS})]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(sum(counts), time.perf_counter() - end + {LASTS_S})
"""


def many_writers(place: Place) -> float:
    """Events per second of all threads of all processes together; each event is safe on the disk before the next."""
    command = [sys.executable, "-c", WRITE]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for word in (text_of(place), "go"):
        for process in running:
            assert process.stdin is not None
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
        if word != "go":
            for process in running:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
    told = [process.communicate()[0].split() for process in running]
    return sum(int(count) / float(took) for count, took in told)


def seconds(work: Work) -> float:
    """The duration of the work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ways_to_read(log: Log, count: int) -> Mapping[str, tuple[int, Work]]:
    """By name, the number of things that are read, and the work."""
    draw = random.Random(1)
    places = [draw.randint(1, count) for _ in range(READS)]
    found = [log.at(position).event for position in places]
    keys = [key for _, key in zip(range(READS), _keys(log), strict=False)]
    return {
        "reading all events": (count, lambda: sum(1 for _ in log.read())),
        "the state folded from nothing": (count, lambda: fold(log, State())),
        "verify": (count, lambda: verify(log)),
        "replay": (count, lambda: replay(log)),
        "the state at a position": (READS, lambda: [load_state(log, position) for position in places]),
        "one event": (READS, lambda: [log.at(position) for position in places]),
        "the events of one aggregate": (READS, lambda: [log.history(event.originator_id) for event in found]),
        "one text": (len(keys), lambda: [log.get_content(key) for key in keys]),
        "many texts at once": (len(keys), lambda: log.get_contents(keys)),
    }


def _keys(log: Log) -> list[str]:
    with log.reading() as rows:
        return [key for (key,) in rows.execute("SELECT key FROM content ORDER BY key LIMIT 2000")]


def told(what: str, rates: Mapping[str, list[float]], unit: str) -> None:
    """Print the medians of both stores, and the median and range of their ratios by rounds."""
    ratios = [there / here for here, there in zip(rates[SQLITE], rates[POSTGRES], strict=True)]
    here, there = (statistics.median(rates[name]) for name in (SQLITE, POSTGRES))
    between = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"{what:34} {here:12,.0f} {there:12,.0f} {unit:9} {statistics.median(ratios):6.2f} ({between})", flush=True)


def append(places: Mapping[str, Place], rounds: int) -> None:
    """Measure and print the rates of appending."""
    ledgers = {name: Ledger.create(place) for name, place in places.items()}
    ways = {name: prepared(ledger) for name, ledger in ledgers.items()}
    one, many, several = ({name: list[float]() for name in places} for _ in range(3))
    for _ in range(rounds):
        for name, took in appending.in_turn(ways, 1, SINGLES // rounds).items():
            one[name].append(1 / took)
        for name, took in appending.in_turn(ways, TOGETHER, max(3, BATCHES // rounds)).items():
            several[name].append(TOGETHER / took)
    for name in [name for _ in range(rounds) for name in places]:
        many[name].append(many_writers(places[name]))
    told("1 writer, 1 event an append", one, "events/s")
    told(f"{PROCESSES * THREADS} writers in {PROCESSES} processes", many, "events/s")
    told(f"1 writer, {TOGETHER} events an append", several, "events/s")


def read(folder: Path, places: Mapping[str, Place], events: int, rounds: int) -> None:
    """Measure and print the rates of reading a log of a long history, moved into both stores."""
    history.write(folder / "history", events)
    moved = io.BytesIO()
    export_log(Log.open(folder / "history" / "events.db"), moved)
    logs = dict[str, Log]()
    for name, place in places.items():
        ledger = logs[name] = Ledger.create(place)
        moved.seek(0)
        import_log(ledger, moved)
        replay(ledger)
    ways = {name: ways_to_read(log, log.position) for name, log in logs.items()}
    for what in ways[SQLITE]:
        rates = {name: list[float]() for name in ways}
        for name in [name for _ in range(rounds) for name in ways]:
            count, work = ways[name][what]
            rates[name].append(count / seconds(work))
        told(what, rates, "a second")


def main() -> None:
    """Start a server, measure, and print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path(), help="on the disk that is to be measured")
    options.add_argument("--events", type=int, default=50_000, help="of the log that is read")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", choices=("append", "read"))
    arguments = options.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    import stores

    folder = Path(tempfile.mkdtemp(dir=arguments.folder.resolve()))
    folder.chmod(0o755)
    (folder / "server").mkdir()
    server = stores.Server(folder / "server")
    try:
        print(f"{'':34} {SQLITE:>12} {POSTGRES:>12} {'':9} {'ratio':>6}")
        if arguments.only != "read":
            append({SQLITE: folder / "appended.db", POSTGRES: server.place("appended")}, arguments.rounds)
        if arguments.only != "append":
            places: dict[str, Place] = {SQLITE: folder / "read.db", POSTGRES: server.place("read")}
            read(folder, places, arguments.events, arguments.rounds)
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
