"""The trial of the fleet: what holds gateways back, cold storage, canaries in batches, and a short trial as a whole."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
import stores
from places import ROOT
from small_fleet import Small

from grokputer.benchmarks.rollout import World
from grokputer.benchmarks.shards import layout
from grokputer.benchmarks.shards.acks import Ack, AckFile, Marks, lags, read_acks
from grokputer.benchmarks.shards.counted import known
from grokputer.benchmarks.shards.gateway import Lanes, Requests
from grokputer.benchmarks.shards.layout import Layout
from grokputer.benchmarks.shards.trial.cold import ColdLog, fill, try_storage
from grokputer.benchmarks.shards.trial.truth import Way, as_counted, play_one
from grokputer.benchmarks.shards.world import WORSE
from grokputer.domain.errors import LogError
from grokputer.runners.archive.integrity import BadProof, prove
from grokputer.runners.gateway.owner import MOST_WAITING
from grokputer.runners.store.ledger import Ledger


@pytest.fixture(autouse=True, scope="module")
def _known() -> Iterator[None]:
    with known():
        yield


def test_a_shard_of_which_too_much_is_not_counted_is_full_until_it_is_counted(tmp_path: Path) -> None:
    small = Small(tmp_path)
    small.run(20)
    places = tuple(str(ledger.path) for ledger in small.shards.values())
    lanes = Lanes(Layout(str(small.folder), places, str(small.decisions.path), behind=10))
    lanes.look()
    assert lanes.full == {"shard-0", "shard-1"}
    counter = small.counters()[1]
    assert counter.count() is not None
    small.roll_out()
    lanes.look()
    assert lanes.full == {"shard-0"}
    assert (lanes.traffic.canary, lanes.traffic.weight_percent) == ("lora-v1", 15)


def test_requests_that_find_the_queue_full_are_refused() -> None:
    requests = Requests()
    threading.Thread(target=requests.arrive, daemon=True).start()
    requests.set_rate(1e9)
    while not requests.refused:
        time.sleep(0.001)
    requests.set_rate(0)
    assert requests.waiting.qsize() == MOST_WAITING


def test_a_process_that_begins_while_the_server_starts_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "AGAIN_S", 0.0)
    answers: Iterator[LogError | str] = iter([LogError("starting"), LogError("starting"), "open"])

    def begin() -> str:
        answer = next(answers)
        if isinstance(answer, LogError):
            raise answer
        return answer

    assert layout.patiently(begin) == "open"
    monkeypatch.setattr(layout, "START_S", -1.0)
    answers = iter([LogError("down")])
    with pytest.raises(LogError, match="down"):
        layout.patiently(begin)


def test_acknowledgements_outlive_a_killed_process_and_a_torn_last_one_is_left_out(tmp_path: Path) -> None:
    path, run = tmp_path / "gateway-0.acks", uuid4()
    AckFile(path).add(run, 3, 12.5, 0.25)
    path.write_bytes(path.read_bytes() + b"torn")
    assert read_acks([path]) == [Ack(run.hex, 3, 12.5, 0.25)]


def test_a_lag_is_the_time_until_the_position_or_a_later_one_was_passed() -> None:
    marks = Marks({10: 5.0, 20: 7.0, 30: 6.0})
    assert [marks.passed(position) for position in (1, 10, 11, 30, 31)] == [5.0, 5.0, 6.0, 6.0, None]
    acks = [Ack("a", 0, 1.0, 0.0), Ack("b", 0, 1.0, 0.0), Ack("c", 0, 1.0, 0.0)]
    assert lags(acks, {"a": 1, "b": 31}, [marks]) == [4.0]


def test_batches_of_one_run_are_one_log_and_larger_ones_serve_all_their_runs() -> None:
    world = World(WORSE.success, WORSE.stars)
    one = play_one(world, Way("one log", 1, 1), random.Random(1))
    many = play_one(world, Way("in batches", 1000, 4), random.Random(1))
    assert (one.verdict, many.verdict) == ("roll back", "roll back")
    assert one.counted == one.canary_runs
    assert many.counted < many.canary_runs and many.runs % 1000 == 0


def test_a_batch_keeps_the_order_in_its_shards_unless_it_is_sorted() -> None:
    draw = random.Random(3)
    batch = [("canary" if draw.random() < 0.5 else "stable", draw.randint(0, 1), number) for number in range(40)]
    kept = [*as_counted(batch, Way("kept", 40, 1), draw)]
    spread = [*as_counted(batch, Way("spread", 40, 4), draw)]
    by_hand = [*as_counted(batch, Way("sorted", 40, 4, is_sorted=True), draw)]
    assert kept == batch
    assert spread != batch and sorted(spread) == sorted(by_hand) == sorted(batch)
    assert [run[:2] for run in by_hand] == sorted((run[:2] for run in batch), key=ORDER.index)


ORDER = [("canary", 1), ("canary", 0), ("stable", 0), ("stable", 1)]


def test_a_cold_event_is_proven_against_the_live_head_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    ledger = Ledger.create(stores.server().place())
    fill(ledger, 500)
    found = try_storage(ledger, tmp_path / "cold")
    assert found.problems == ()
    assert found.cold >= 0.7 * found.events
    assert found.cold_bytes < found.hot_bytes
    log = ColdLog(ledger, tmp_path / "cold")
    assert log.prove(3) == prove(ledger, 3)
    file = pyarrow.parquet.read_table(log.path(0))
    states = file.column("state").to_pylist()
    states[2] = states[2].replace(b"reviewer", b"somebody")
    pyarrow.parquet.write_table(file.set_column(4, file.schema.field(4), pyarrow.array(states)), log.path(0))
    with pytest.raises(BadProof, match="its event is not at position 3 of the log of its head"):
        ColdLog(ledger, tmp_path / "cold").prove(3)


@pytest.mark.slow
def test_a_short_simulation_with_kills_and_crashes_ends_with_all_checks_held() -> None:
    stores.server()  # skips where there is none
    command = [sys.executable, "benchmarks/fleet.py", "--seconds", "12", "--shards", "2", "--gateways", "2"]
    command += ["--threads", "4", "--rollouts", "0", "--bulk", "3000", "--no-servers", "--folder"]
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server is another user where this one is root
        done = subprocess.run([*command, folder], cwd=ROOT, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
        assert not [*Path(folder).iterdir()]
    assert done.stdout.count("| holds |\n") == 7
    assert re.search(
        r"gateway [1-9]\d* times, counter [1-9]\d* times, decider [1-9]\d* times; the server 2 times", done.stdout
    )
