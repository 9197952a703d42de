"""The fleet simulation: ranges are counted once, decisions are those of one log, and each check finds a planted error."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
import stores
from eventsourcing.persistence import IntegrityError
from places import ROOT

from grokputer.benchmarks.rollout import World
from grokputer.benchmarks.shards import layout
from grokputer.benchmarks.shards.acks import Ack, AckFile, Marks, lags, read_acks
from grokputer.benchmarks.shards.counted import RunsCounted, ShardCounts, counts_id, known
from grokputer.benchmarks.shards.counter import Counter
from grokputer.benchmarks.shards.decider import Decider, Decisions
from grokputer.benchmarks.shards.gateway import Lanes, Requests
from grokputer.benchmarks.shards.layout import Layout
from grokputer.benchmarks.shards.tally import outcomes, tally, total, whole_runs
from grokputer.benchmarks.shards.trial import checks
from grokputer.benchmarks.shards.trial.cold import ColdLog, fill, try_storage
from grokputer.benchmarks.shards.trial.reference import feed
from grokputer.benchmarks.shards.trial.truth import Way, as_counted, play_one
from grokputer.benchmarks.shards.world import WORSE, make_adapter, make_rollout, play
from grokputer.domain.aggregates.base import ACTOR, Aggregate, Context
from grokputer.domain.errors import LogError, NotPossible
from grokputer.domain.events import AdapterPromoted, AdapterRolledBack, CanaryAssessed, Event
from grokputer.domain.rules.routing import Traffic, route
from grokputer.runners.archive.integrity import BadProof, prove
from grokputer.runners.gateway.owner import MOST_WAITING
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.port import COLUMNS, Row, pages

ROLLOUT = make_rollout(1, None, 0.0, Context(datetime.now(UTC), ACTOR)).id


@pytest.fixture(autouse=True, scope="module")
def _known() -> Iterator[None]:
    with known():
        yield


@dataclass
class Small:
    """Two shards and a decision log, as files, with one canary that is worse."""

    folder: Path

    def __post_init__(self) -> None:
        self.shards = {name: Ledger.create(self.folder / f"{name}.db") for name in ("shard-0", "shard-1")}
        self.decisions = Ledger.create(self.folder / "decisions.db")
        self.draw = random.Random(5)
        self.acks: list[Ack] = []

    def roll_out(self) -> None:
        context = self.decisions.context(ACTOR)
        self.decisions.store(make_adapter(1, context), make_rollout(1, None, 0.0, context))

    def run(self, count: int) -> None:
        """Store so many runs, by turns in the shards, all of them drawn for the canary's rollout."""
        traffic = Traffic(None, "lora-v1", ROLLOUT.hex, 15)
        for number in range(count):
            shard, ledger = [*self.shards.items()][number % 2]
            id = UUID(int=self.draw.getrandbits(128), version=4)
            chosen = route(traffic, id.hex)
            ledger.store(play(id, "s", chosen, 15, self.draw, ledger.context("reviewer"), ledger.put))
            self.acks.append(Ack(id.hex, int(shard[-1]), float(number), 0.1))

    def counters(self, most: int = 10_000) -> list[Counter]:
        return [Counter(name, ledger, self.decisions, most) for name, ledger in self.shards.items()]

    def count_all(self) -> list[RunsCounted]:
        found = list[RunsCounted]()
        for counter in self.counters(most=40):
            while (told := counter.count()) is not None:
                found.append(told)
        return found


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


# --- the rule of counting --------------------------------------------------------------------------------------------


def counted(first: int, last: int) -> dict[str, Any]:
    return {"shard": "shard-0", "first": first, "last": last, "head": "", "counts": (), "order": ""}


def test_a_range_with_a_gap_or_counted_twice_or_empty_is_refused(small: Small) -> None:
    counts, context = ShardCounts(counts_id("shard-0")), small.decisions.context(ACTOR)
    counts.count(context, **counted(1, 10))
    for first, last in ((12, 20), (10, 20), (1, 10)):
        with pytest.raises(NotPossible, match=rf"counted up to 10; a range from {first} would be a gap or twice"):
            counts.count(context, **counted(first, last))
    with pytest.raises(NotPossible, match="the range 11 to 10 of shard-0 is empty"):
        counts.count(context, **counted(11, 10))
    counts.count(context, **counted(11, 11))
    assert [event.originator_version for event in counts.pending] == [1, 2]


def test_of_two_counters_one_counts_a_range_and_the_other_goes_on_after_it(small: Small) -> None:
    small.run(4)
    first, second = (small.counters()[0] for _ in range(2))
    stale = second._resume()
    assert first.count() is not None
    second._counts = stale
    with pytest.raises(IntegrityError):
        second.count()
    assert second.count() is None
    small.run(2)
    told = second.count()
    assert told is not None and told.originator_version == 2
    assert not checks.check_ranges("shard-0", small.shards["shard-0"].position, checks.batches_of(small.decisions))


def test_a_counter_that_died_after_storing_goes_on_without_counting_twice(small: Small) -> None:
    small.run(6)
    before = small.counters()[0].count()
    small.run(6)
    after = small.counters()[0].count()
    assert before is not None and after is not None
    assert after.first == before.last + 1


def test_a_counter_refuses_a_shard_that_is_not_the_one_that_it_counted(small: Small, tmp_path: Path) -> None:
    small.run(4)
    small.counters()[0].count()
    other = Ledger.create(tmp_path / "other.db")
    fill(other, 40)
    with pytest.raises(LogError, match="shard-0 is not what was counted up to"):
        Counter("shard-0", other, small.decisions).count()


def test_a_range_that_takes_few_events_ends_with_a_whole_run(small: Small) -> None:
    small.run(40)
    batches = small.count_all()
    assert len(batches) > 2
    for batch in batches:
        first = small.shards[batch.shard].at(batch.first).event
        assert (first.TOPIC, first.originator_version) == ("TaskStarted", 1)


# --- what is counted -------------------------------------------------------------------------------------------------


def rows_of(log: Log) -> list[Row]:
    with log.reading() as rows:
        return [*pages(rows, COLUMNS, "stored_events", 0)]


def test_the_sums_of_batches_are_those_of_the_whole_and_letters_give_the_outcomes_again(small: Small) -> None:
    small.run(60)
    batches = small.count_all()
    whole = [tally(rows_of(shard)) for shard in small.shards.values()]
    assert total(batch.counts for batch in batches) == total(one.counts for one in whole)
    assert sum(count["succeeded"] + count["failed"] for one in whole for count in one.counts) == 60
    given = [kinds(run) for batch in batches for run in outcomes(batch, 0, [ROLLOUT.hex])]
    stored = [kinds(run) for name in small.shards for run in runs_of(small.shards[name])]
    assert given == stored and len(given) == 60
    assert not [*outcomes(batches[0], 0, ["another"])]


def runs_of(shard: Log) -> list[list[Event]]:
    runs = dict[UUID, list[Event]]()
    for _, event in shard.read(topics=["TaskSucceeded", "TaskFailed", "TaskRated"]):
        runs.setdefault(event.originator_id, []).append(event)
    return [*runs.values()]


def kinds(run: list[Event]) -> list[tuple[object, ...]]:
    names = ("role", "arm", "adapter", "rollout", "stars", "fault", "reason")
    return [(event.TOPIC, *(vars(event).get(name) for name in names)) for event in run]


def test_an_unfinished_last_run_is_left_to_the_next_range(small: Small) -> None:
    small.run(2)
    rows = rows_of(small.shards["shard-0"])
    assert [*whole_runs([*rows, (99, "aa", 1, "TaskStarted", b"")])] == rows


# --- decisions -------------------------------------------------------------------------------------------------------


@dataclass
class Decided:
    """A small fleet whose canary was decided on, and the single log that got the same runs. Tests only read it."""

    small: Small
    single: Log

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.small.decisions.read()]


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory, _known: None) -> Decided:
    small = Small(tmp_path_factory.mktemp("decided"))
    small.roll_out()
    decider, counters = Decider(small.decisions), small.counters(most=200)
    for _ in range(12):
        small.run(40)
        for counter in counters:
            counter.count()
        decider.follow()
    return Decided(small, feed(small.decisions, small.shards, small.folder / "single.db"))


def test_a_canary_that_is_worse_is_rolled_back_as_on_one_log_that_gets_the_same_runs(decided: Decided) -> None:
    small = decided.small
    assert not checks.check_decisions(small.decisions, decided.single)
    [end] = [event for event in decided.events if isinstance(event, (AdapterRolledBack, AdapterPromoted))]
    assert isinstance(end, AdapterRolledBack) and end.stable is None
    found, _ = checks.check_all(small.shards, small.decisions, small.acks, decided.single)
    assert not [problem for check in found for problem in check.problems]


def test_a_decider_that_begins_anew_makes_the_same_decisions_and_stores_none_twice(decided: Decided) -> None:
    size, fold = decided.small.decisions.position, Decisions()
    assert [decision.TOPIC for event in decided.events for decision in fold.take(event)][-1] == "AdapterRolledBack"
    again = Decider(decided.small.decisions)
    again.follow()
    assert (decided.small.decisions.position, again.position) == (size, size)


def forged(events: list[Event]) -> list[Event]:
    """The events with another verdict in the first look at the canary."""
    index = next(index for index, event in enumerate(events) if isinstance(event, CanaryAssessed))
    events[index] = CanaryAssessed(**{**vars(events[index]), "verdict": "promote"})
    return events


def test_a_decision_that_does_not_follow_from_the_decision_log_is_refused(decided: Decided) -> None:
    with pytest.raises(LogError, match=r"CanaryAssessed .* is not what follows from the decision log"):
        deque(map(Decisions().take, forged(decided.events)))


# --- each check finds a planted error --------------------------------------------------------------------------------


def changed(batch: RunsCounted, **values: Any) -> RunsCounted:
    return RunsCounted(**{**vars(batch), **values})


def test_a_lost_run_is_found(small: Small) -> None:
    small.run(6)
    stored = checks.stored_runs(small.shards)
    assert checks.check_acknowledged(small.acks, stored) == []
    del stored[small.acks[3].run]
    assert checks.check_acknowledged(small.acks, stored) == [
        f"1 acknowledged runs are lost, such as {small.acks[3].run}"
    ]


def test_a_doubled_a_missing_and_an_overlapping_range_are_found(small: Small) -> None:
    small.run(40)
    batches = [batch for batch in small.count_all() if batch.shard == "shard-0"]
    size = small.shards["shard-0"].position
    assert checks.check_ranges("shard-0", size, batches) == []
    doubled, missing = [batches[0], *batches], batches[1:]
    overlapping = [batches[0], changed(batches[1], first=batches[1].first - 1), *batches[2:]]
    for wrong in (doubled, missing, overlapping, batches[:-1]):
        assert checks.check_ranges("shard-0", size, wrong)


def test_a_changed_count_and_a_changed_head_are_found(small: Small) -> None:
    small.run(20)
    first, *others = small.count_all()
    assert checks.check_counts([first, *others], small.shards.values()) == []
    more = ({**first.counts[0], "stars": first.counts[0]["stars"] + 1}, *first.counts[1:])
    assert checks.check_counts([changed(first, counts=more), *others], small.shards.values())
    own, log = [batch for batch in (first, *others) if batch.shard == "shard-0"], small.shards["shard-0"]
    assert checks.check_order("shard-0", log, own) == []
    wrong = changed(own[0], head=f"{own[0].last}:{'0' * 64}")
    assert "not those of the head given" in checks.check_order("shard-0", log, [wrong, *own[1:]])[0]


def test_another_decision_than_that_of_one_log_and_a_missing_one_are_found(decided: Decided, tmp_path: Path) -> None:
    changed, shorter = Ledger.create(tmp_path / "changed.db"), Ledger.create(tmp_path / "shorter.db")
    for event in forged(decided.events):
        store(changed, event)
    for event in decided.events:
        if not isinstance(event, AdapterRolledBack):
            store(shorter, event)
    [problem] = checks.check_decisions(changed, decided.single)
    assert problem.startswith("decision 2 is CanaryAssessed (lora-v1, promote")
    [problem] = checks.check_decisions(shorter, decided.single)
    assert re.fullmatch(r"there are \d+ decisions; one log makes \d+", problem)


def store(ledger: Ledger, event: Event) -> None:
    aggregate = Aggregate(event.originator_id)
    aggregate.take_back([event])
    ledger.store(aggregate)


# --- the rest --------------------------------------------------------------------------------------------------------


def test_a_shard_of_which_too_much_is_not_counted_is_full_until_it_is_counted(small: Small) -> None:
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
        pass
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
