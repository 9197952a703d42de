"""A log of a million realistic events, and how fast it is replayed, queried and proven.

    python benchmarks/history.py write million --events 1000000
    python benchmarks/history.py read million
    python benchmarks/history.py against million --other CHECKOUT --events 300000

The events are made by the aggregates and followed by the process manager, which decides on breaches and canaries
itself. Everything that needs no model (outcomes, ratings) is drawn from a seed. Rates are per CPU second, each as a
multiple of reading as many events through the notification log of ``eventsourcing`` with its JSON transcoder, in the
same run. ``against`` replays in turn with another checkout of this program, such as version 0.1.0, each a log that it wrote
itself from the same seed, and gives the seconds on the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from grokputer.domain.aggregates.adapter import Adapter, adapter_id
from grokputer.domain.aggregates.base import ACTOR, Context, derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.rules.gate import HeldOutResult, Losses, Runs, judge_held_out
from grokputer.domain.rules.routing import route
from grokputer.domain.settings.settings import Policy
from grokputer.projections.state.state import State
from grokputer.runners.archive.integrity import prove, verify
from grokputer.runners.archive.replay import compare_views, replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.port import COLUMNS
from grokputer.runners.store.states import fold, load_state

SECTION = 1000
"""Notifications read at a time: the library's default of 10 would be slower."""
STOCK_EVENTS = 100_000
"""Events that the stock method reads; its rate does not depend on their number."""

TOGETHER = 200
"""Runs that are stored in one transaction, then followed."""
TEXTS = 200
"""Stored texts; every step names two of them."""
PEOPLE = ("ada", "bob", "cleo", "dan")


class Minutes:
    """A clock that advances a minute for each batch of runs."""

    def __init__(self) -> None:
        self.time = datetime(2025, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The time."""
        return self.time


@dataclass
class World:
    """The quality of each adapter, drawn when it is trained; it falls as the world changes."""

    draw: random.Random
    quality: dict[str, float] = field(default_factory=lambda: {"": 0.9})

    def train(self, adapter: str) -> None:
        """A new adapter is mostly better than the present one."""
        self.quality[adapter] = self.draw.choice([0.95, 0.93, 0.92, 0.6])

    def drift(self) -> None:
        """All adapters become a little worse."""
        self.quality = {name: max(0.3, quality - self.draw.uniform(0, 0.004)) for name, quality in self.quality.items()}


def write(folder: Path, events: int, seed: int = 1) -> None:
    """A log of at least this many events in the folder."""
    folder.mkdir(parents=True)
    clock, world = Minutes(), World(random.Random(seed))
    ledger = Ledger.create(folder / "events.db", clock)
    state, number = process_new_events(ledger), 0
    while ledger.position < events:
        clock.time += timedelta(minutes=20)
        texts = [ledger.put(f"{number} {text}") for text in range(TEXTS)]
        runs = [_run(ledger, world, state, number := number + 1, texts) for _ in range(TOGETHER)]
        ledger.store(*runs)
        state = process_new_events(ledger)
        world.drift()
        if _improve(ledger, world):
            state = process_new_events(ledger)


def _run(ledger: Ledger, world: World, state: State, number: int, texts: list[str]) -> TaskRun:
    """A run on its chosen arm: one to five steps, mostly rated, some failures corrected."""
    draw, run = world.draw, TaskRun(derive_id("history", number))
    chosen = route(state.traffic("action"), run.id.hex)
    context = ledger.context(draw.choice(PEOPLE))
    run.start(
        context, role="action", arm=chosen.arm, adapter=chosen.adapter, rollout=chosen.rollout, environment="miniwob",
        task=draw.choice(("click-button", "click-link", "enter-text", "login-user")), seed=number, base="embedded@sha256:00",
        session=f"s{number // 3}", policy={"run.max_steps": 12, "run.max_tokens": 64, "run.temperature": 0.0},
    )  # fmt: skip
    for _ in range(draw.randint(1, 5)):
        run.take_step(
            context, prompt=draw.choice(texts), answer=draw.choice(texts), error="", model_ms=40, environment_ms=12,
            prompt_tokens=90, completion_tokens=9,
        )  # fmt: skip
    succeeds = draw.random() < world.quality[chosen.adapter or ""]
    if succeeds:
        run.succeed(draw.randint(500, 9000), 1.0, Policy(), context)
    else:
        run.fail("wrong", "", draw.randint(500, 9000), -1.0, Policy(), context)
    if draw.random() < 0.6:
        stars = draw.choice((4, 5, 5)) if succeeds else draw.choice((1, 2, 3))
        run.rate(stars, "human", [] if succeeds else ["wrong_action"], None, context)
    if not succeeds and draw.random() < 0.5:
        run.correct("human", draw.choice(texts), 2, True, context)
    return run


def _improve(ledger: Ledger, world: World) -> bool:
    """A requested training ends, and its adapter passes proof and gate; False when none is requested."""
    trainings = process_new_events(ledger).registry.trainings
    waiting = [id for id, training in trainings.items() if training.status == "requested"]
    if not waiting:
        return False
    job, adapter = (
        UUID(waiting[0]),
        f"lora-v{sum(training.status == 'completed' for training in trainings.values()) + 1}",
    )
    world.train(adapter)
    manifest = ledger.put(json.dumps([]))

    def finish(it: TrainingJob) -> None:
        it.build_dataset(
            _after(ledger, it), dataset="sha256:dd", manifest=manifest, examples=40, by_source={"correction": 40}, runs=20,
            up_to=ledger.position,
        )  # fmt: skip
        it.start(_after(ledger, it))
        it.complete(
            _after(ledger, it), weights=f"sha256:{adapter}", base_hash="sha256:00", config_hash="sha256:11",
            dataset="sha256:dd", steps=80, tokens=40_000, examples=40, left_out=0, reasons={}, final_loss=0.1, duration_s=90.0,
            peak_memory_bytes=10**9, device="cpu", versions={},
        )  # fmt: skip

    ledger.write(TrainingJob, job, finish)
    process_new_events(ledger)
    numbers = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}
    id = adapter_id(job)
    ledger.write(Adapter, id, lambda adapter: adapter.evaluate(True, True, numbers, _after(ledger, adapter)))
    process_new_events(ledger)
    judgement = judge_held_out(
        HeldOutResult(Runs(40, 30, 10), Losses()), HeldOutResult(Runs(40, 40, 40), Losses()), Policy(), "action"
    )
    rows = ledger.put(json.dumps([]))
    ledger.write(Adapter, id, lambda adapter: adapter.judge(judgement, rows, ledger.position, _after(ledger, adapter)))
    return True


def _after(ledger: Ledger, it: TrainingJob | Adapter) -> Context:
    return ledger.context(ACTOR, f"{it.id}/{it.version}" if it.version else None)


def read(folder: Path) -> None:
    """Measure and print the tables."""
    log = Log.open(folder / "events.db")
    count = log.position
    stock = _rate(STOCK_EVENTS, _stock_reader())
    print(f"{count} events; the stock notification log reads {stock:,.0f} a CPU second")
    print(f"{'what':48} {'events/CPU s':>14} {'times the stock':>16}")
    ways: dict[str, Callable[[], object]] = {
        "the store's limit: fetching the rows": lambda: _fetch(log, lambda state: state),
        "... and parsing them, into nothing": lambda: _fetch(log, msgspec.json.decode),
        "reading and decoding": lambda: sum(1 for _ in log.read()),
        "the state folded from nothing": lambda: fold(log, State()),
        "verify": lambda: verify(log),
        "compare: state, moments and tables, one process": lambda: compare_views(log),
        "replay: the same, by all cores": lambda: replay(log),
    }
    for name, work in ways.items():
        rate = _rate(count, work)
        print(f"{name:48} {rate:14,.0f} {rate / stock:16.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB, with the interpreter and the library")
    draw, began = random.Random(1), log.at(1).event.time
    length = log.at(count).event.time - began
    looks: dict[str, Callable[[], object]] = {
        "state at a random position": lambda: load_state(log, draw.randint(1, count)),
        "position of a random time": lambda: log.position_at(began + draw.random() * length),
        "proof of a random event": lambda: prove(log, draw.randint(1, count)),
    }
    for name, work in looks.items():
        ms = sorted(_time(work) for _ in range(200))
        print(f"{name:44} p50 {statistics.median(ms):8.2f} ms   p99 {ms[int(len(ms) * 0.99)]:8.2f} ms")


def _fetch(log: Log, parse: Callable[[bytes], object]) -> None:
    """The minimum work of a Python reader of the log."""
    with log.reading() as connection:
        for *_, state in connection.execute(f"SELECT {COLUMNS} FROM stored_events"):
            parse(state)


def _rate(count: int, work: Callable[[], object]) -> float:
    """Events per CPU second, of this process and those that it starts."""
    began = _cpu_s()
    work()
    return count / (_cpu_s() - began)


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _time(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


class StockRun(Aggregate):
    """A run as an aggregate of the library, with events of the same size."""

    @event("StepTaken")
    def take_step(self, step: int, role: str, prompt: str, answer: str, error: str, model_ms: int) -> None:
        """One step."""
        self.step = step


def _stock_reader() -> Callable[[], object]:
    """Reads a log of the library, section by section."""
    folder = tempfile.TemporaryDirectory()
    settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": f"{folder.name}/stock.db"}
    app: Application[UUID] = Application(env=settings)
    app.notification_log.section_size = SECTION
    for _ in range(STOCK_EVENTS // 500):
        run = StockRun()
        for step in range(499):
            prompt, answer = f"sha256:{uuid4().hex * 2}", f"sha256:{uuid4().hex * 2}"
            run.take_step(step=step, role="action", prompt=prompt, answer=answer, error="", model_ms=40)
        app.save(run)

    def work(kept: object = folder) -> int:
        found, start = 0, 1
        while notifications := app.notification_log.select(start, SECTION):
            found += sum(app.mapper.to_domain_event(notification) is not None for notification in notifications)
            start = notifications[-1].id + 1
        return found

    return work


REPLAY = """
import sys, time
from pathlib import Path
try:
    from grokputer.runners.archive.replay import replay
    from grokputer.runners.store.log import Log
except ImportError:  # version 0.1.0
    from grokputer.runners.log import Log
    from grokputer.runners.rebuild import replay
log = Log.open(Path(sys.argv[1]))
began = time.perf_counter()
assert all(replay(log).equal.values())
print(log.position, time.perf_counter() - began)
"""


def against(folder: Path, other: Path, events: int, rounds: int = 5) -> None:
    """Replay with both programs in turn, and print the seconds on the clock, and their ratio in each round."""
    folder.mkdir(parents=True, exist_ok=True)
    took: dict[str, list[float]] = {"this": [], "other": []}
    for name, root in (("this", Path(__file__).parents[1]), ("other", other.resolve())):
        (folder / f"{name}-program").mkdir(exist_ok=True)
        (folder / f"{name}-program" / "grokputer").unlink(missing_ok=True)
        (folder / f"{name}-program" / "grokputer").symlink_to(root)
        if not (folder / name).exists():
            _call(
                folder, name, str(root / "benchmarks" / "history.py"), "write", str(folder / name), f"--events={events}"
            )
    for _ in range(rounds + 1):  # the first round makes what is missing, and is left out
        for name, seconds in took.items():
            seconds.append(float(_call(folder, name, "-c", REPLAY, str(folder / name / "events.db")).split()[1]))
    ratios = [this / that for this, that in zip(took["this"][1:], took["other"][1:], strict=True)]
    for name, seconds in took.items():
        print(f"{name:6} {statistics.median(seconds[1:]):8.2f} s ({min(seconds[1:]):.2f} to {max(seconds[1:]):.2f})")
    print(f"this of the other: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _call(folder: Path, name: str, *words: str) -> str:
    path = str(folder.resolve() / f"{name}-program")
    return subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": path}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def main() -> None:
    """Write, read, or compare with another program."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("what", choices=("write", "read", "against"))
    options.add_argument("folder", type=Path)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5, help="of 'against'")
    options.add_argument("--other", type=Path, help="the checkout of another program, for 'against'")
    arguments = options.parse_args()
    if arguments.what == "read":
        read(arguments.folder)
        return
    if arguments.what == "against":
        if arguments.other is None:
            options.error("against needs --other, the folder of a checkout")
        against(arguments.folder, arguments.other, arguments.events, arguments.rounds)
        return
    began = time.process_time()
    write(arguments.folder, arguments.events)
    print(f"written in {time.process_time() - began:.0f} CPU seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
