"""Content: words and names lie beside the events, and never without an event that names them."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from command_line import call, document, lines, output
from eventsourcing.persistence import IntegrityError
from stored_text import NAME, files_of, program, session, unnamed

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskRated
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import verify
from grokputer.runners.store.ledger import Ledger, Save
from grokputer.runners.store.sqlite.connection import connect
from story import Story

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


def test_three_imports_of_the_same_sessions_at_once_store_each_session_once(story: Story) -> None:
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
