"""The fleet simulation: ranges are counted once, decisions are those of one log, and each check finds a planted error."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import IntegrityError
from small_fleet import ROLLOUT, Small

from grokputer.benchmarks.shards.counted import RunsCounted, ShardCounts, counts_id, known
from grokputer.benchmarks.shards.counter import Counter
from grokputer.benchmarks.shards.decider import Decider, Decisions
from grokputer.benchmarks.shards.tally import outcomes, tally, total, whole_runs
from grokputer.benchmarks.shards.trial import checks
from grokputer.benchmarks.shards.trial.cold import fill
from grokputer.benchmarks.shards.trial.reference import feed
from grokputer.domain.aggregates.base import ACTOR, Aggregate
from grokputer.domain.errors import LogError, NotPossible
from grokputer.domain.events import AdapterPromoted, AdapterRolledBack, CanaryAssessed, Event
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.port import COLUMNS, Row, pages


@pytest.fixture(autouse=True, scope="module")
def _known() -> Iterator[None]:
    with known():
        yield


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
