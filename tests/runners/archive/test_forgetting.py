"""Words and names of people that are erased: they leave the file, and the events that named them stay."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from command_line import call, document, lines, output, refused
from stored_text import NAME, files_of, session, unnamed

from grokputer.domain.aggregates.base import Context
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import ContentErased
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.replay import replay
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.store.texts.words import keep
from story import BEGIN, Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def test_texts_that_an_earlier_program_left_without_an_event_go_with_the_next_erasure(story: Story) -> None:
    orphan = keep("BRAVO was never named")
    with closing(connect(story.path)) as connection:
        connection.execute("INSERT INTO content VALUES (?, ?, ?)", (str(orphan), orphan.salt, orphan.text))
    said = output("forget", "--yes", "--person", "nobody", "--reason", "clean up", db=story.path)
    assert "1 text that no event names deleted too" in said
    assert b"BRAVO" not in files_of(story.path)
    assert verify(story.ledger).fault is None


def test_what_a_person_is_called_and_said_is_gone_from_every_byte(story: Story) -> None:
    run = story.run(succeeds=False)
    named = ("--as", NAME)
    output("rate", run.hex, 2, "--issue", f"told {NAME} all", "--issue", "timeout", "--comment", f"so {NAME}", *named,
           db=story.path)  # fmt: skip
    output("settings", "set", "rating.window", 40, "--reason", f"{NAME} wants it", *named, db=story.path)
    output("train", "action", "--reason", f"for {NAME}", *named, db=story.path)
    shown = document("show", run.hex, db=story.path)["events"][-1]
    assert (shown["actor"], shown["issues"]) == (NAME, [f"told {NAME} all", "timeout"])
    assert NAME in output("log", db=story.path)
    assert f"set from 50 to 40 by {NAME}: {NAME} wants it" in output("why", "rating.window", db=story.path)
    before = list(story.ledger.read())
    output("forget", "--yes", "--person", NAME, "--reason", "left", "--as", "bob", db=story.path)
    assert NAME.encode() not in files_of(story.path)
    assert list(story.ledger.read(1, len(before))) == before
    assert verify(story.ledger).fault is None
    assert replay(story.ledger).is_equal
    shown = document("show", run.hex, db=story.path)["events"][-1]
    assert (shown["actor"], shown["issues"]) == ("(erased)", ["(erased)", "timeout"])
    [erased] = [it for it in lines(story.path) if it["event"] == "ContentErased"]
    assert (erased["actor"], erased["data"]["person"], erased["data"]["reason"]) == ("bob", "(erased)", "left")


def test_an_erasure_names_the_person_by_a_content_key(story: Story) -> None:
    story.rate(story.run(succeeds=False), 2, NAME)
    key = story.ledger.name_key(NAME)
    erase(story.ledger, Target(person=NAME), "left", "bob")
    [erased] = [it.event for it in story.ledger.read() if isinstance(it.event, ContentErased)]
    assert erased.person == key
    assert story.ledger.get_content(key) is None


def test_a_person_who_forgets_themselves_is_not_named_by_it(story: Story) -> None:
    story.promote()
    story.rate(story.run(succeeds=False), 2, NAME)
    output("forget", "--yes", "--person", NAME, "--reason", "my wish", "--retrain", "--as", NAME, db=story.path)
    assert NAME.encode() not in files_of(story.path)


def test_all_that_an_imported_session_says_can_be_forgotten(story: Story) -> None:
    private = session(
        story.path.parent,
        task=f"Write to Ada Q. {NAME}", user_rating=1, feedback_comment=f"sent it to {NAME}@example.org",
        what_went_wrong=f"It told {NAME} the number", lora_version=f"for-{NAME}", host=NAME,
        iterations=[{"thought": NAME, "tool_calls": [{"name": "mail", "arguments": {"to": NAME}, "result": NAME}]}],
    )  # fmt: skip
    output("runs", "import", private, db=story.path)
    [run] = document("runs", db=story.path)
    assert run["adapter"] == f"imported:for-{NAME}"
    private.unlink()
    output("forget", "--yes", run["id"], "--reason", "asked for", db=story.path)
    assert NAME.encode() not in files_of(story.path)
    assert verify(story.ledger).fault is None
    assert replay(story.ledger).is_equal
    [run] = document("runs", db=story.path)
    assert run["adapter"] == "imported:(erased)"


def test_the_name_of_another_programs_adapter_stays_while_a_remaining_run_has_it(story: Story) -> None:
    for task in ("one", "two"):
        output("runs", "import", session(story.path.parent, task=task, lora_version="version-seven"), db=story.path)
    one, two = (run["id"] for run in document("runs", db=story.path))
    output("forget", "--yes", one, "--reason", "asked for", db=story.path)
    assert document("show", two, db=story.path)["events"][0]["adapter"] == "imported:version-seven"
    assert "version-seven" in output("at", story.ledger.position, db=story.path)
    output("forget", "--yes", two, "--reason", "asked for", db=story.path)
    assert verify(story.ledger).fault is None
    assert b"version-seven" not in files_of(story.path)


def test_a_person_who_was_forgotten_and_comes_back_is_another_to_the_log(story: Story) -> None:
    run = story.run(succeeds=False)
    story.rate(run, 2, NAME)
    first = story.ledger.name_key(NAME)
    erase(story.ledger, Target(person=NAME), "left", "bob")
    story.rate(run, 3, NAME)
    assert story.ledger.name_key(NAME) != first
    actors = [it["actor"] for it in document("show", run.hex, db=story.path)["events"] if it["event"] == "TaskRated"]
    assert actors == ["(erased)", NAME]
    erase(story.ledger, Target(person=NAME), "left again", "bob")
    assert NAME.encode() not in files_of(story.path)
    assert verify(story.ledger).fault is None


def test_names_that_an_earlier_program_stored_in_events_are_told_and_the_words_go(story: Story) -> None:
    run = story.run(succeeds=False)
    plain = Context(BEGIN, NAME)  # as events were recorded before names had keys
    comment = story.ledger.put("in plain words")
    story.ledger.write(TaskRun, run, lambda it: it.rate(2, "human", (), comment, plain))
    said = call("forget", "--yes", "--person", NAME, "--reason", "left", db=story.path)
    assert "1 event of an earlier version holds the name itself" in said.stderr
    assert b"in plain words" not in files_of(story.path)
    [erased] = [it.event for it in story.ledger.read() if isinstance(it.event, ContentErased)]
    assert str(erased.person).startswith("sha256:")
    assert verify(story.ledger).fault is None


def test_words_of_a_decision_by_hand_are_told_in_its_alert_and_leave_the_file_with_the_person(story: Story) -> None:
    story.run()
    story.run()
    story.prove(story.train(story.ask()))
    why = "BRAVO\n\x1b[2Jis down"
    pause = ["rollouts", "pause", "lora-v1", "--reason", why, "--as", NAME]
    output(*pause, db=story.path)
    told = f"{NAME} paused the rollout of lora-v1: BRAVO [2Jis down"
    assert told in output("alerts", db=story.path)
    assert told in output("status", db=story.path)
    [alert] = document("alerts", db=story.path)
    assert (alert["message"], alert["by"]) == (told, NAME)
    assert f"paused by {NAME} at" in refused(*pause, db=story.path)
    output("rollouts", "share", "lora-v1", 30, "--reason", "CHARLIE", "--as", NAME, db=story.path)
    output("rollouts", "abort", "lora-v1", "--reason", "DELTA", "--as", NAME, db=story.path)
    output("rollouts", "forward", "lora-v1", "--reason", "ECHO", "--as", NAME, db=story.path)
    output("settings", "set", "rating.window", 30, "--reason", "FOXTROT", "--as", NAME, db=story.path)
    output("settings", "unset", "rating.window", "--reason", "GOLF", "--as", NAME, db=story.path)
    said = json.dumps(lines(story.path))
    words = ("BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", NAME)
    assert all(it in said for it in words)
    assert f"{NAME} made lora-v1 live in place of the base: ECHO" in output("alerts", db=story.path)
    ended = document("alerts", db=story.path)[0]["resolved"]["message"]
    assert ended == f"lora-v1 was rolled back by {NAME}: DELTA"
    story.ledger.close()
    with closing(connect(story.path, "ro")) as connection:
        states = b"".join(row[0] for row in connection.execute("SELECT state FROM stored_events"))
    assert not any(it.encode() in states for it in words)
    output("forget", "--yes", "--person", NAME, "--reason", "left", db=story.path)
    assert not any(it.encode() in files_of(story.path) for it in words)
    assert document("alerts", db=story.path)[0]["by"] == "(erased)"
    assert verify(Ledger.open(story.path)).fault is None
    assert unnamed(story.path) == set()
