"""Content: words and names lie beside the events, never without an event that names them, and leave the file when erased."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from command_line import call, document, lines, output, refused
from eventsourcing.persistence import IntegrityError

from given import OFFERED
from grokputer.domain.aggregates.base import Context
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import ContentErased, TaskRated
from grokputer.runners.archive import erasure
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.replay import replay
from grokputer.runners.feedback.ratings import record_rating
from grokputer.runners.store.connection import connect
from grokputer.runners.store.content import find_unnamed
from grokputer.runners.store.ledger import Ledger, Save
from grokputer.runners.store.words import keep
from story import BEGIN, Story

NAME = "Zebrafish"

KILLED = """
import os, signal, sys
from grokputer.runners.store.recorder import LogRecorder
from grokputer.runners.store.writer import Transaction

def die(*args, **values):
    os.kill(os.getpid(), signal.SIGKILL)

append = Transaction.append
if sys.argv[1] == "before":
    LogRecorder.insert_events = die
else:
    Transaction.append = lambda self, rows: (append(self, rows), die())
sys.argv[1:] = sys.argv[2:]
from grokputer.cli import main
main()
"""
"""The program, killed before or within the transaction of the first event that it stores."""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def files_of(path: Path) -> bytes:
    """All that lies in the log's files."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")) if file.is_file())


def unnamed(path: Path) -> set[str]:
    with closing(connect(path, "ro")) as connection:
        return find_unnamed(connection)


def program(*words: object, code: str = "from grokputer.cli import main; main()") -> subprocess.Popen[str]:
    given = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(given, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def session(folder: Path, **fields: Any) -> Path:
    file = folder / "session.json"
    file.write_text(json.dumps(fields))
    return file


@pytest.mark.parametrize("moment", ["before", "within"])
@pytest.mark.parametrize("command", ["rate", "correct", "import", "dataset"])
def test_a_process_that_is_killed_leaves_no_text_that_no_event_names(story: Story, command: str, moment: str) -> None:
    folder = story.path.parent
    output("runs", "import", session(folder, task="What is it?", user_rating=2), db=story.path)
    run = document("runs", db=story.path)[0]["id"]
    (folder / "set.jsonl").write_text(json.dumps({"instruction": f"who is {NAME}", "output": "a fish"}))
    story.ledger.close()
    words: dict[str, list[object]] = {
        "rate": ["rate", run, 1, "--comment", NAME, "--issue", f"{NAME} again", "--as", NAME],
        "correct": ["correct", run, "--answer", NAME, "--as", NAME],
        "import": ["runs", "import", session(folder, task=NAME, user_rating=1, lora_version=NAME), "--as", NAME],
        "dataset": ["dataset", "import", folder / "set.jsonl", "--role", "action", "--license", NAME, "--as", NAME],
    }
    before = unnamed(story.path)
    killed = program(moment, *words[command], "--db", story.path, code=KILLED)
    killed.communicate()
    assert killed.returncode == -9
    assert unnamed(story.path) == before == set()
    assert NAME.encode() not in files_of(story.path)
    assert call(*words[command], db=story.path).exit_code == 0, "the same command does it then"
    assert unnamed(story.path) == set()


def test_three_imports_of_the_same_sessions_at_once_leave_each_session_once_and_nothing_unnamed(story: Story) -> None:
    file = story.path.parent / "sessions.jsonl"
    rows = [
        {"task": f"Ask BRAVO number {number}", "user_rating": 2, "feedback_comment": "BRAVO"} for number in range(6)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    story.ledger.close()
    at_once = [program("runs", "import", file, "--as", NAME, "--db", story.path) for _ in range(3)]
    said = [it.communicate() for it in at_once]
    assert [it.returncode for it in at_once] == [0, 0, 0], said
    assert sum(int(told.split()[1]) for told, _ in said) == 6, "each session is told as new by one of them"
    assert unnamed(story.path) == set()
    started = [it for it in lines(story.path) if it["event"] == "TaskStarted"]
    assert len(started) == 6
    with closing(connect(story.path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM content WHERE text = ?", (NAME,)).fetchone() == (1,)


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


def test_what_another_program_called_its_adapter_stays_while_a_run_that_is_not_forgotten_had_it(story: Story) -> None:
    for task in ("one", "two"):
        output("runs", "import", session(story.path.parent, task=task, lora_version="version-seven"), db=story.path)
    one, two = (run["id"] for run in document("runs", db=story.path))
    output("forget", "--yes", one, "--reason", "asked for", db=story.path)
    assert document("show", two, db=story.path)["events"][0]["adapter"] == "imported:version-seven"
    assert "version-seven" in output("at", story.ledger.position, db=story.path)
    output("forget", "--yes", two, "--reason", "asked for", db=story.path)
    assert verify(story.ledger).fault is None
    assert b"version-seven" not in files_of(story.path)


def test_two_processes_that_name_a_person_first_at_the_same_time_mean_one_person(story: Story) -> None:
    run, other = story.run(succeeds=False), Ledger.open(story.path)
    one, two = story.ledger.context(NAME), other.context(NAME)
    assert one.actor != two.actor
    story.ledger.write(TaskRun, run, lambda it: it.rate(2, "human", (), None, one))
    rated = other.write(TaskRun, run, lambda it: it.rate(4, "human", (story.ledger.put("own words"),), None, two))
    assert [it.actor for it in rated.ratings] == [one.actor, one.actor]
    assert [it.event.actor for it in story.ledger.read() if isinstance(it.event, TaskRated)] == [one.actor] * 2
    assert other.context(NAME).actor == one.actor
    assert verify(story.ledger).fault is None
    other.close()


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


def test_what_another_process_stores_while_words_are_looked_for_is_erased_too(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = story.run(succeeds=False), Ledger.open(story.path)
    story.rate(run, 2, NAME, f"{NAME} said so")
    calls: list[int] = []
    trace = erasure._trace_lessons

    def trace_while_another_writes(*given: Any) -> None:
        trace(*given)
        if len(calls) < 3:
            calls.append(len(calls))
            rated = other.get(TaskRun, run)
            record_rating(other, rated, 1, [], f"{NAME} once more", NAME if len(calls) < 3 else "ada", None, None)

    monkeypatch.setattr(erasure, "_trace_lessons", trace_while_another_writes)
    words = erase(story.ledger, Target(person=NAME), "left", "bob")
    other.close()
    assert len(words.keys) == 4, "the name, and three comments of the person"
    assert files_of(story.path).count(f"{NAME} once more".encode()) == 1, "ada's own words are no words of theirs"
    assert verify(story.ledger).fault is None


def test_a_person_who_is_named_first_while_words_are_looked_for_is_erased_too(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = story.run(succeeds=False), Ledger.open(story.path)
    plain, comment = Context(BEGIN, NAME), story.ledger.put("of an earlier program")
    story.ledger.write(TaskRun, run, lambda it: it.rate(2, "human", (), comment, plain))
    trace = erasure._trace_lessons

    def trace_while_another_writes(*given: Any) -> None:
        trace(*given)
        if len(other.get(TaskRun, run).ratings) == 1:
            record_rating(other, other.get(TaskRun, run), 1, [], "named for the first time", NAME, None, None)

    monkeypatch.setattr(erasure, "_trace_lessons", trace_while_another_writes)
    erase(story.ledger, Target(person=NAME), "left", "bob")
    other.close()
    files = files_of(story.path)
    assert b"of an earlier program" not in files
    assert b"named for the first time" not in files
    assert verify(story.ledger).fault is None
    assert story.ledger.name_key(NAME) not in {it.event.actor for it in story.ledger.read()}


WRITING = """
import sys
from pathlib import Path
from uuid import UUID
from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.feedback.ratings import record_rating
from grokputer.runners.store.ledger import Ledger

ledger = Ledger.open(Path(sys.argv[1]))
for number in range(60):
    record_rating(ledger, ledger.get(TaskRun, UUID(sys.argv[2])), 2, ["Zebrafish did it"], "Zebrafish", "Zebrafish")
    print(number, flush=True)
"""


def test_forgetting_while_another_process_writes_breaks_nothing_and_once_more_ends_it(story: Story) -> None:
    run = story.run(succeeds=False)
    writer = program(story.path, run.hex, code=WRITING)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "0\n"
    for _ in range(5):
        erase(story.ledger, Target(person=NAME), "left", "bob")
        assert verify(story.ledger).fault is None
    _, said = writer.communicate()
    assert writer.returncode == 0, said
    erase(story.ledger, Target(person=NAME), "left", "bob")
    assert NAME.encode() not in files_of(story.path)
    assert verify(story.ledger).fault is None
    assert unnamed(story.path) == set()
    assert len(story.ledger.get(TaskRun, run).ratings) == 60


@pytest.mark.parametrize("target", [lambda run: [run.hex], lambda run: ["--person", "ada"]])
def test_a_run_that_is_under_way_can_be_forgotten_and_it_is_said_that_more_may_come(
    story: Story, target: Callable[[UUID], list[str]]
) -> None:
    run = TaskRun(uuid4())
    run.start(
        story.ledger.context("ada"), role="action", arm="stable", adapter=None, rollout=None, environment="chat",
        capabilities=OFFERED["chat"], task=story.ledger.put(f"who is {NAME}"), seed=0, base="embedded", session=None, policy={},
    )  # fmt: skip
    story.ledger.store(run)
    result = call("forget", "--yes", *target(run.id), "--reason", "asked for", db=story.path)
    assert f"not ended: {run.id.hex[:8]}; what such a run records from now on is not deleted" in result.stderr
    assert NAME.encode() not in files_of(story.path)


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


def test_a_log_of_an_earlier_program_gets_the_table_of_names(story: Story) -> None:
    story.ledger.close()
    with closing(connect(story.path)) as connection:
        connection.execute("DROP TABLE names")
    ledger = Ledger.open(story.path)
    assert ledger.name_key(NAME) == ledger.name_key(NAME)
    assert verify(ledger).fault is None


def test_a_name_has_the_same_key_after_an_export_and_an_import(story: Story, tmp_path: Path) -> None:
    story.rate(story.run(succeeds=False), 2, NAME)
    file, copy = tmp_path / "log.jsonl", tmp_path / "copy.db"
    output("log", "export", file, db=story.path)
    output("log", "import", file, db=copy)
    ledger = Ledger.open(copy)
    assert ledger.name_key(NAME) == story.ledger.name_key(NAME)
    erase(ledger, Target(person=NAME), "left", "bob")
    assert NAME.encode() not in files_of(copy)


def test_a_key_carries_its_words_until_an_event_that_names_it_is_stored(story: Story) -> None:
    run = story.run(succeeds=False)
    key = story.ledger.put("said once")
    assert story.ledger.get_content(key) == "said once"
    assert Ledger.open(story.path).get_content(str(key)) is None
    story.ledger.write(TaskRun, run, lambda it: it.rate(2, "human", (), key, story.ledger.context("ada")))
    assert Ledger.open(story.path).get_content(str(key)) == "said once"
    assert story.ledger.history(UUID(run.hex))[-1].event.text_keys[0] == key


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


def test_of_a_batch_each_member_brings_its_words_and_what_fails_leaves_none(story: Story) -> None:
    runs, other = [story.run(succeeds=False) for _ in range(3)], Ledger.open(story.path)
    rated = []
    for run in runs:
        it = other.get(TaskRun, run)
        it.rate(2, "human", (), other.put(f"BRAVO of {run.hex}"), other.context(NAME))
        rated.append(it)
    story.rate(runs[0], 3, NAME)  # another process names the person first, and is first at the first run
    failed, *stored = other.store_all([Save((it,)) for it in rated])
    assert isinstance(failed, IntegrityError)
    assert stored == [None, None]
    ratings = [it.event for it in other.read() if isinstance(it.event, TaskRated)]
    assert [it.actor for it in ratings] == [other.name_key(NAME)] * 3
    assert [it.comment and other.get_content(it.comment) for it in ratings[1:]] == [
        f"BRAVO of {it.hex}" for it in runs[1:]
    ]
    assert f"BRAVO of {runs[0].hex}".encode() not in files_of(story.path)
    assert unnamed(story.path) == set()
    assert verify(other).fault is None
    other.close()
