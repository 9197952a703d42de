"""The schema over time: what was ever stored is read for ever, and what a later program stored is never passed over.

``events.jsonl`` holds the stored bytes of every fact in every version, as this program and the earlier ones wrote them. Its
lines are never changed; a new fact or a new version adds one.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import call
from places import TESTS

from grokputer.domain.errors import LogError
from grokputer.domain.events import EVENTS, TaskRated, TaskStarted
from grokputer.domain.settings.keys import current_key
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.codec import UPCASTERS, decode, decode_timestamp, encode
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.store.texts.content import NAMING, named_in

SAMPLES = [
    (row["topic"], row["version"], row["state"].encode())
    for row in map(json.loads, (TESTS / "events.jsonl").read_text(encoding="utf-8").splitlines())
]
ID = "00000000000000000000000000000007"
HOW = (
    "in tests/events.jsonl; add one with json.dumps({'topic': it.TOPIC, 'version': it.VERSION, "
    "'state': encode(it).decode()}) of such an event"
)
WHAT_TO_DO = (
    "logs that are there would no longer read as they were written: raise its VERSION, add an upcaster from the old one to "
    "UPCASTERS in runners/store/codec.py, and add a line of the new version to tests/events.jsonl; leave the old line as it is"
)


def complaint(topic: str, version: int, state: bytes) -> str:
    """What is wrong with how this program reads and writes the sample of today's version; empty where nothing is."""
    try:
        written = encode(decode(topic, ID, 1, state))
    except LogError as error:
        return f"{topic} of version {version} does not read ({error}): {WHAT_TO_DO}"
    return "" if written == state else f"{topic} of version {version} is written otherwise than it was: {WHAT_TO_DO}"


def test_every_fact_in_every_version_has_a_stored_sample() -> None:
    there = {(topic, version) for topic, version, _ in SAMPLES}
    for topic, kind in EVENTS.items():
        for version in range(1, kind.VERSION + 1):
            assert (topic, version) in there, f"no sample of {topic} of version {version} {HOW}"
    assert there >= UPCASTERS.keys()
    for topic, version, state in SAMPLES:
        assert json.loads(state)["v"] == version, f"a sample of {topic} says another version than its line"


@pytest.mark.parametrize("topic", NAMING)
def test_the_texts_that_a_stored_fact_of_any_version_names_are_found_without_reading_it(topic: str) -> None:
    samples = [state for it, _, state in SAMPLES if it == topic]
    named = [sorted(decode(topic, ID, 1, state).text_keys) for state in samples]
    assert [sorted(named_in(topic, state)) for state in samples] == named
    assert any(named) or (EVENTS[topic].TEXTS, EVENTS[topic].WORDS) == ((), ("actor",)), f"no text in a sample {HOW}"


@pytest.mark.parametrize("topic", EVENTS)
def test_a_fact_of_today_is_written_to_the_byte_as_it_was(topic: str) -> None:
    for it, version, state in SAMPLES:
        if it == topic and version == EVENTS[topic].VERSION:
            assert complaint(topic, version, state) == ""


@pytest.mark.parametrize("topic", sorted({topic for topic, _ in UPCASTERS}))
def test_a_fact_of_an_earlier_program_reads_and_keeps_what_it_said(topic: str) -> None:
    for it, version, state in SAMPLES:
        if it == topic and version < EVENTS[topic].VERSION:
            then, now = json.loads(state), json.loads(encode(decode(topic, ID, 1, state)))
            assert now.pop("v") == EVENTS[topic].VERSION > then.pop("v")
            if topic == "PolicyChanged":
                then["key"] = current_key(then["key"])
            assert {name: now[name] for name in then} == then


def test_a_change_without_a_new_version_is_found_and_told_what_to_do() -> None:
    [(topic, version, state), *_] = [it for it in SAMPLES if it[:2] == ("TaskRated", TaskRated.VERSION)]
    for changed in (
        state.replace(b'"stars":', b'"rating":'),
        state.replace(b'"fault":', b'"blame":1,"fault":'),
        state.replace(b'"role":"action","arm":"stable"', b'"arm":"stable","role":"action"'),
    ):
        assert changed != state
        assert "raise its VERSION" in complaint(topic, version, changed)


def test_a_time_without_a_zone_is_damage() -> None:
    for topic, version in (("StepTaken", 2), ("StepTaken", 3), ("TaskSucceeded", 2)):
        [state, *_] = [state for it, of, state in SAMPLES if (it, of) == (topic, version)]
        naive = re.sub(rb'("time":"[^"]*?)(Z|[+]00:00)"', rb'\1"', state)
        assert naive != state
        for read in (decode, decode_timestamp):
            with pytest.raises(LogError, match="is damaged"):
                read(topic, ID, 1, naive)


@dataclass(frozen=True)
class Later:
    """What a later program may have stored, and how this one says so."""

    topic: str
    state: bytes
    said: str


TIME = b'"time":"2026-01-01T00:00:00Z","actor":"ada","caused_by":null'
LATER = [
    Later("TaskDreamt", b"{" + TIME + b',"v":1}', "an event 'TaskDreamt' that this version does not know; upgrade"),
    Later("TaskRated", b"{" + TIME + b',"v":99}', "TaskRated of version 99, this program knows 3; upgrade"),
]
READING = (
    ["status"], ["runs"], ["log"], ["log", "--json"], ["log", "--event", "TaskRated"], ["at", "{last}"], ["adapters"],
    ["rollouts"], ["alerts"], ["settings"], ["why", "lora-v1"], ["what-if"], ["replay"], ["replay", "--decisions"],
    ["dataset"], ["dataset", "preview"], ["train", "--dry-run", "--no-probe"], ["show", "{run}"],
)  # fmt: skip


def store(db: Path, later: Later) -> str:
    """Append the event, to the history of the first run; that run's id."""
    with sqlite3.connect(db) as connection:
        [run] = connection.execute("SELECT originator_id FROM stored_events WHERE topic = 'TaskStarted'").fetchone()
        connection.execute(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state, nodes) VALUES (?, 99, ?, ?, x'')",
            (run, later.topic, later.state),
        )
    connection.close()
    return str(run)


@pytest.mark.parametrize("later", LATER, ids=lambda it: it.topic)
@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_reading_command_stops_at_what_a_later_program_stored_with_one_line(
    log: Path, words: list[str], later: Later
) -> None:
    run, last = store(log, later), Ledger.open(log).position
    result = call(*(word.format(run=run, last=last) for word in words), db=log)
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert later.said in line


def test_no_view_and_no_follower_passes_over_what_it_does_not_know(log: Path) -> None:
    ledger = Ledger.open(log)
    done = ledger.tracked("improvement")
    store(log, LATER[0])
    for read in (process_new_events, load_state, replay):
        with pytest.raises(LogError, match="does not know"):
            read(ledger)
    assert ledger.tracked("improvement") == done
    assert load_state(ledger, ledger.position - 1).position == ledger.position - 1, "what was before still reads"


def keep_head(connection: sqlite3.Connection, position: int, version: str) -> None:
    """The head of a state that a program of another version kept at the position."""
    head = {"version": version, "position": position, "time": None, "parts": {}}
    connection.execute("INSERT INTO moments VALUES ('head', ?, ?)", (position, json.dumps(head).encode()))


@pytest.mark.parametrize("words", [["status"], ["runs"], ["replay"]], ids=" ".join)
def test_views_that_a_later_program_saved_hide_nothing_from_this_one(log: Path, words: list[str]) -> None:
    store(log, LATER[0])
    with sqlite3.connect(log) as connection:
        last = connection.execute("SELECT MAX(position) FROM stored_events").fetchone()[0]
        keep_head(connection, last, "9999")
        connection.execute("UPDATE checkpoints SET position = ?, state = '9999' WHERE name = 'tables'", (last,))
        connection.execute("UPDATE tracking SET notification_id = ?", (last,))
    connection.close()
    result = call(*words, db=log)
    assert result.exit_code == 1
    assert "does not know; upgrade grokputer" in result.stderr


def test_views_of_an_earlier_program_are_rebuilt_and_count_as_no_difference(log: Path) -> None:
    with sqlite3.connect(log) as connection:
        keep_head(connection, 5, "0")
        connection.execute("UPDATE checkpoints SET state = '' WHERE name = 'tables'")
    connection.close()
    assert replay(Ledger.open(log)).is_equal
    assert replay(Ledger.open(log)).is_equal


def test_every_fact_belongs_to_an_aggregate_and_has_a_topic_of_its_own() -> None:
    for topic, cls in EVENTS.items():
        assert topic == cls.TOPIC
        assert cls.AGGREGATE


def test_a_run_of_an_earlier_program_offers_what_its_environment_offered() -> None:
    for topic, version, state in SAMPLES:
        if topic == "TaskStarted" and version < 4:
            event = decode(topic, ID, 1, state)
            assert isinstance(event, TaskStarted)
            question = event.environment == "chat"
            assert (event.is_question, event.is_verified, event.is_repeatable) == (question, not question, not question)
            assert event.capabilities == (("question",) if question else ("verifies", "seeds", "demonstrations"))


def test_a_run_that_offers_what_no_environment_can_is_damage() -> None:
    [*_, state] = [state for topic, version, state in SAMPLES if (topic, version) == ("TaskStarted", 4)]
    with pytest.raises(LogError, match="is damaged"):
        decode("TaskStarted", ID, 1, state.replace(b'"question"', b'"telepathy"'))
