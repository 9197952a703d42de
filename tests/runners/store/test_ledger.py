"""The log: append-only by the database itself, readable for ever, and plain about what is wrong with it."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import LogError, NotFound
from grokputer.domain.events import EVENTS, AdapterRejected, AlertRaised, PolicyChanged, TaskRated
from grokputer.runners.store.codec import decode, encode
from grokputer.runners.store.ledger import Ledger, Save
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import Place
from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.store.sqlite.schema import KEEPS_EVENTS
from grokputer.runners.store.writer import Transaction, Work
from story import Story


@pytest.fixture
def ledger(place: Place) -> Ledger:
    """A log in each of the stores."""
    return begin(place)


@pytest.fixture
def in_file(tmp_path: Path) -> Ledger:
    """A log in a file."""
    return begin(tmp_path / "events.db")


def begin(place: Place) -> Ledger:
    ledger = Ledger.create(place)
    for window in (10, 20, 30):
        change(ledger, window)
    return ledger


def change(ledger: Ledger, window: int) -> None:
    context = ledger.context("ada")
    ledger.write(Settings, SETTINGS_ID, lambda it: it.change("rating.window", window, "", context))


def insert(ledger: Ledger, topic: str, state: bytes) -> None:
    append = "INSERT INTO stored_events VALUES (?, 'ab', 1, ?, ?, ?)"
    ledger.change(lambda it: it.connection.execute(append, (ledger.position + 1, topic, state, b"")))


def test_a_log_with_a_damaged_index_is_one_line_for_who_writes_too(in_file: Ledger) -> None:
    in_file.close()
    with closing(sqlite3.connect(in_file.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [[page]] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_stored%'")
        [[size]] = connection.execute("PRAGMA page_size")
    with in_file.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"x" * size)
    with pytest.raises(LogError, match="is damaged or not a log"):
        Ledger.open(in_file.path).get(Settings, SETTINGS_ID)


def test_a_thread_goes_on_reading_when_another_closes_the_log(ledger: Ledger) -> None:
    with ThreadPoolExecutor(1) as thread:
        before = thread.submit(ledger.get, Settings, SETTINGS_ID).result().version
        ledger.close()
        assert thread.submit(ledger.get, Settings, SETTINGS_ID).result().version == before == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET topic = 'Nothing'",
        "UPDATE stored_events SET position = 9 WHERE position = 1",
        "DELETE FROM stored_events",
        "DELETE FROM stored_events WHERE position = 3",
        "INSERT OR REPLACE INTO stored_events "
        "SELECT position, originator_id, originator_version, 'x', state, nodes FROM stored_events",
        "REPLACE INTO stored_events (originator_id, originator_version, topic, state, nodes) "
        "SELECT originator_id, originator_version, 'x', state, nodes FROM stored_events",
    ],
)
def test_the_database_itself_refuses_to_change_a_stored_event(in_file: Ledger, statement: str) -> None:
    before = list(in_file.read())
    connection = sqlite3.connect(in_file.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert list(in_file.read()) == before


def test_commits_are_on_the_disk_before_they_are_answered(in_file: Ledger) -> None:
    def ask(transaction: Transaction) -> list[object]:
        pragmas = ("synchronous", "journal_mode")
        return [transaction.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]

    full = 2
    assert in_file.change(ask) == [full, "wal"]


def test_an_event_comes_back_as_it_was_written(ledger: Ledger) -> None:
    for recorded in ledger.read():
        event = recorded.event
        assert decode(event.TOPIC, event.originator_id.hex, event.originator_version, encode(event)) == event


def test_a_stored_event_is_plain_json_that_stays_readable() -> None:
    """The bytes of version 1 of a fact, kept: a change that cannot read them breaks every log there is."""
    stored = (
        b'{"time":"2026-01-01T12:00:00Z","actor":"ada","caused_by":null,"key":"rating.window","old":50,"new":30,'
        b'"reason":"","v":1}'
    )
    event = decode("PolicyChanged", SETTINGS_ID.hex, 1, stored)
    assert isinstance(event, PolicyChanged)
    assert (event.key, event.old, event.new, event.actor) == ("rating.window", 50, 30, "ada")
    assert json.loads(encode(event)) == {**json.loads(stored), "is_unset": False, "document": None, "v": 4}


def test_a_rejection_from_before_there_were_numbers_still_reads() -> None:
    stored = (
        b'{"time":"2026-01-01T00:00:00Z","actor":"grokputer","caused_by":null,"role":"action","adapter":"lora-v1",'
        b'"reason":"served, it changes nothing","v":1}'
    )
    event = decode("AdapterRejected", SETTINGS_ID.hex, 2, stored)
    assert isinstance(event, AdapterRejected)
    assert (event.reason, event.numbers) == ("served, it changes nothing", {})
    assert json.loads(encode(event))["v"] == 2


def test_a_rating_from_when_only_the_start_of_a_run_named_its_session_still_reads() -> None:
    stored = (
        b'{"time":"2026-01-01T00:00:00Z","actor":"ada","caused_by":null,"role":"action","arm":"stable","adapter":null,'
        b'"rollout":null,"others":[],"stars":2,"source":"human","issues":[],"comment":null,"step":null,"fault":"action","v":2}'
    )
    event = decode("TaskRated", SETTINGS_ID.hex, 3, stored)
    assert isinstance(event, TaskRated)
    assert (event.stars, event.fault, event.session) == (2, "action", None)
    assert json.loads(encode(event))["v"] == 3


@pytest.mark.parametrize(("severity", "kind"), [("critical", "canary failed"), ("warning", "canary inconclusive")])
def test_an_alert_from_when_only_rollouts_raised_them_still_reads(severity: str, kind: str) -> None:
    stored = (
        b'{"time":"2026-01-01T00:00:00Z","actor":"grokputer","caused_by":null,"role":"action","adapter":"lora-v1",'
        b'"severity":"' + severity.encode() + b'","message":"lora-v1 was rolled back: success","v":1}'
    )
    event = decode("AlertRaised", SETTINGS_ID.hex, 7, stored)
    assert isinstance(event, AlertRaised)
    assert (event.kind, event.role, event.adapter, event.by) == (kind, "action", "lora-v1", "")
    assert json.loads(encode(event))["v"] == 3


def test_topics_are_the_ones_every_log_has() -> None:
    """A topic is never renamed; this list only ever grows."""
    assert sorted(EVENTS) == [
        "AccessKeyIssued", "AccessKeyRevoked",
        "AdapterAnswered", "AdapterEvaluated", "AdapterPromoted", "AdapterPushFailed", "AdapterPushed", "AdapterRegistered",
        "AdapterRejected", "AdapterRolledBack", "AdapterServed", "AdapterUnserved",
        "AlertDelivered", "AlertDeliveryFailed", "AlertRaised", "AlertResolved", "AttemptInterrupted", "CanaryAssessed",
        "CanaryWeightSet", "ComparisonConcluded", "ComparisonStarted", "ContentErased", "CorrectionWithdrawn",
        "CycleClosed", "CycleOpened", "DatasetBuilt", "DatasetSent", "ExamplesImported", "ExamplesSynthesized",
        "FeedbackGiven", "HeldOutJudged", "PicturesKept", "PolicyChanged", "RatingThresholdBreached", "RolloutPaused",
        "RolloutResumed",
        "RolloutStarted", "ScheduleKept", "SentDatasetDeleted", "SessionImported", "StepTaken", "TaskAnswered", "TaskCorrected",
        "TaskFailed",
        "TaskGraded", "TaskJudged", "TaskRated", "TaskStarted", "TaskSucceeded", "TrainingApproved",
        "TrainingCompleted", "TrainingDeclined", "TrainingFailed", "TrainingHeld", "TrainingPending",
        "TrainingProgressed", "TrainingRequested", "TrainingStarted", "TriggerSuppressed", "TuningSubmitted",
        "WeightsFound", "WeightsMissed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "state", "word"),
    [
        ("TaskDreamt", b"{}", "upgrade grokputer"),
        ("os:system", b"{}", "does not know"),
        ("PolicyChanged", b'{"v":99}', "version 99"),
        ("PolicyChanged", b"{", "damaged"),
        ("PolicyChanged", b'{"v":1,"key":5}', "damaged"),
    ],
)
def test_an_event_from_the_future_or_a_damaged_one_is_one_clear_line(
    ledger: Ledger, topic: str, state: bytes, word: str
) -> None:
    insert(ledger, topic, state)
    with pytest.raises(LogError, match=word) as caught:
        list(ledger.read())
    assert "\n" not in str(caught.value)


def test_a_decision_that_lost_a_race_is_decided_again(ledger: Ledger) -> None:
    threads = [threading.Thread(target=change, args=(ledger, 100 + number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes: list[Any] = [recorded.event for recorded in ledger.read(4)]
    assert sorted(event.new for event in changes) == list(range(100, 108))
    assert [event.originator_version for event in changes] == list(range(4, 12))
    for earlier, later in itertools.pairwise(changes):
        assert later.old == earlier.new


def test_content_is_found_by_its_key_and_its_key_does_not_give_it_away(ledger: Ledger) -> None:
    one, two = ledger.put("my password is hunter2"), ledger.put("my password is hunter2")
    assert one != two
    assert ledger.get_content(one) == "my password is hunter2"
    assert ledger.get_content("sha256:00") is None


def test_content_that_was_changed_is_not_handed_out(ledger: Ledger) -> None:
    key = ledger.put("two plus two is four")
    ledger.write(Settings, SETTINGS_ID, lambda it: it.change("rating.window", 20, key, ledger.context("ada")))
    ledger.change(lambda it: it.connection.execute("UPDATE content SET text = 'two plus two is five'"))
    with pytest.raises(LogError, match="does not match its key"):
        ledger.get_content(key)


def test_a_time_leads_to_the_position_of_the_last_event_by_then(ledger: Ledger) -> None:
    times = [recorded.event.time for recorded in ledger.read()]
    assert [ledger.position_at(time) for time in times] == [1, 2, 3]
    assert ledger.position_at(times[0] - timedelta(seconds=1)) == 0
    assert ledger.position_at(times[-1] + timedelta(days=1)) == 3


def test_there_is_nothing_beyond_the_log(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="1 to 3"):
        ledger.at(4)


def test_a_missing_log_a_folder_and_a_foreign_file_are_one_line_each(tmp_path: Path) -> None:
    foreign, text = tmp_path / "other.db", tmp_path / "text.db"
    sqlite3.connect(foreign).execute("CREATE TABLE t (x)").connection.close()
    text.write_text("this is no database at all, but a text of some length " * 20)
    for path, word in (
        (tmp_path / "none.db", "no log at"),
        (tmp_path, "folder"),
        (foreign, "not a log"),
        (text, "not a"),
    ):
        with pytest.raises(LogError, match=word) as caught:
            Ledger.open(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "none.db").exists()
    Ledger.create(tmp_path / "events.db").close()
    with pytest.raises(LogError, match=f"{tmp_path} is a folder, not a log; a log is in it: {tmp_path / 'events.db'}"):
        Ledger.open(tmp_path)


def test_a_log_of_a_program_that_kept_no_tree_is_given_one_when_it_is_next_written_to(
    in_file: Ledger, tmp_path: Path
) -> None:
    older = tmp_path / "older.db"
    with sqlite3.connect(in_file.path) as source, sqlite3.connect(older) as target:
        source.backup(target)
        target.execute("DROP TRIGGER log_keeps_events")
        target.execute("ALTER TABLE stored_events DROP COLUMN nodes")
        target.execute(KEEPS_EVENTS)
    assert list(Log.open(older).read()) == list(in_file.read())
    assert len(sqlite3.connect(older).execute("SELECT * FROM stored_events").fetchone()) == 5
    written = Ledger.open(older)
    change(written, 40)
    change(in_file, 40)
    assert (
        connect(older).execute("SELECT nodes FROM stored_events WHERE position <= 3").fetchall()
        == connect(in_file.path).execute("SELECT nodes FROM stored_events WHERE position <= 3").fetchall()
    )
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connect(older).execute("UPDATE stored_events SET nodes = x''")


def test_a_save_that_found_the_log_locked_records_all_of_it_when_it_is_done_again(in_file: Ledger) -> None:
    settings = in_file.get(Settings, SETTINGS_ID)
    settings.change("rating.window", 40, "", in_file.context("ada"))
    settings.change("rating.window", 50, "", in_file.context("ada"))
    in_file.change(lambda it: it.connection.execute("PRAGMA busy_timeout = 1").fetchone())
    with closing(connect(in_file.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogError, match="being written by another process"):
            in_file.store(settings)
        other.execute("ROLLBACK")
    in_file.store(settings)
    assert [it.event.new for it in in_file.read() if isinstance(it.event, PolicyChanged)][-2:] == [40, 50]
    in_file.store(settings)
    assert in_file.position == 5


def pending(ledger: Ledger, id: UUID, window: int) -> Settings:
    settings = ledger.get(Settings, id)
    settings.change("rating.window", window, "", ledger.context("ada"))
    return settings


def keep(text: str) -> Work[None]:
    """What stores a text in the same transaction as an event."""

    def work(transaction: Transaction) -> None:
        transaction.connection.execute("INSERT INTO content VALUES (?, ?, ?)", (text, b"", text))

    return work


def test_many_are_stored_in_one_commit_and_one_that_lost_a_race_fails_alone(ledger: Ledger) -> None:
    ids = [SETTINGS_ID, *(uuid4() for _ in range(4))]
    batch = [pending(ledger, id, 40) for id in ids]
    change(ledger, 50)  # of the first's next version
    saves = [Save((it,), keep(f"text {number}")) for number, it in enumerate(batch)]
    failed, *stored = ledger.store_all(saves)
    assert isinstance(failed, IntegrityError)
    assert stored == [None] * 4
    assert [it.event.originator_id for it in ledger.read(5)] == ids[1:]
    assert [ledger.has_content(f"text {number}") for number in range(5)] == [False, *[True] * 4]
    assert len(batch[0].collect_events()) == 1  # pending still
    assert not any(it.collect_events() for it in batch[1:])


def test_of_a_batch_what_belongs_together_is_stored_in_whole_or_not_at_all(ledger: Ledger) -> None:
    first, second, third = (pending(ledger, uuid4(), 40) for _ in range(3))

    def fail(transaction: Transaction) -> None:
        raise ValueError("no")

    failed, stored = ledger.store_all([Save((first, second), fail), Save((third,))])
    assert isinstance(failed, ValueError)
    assert stored is None
    assert [it.event.originator_id for it in ledger.read(4)] == [third.id]
    assert ledger.store_all([Save((first, second)), Save(())]) == [None, None]
    assert ledger.position == 6


def test_a_batch_that_found_the_log_locked_is_pending_still(in_file: Ledger) -> None:
    batch = [pending(in_file, uuid4(), 40) for _ in range(3)]
    in_file.change(lambda it: it.connection.execute("PRAGMA busy_timeout = 1").fetchone())
    with closing(connect(in_file.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogError, match="being written by another process"):
            in_file.store_all([Save((it,)) for it in batch])
        other.execute("ROLLBACK")
    assert in_file.store_all([Save((it,)) for it in batch]) == [None] * 3
    assert in_file.position == 6


def test_events_are_read_back_between_two_positions_and_of_one_aggregate(place: Place) -> None:
    story = Story(place)
    runs = [story.run() for _ in range(3)]
    last = story.ledger.position
    assert [each.position for each in story.ledger.read_back(before=last, after=last - 4)] == [
        last - 1,
        last - 2,
        last - 3,
    ]
    of_run = [each.position for each in story.ledger.read_back(prefix=runs[1].hex[:8])]
    assert of_run == [each.position for each in story.ledger.history(runs[1])][::-1]


def test_many_texts_are_read_together_stored_or_not_and_missing_ones_are_left_out(place: Place) -> None:
    story = Story(place)
    runs = [story.run() for _ in range(3)]
    keys = [step.answer for run in runs for step in story.ledger.get(TaskRun, run).steps]
    pending = story.ledger.put("not stored yet")
    missing = "sha256:" + "0" * 64
    wanted = [*keys, pending, missing] * 400
    assert story.ledger.get_contents(wanted) == {key: story.ledger.get_content(key) for key in [*keys, pending]}
