"""A log in PostgreSQL: what its database refuses, what is safe when the server dies, and which worker may write."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError
from places import ROOT
from stores import connect, server

from grokputer.adapters.registry.lock import Held
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import LogError, MissingExtra, NotPossible
from grokputer.runners.archive.backup import back_up, restore
from grokputer.runners.archive.integrity import prove, verify
from grokputer.runners.archive.jsonl import export_log, import_log
from grokputer.runners.archive.verification import verify_log
from grokputer.runners.store.lease import find_worker, lease
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import DatabaseUrl, read_place
from grokputer.runners.store.port import LEASE
from grokputer.runners.store.states import load_state
from grokputer.runners.store.tail import Watch
from story import Story

STARTED: dict[str, Any] = {
    "role": "action", "arm": "stable", "adapter": None, "rollout": None, "environment": "miniwob", "task": "click-link",
    "seed": 1, "base": "embedded", "session": None, "policy": {"run.max_steps": 12},
}  # fmt: skip


@pytest.fixture
def place() -> DatabaseUrl:
    return server().place()


@pytest.fixture
def story(place: DatabaseUrl) -> Story:
    return Story(place)


def exported(log: Log) -> bytes:
    out = io.BytesIO()
    export_log(log, out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE stored_events SET topic = 'Nothing'", "append-only"),
        ("DELETE FROM stored_events WHERE position = 2", "append-only"),
        ("TRUNCATE stored_events", "append-only"),
        ("INSERT INTO stored_events VALUES (99, 'ab', 1, 'x', '', '')", "no gaps"),
        ("INSERT INTO stored_events SELECT position, 'ab', 1, 'x', '', '' FROM stored_events LIMIT 1", "duplicate key"),
    ],
)
def test_the_database_refuses_what_would_change_the_log(story: Story, statement: str, word: str) -> None:
    before = exported(story.ledger)
    with closing(connect(story.place)) as other, pytest.raises(psycopg.Error, match=word):
        other.execute(statement)
    assert exported(story.ledger) == before


def test_a_log_moves_to_a_database_and_back_equal_to_the_byte(tmp_path: Path, place: DatabaseUrl) -> None:
    story = Story(tmp_path / "events.db")
    story.fall()
    story.correct(story.runs[-1])
    before = exported(story.ledger)
    there = Ledger.create(place)
    import_log(there, io.BytesIO(before))
    assert exported(there) == before
    assert verify(there).head == verify(story.ledger).head
    assert prove(there, 5).head == prove(story.ledger, 5).head
    assert load_state(there).dump() == load_state(story.ledger).dump()
    assert verify_log(there).is_sound
    back = Ledger.create(tmp_path / "back.db")
    import_log(back, io.BytesIO(exported(there)))
    assert exported(back) == before


def test_a_text_with_the_character_nul_comes_back_as_it_was(story: Story) -> None:
    words = "a\0b\x1ac\x1a0"
    key = story.ledger.put(words)
    story.ledger.write(
        Settings, SETTINGS_ID, lambda it: it.change("rating.window", 9, key, story.ledger.context("ada\0"))
    )
    log = Log.open(story.place)
    assert log.get_content(key) == words
    assert log.find_name("ada\0") is not None
    assert verify(log).fault is None


def test_a_backup_of_a_database_is_a_log_in_a_file_and_is_restored_into_an_empty_one(
    story: Story, tmp_path: Path
) -> None:
    story.fall()
    made = back_up(story.ledger, tmp_path / "backup")
    assert made.events == story.ledger.position
    assert exported(Log.open(tmp_path / "backup" / "events.db")) == exported(story.ledger)
    with pytest.raises(NotPossible, match="needs an empty one"):
        restore(tmp_path / "backup", story.place)
    other = server().place()
    assert restore(tmp_path / "backup", other).backup.events == made.events
    assert exported(Log.open(other)) == exported(story.ledger)


@pytest.mark.parametrize("word", ["user", "order", "table"])
def test_a_schema_may_be_named_by_a_word_of_sql(word: str) -> None:
    story = Story(server().place(word))
    with closing(Watch(Log.open(story.place))) as watch:
        story.run()
        assert watch.wait(30)
    assert verify_log(Log.open(story.place)).is_sound
    with closing(connect(story.place)) as owner:
        owner.execute(f'DROP SCHEMA "{word}" CASCADE'.encode())


def test_a_watch_sees_what_another_connection_stores(story: Story) -> None:
    with closing(Watch(Log.open(story.place))) as watch:
        assert not watch.wait(0.01)
        story.run()
        assert watch.wait(30)


def test_writers_in_many_threads_leave_no_gap_and_one_tree(place: DatabaseUrl) -> None:
    Ledger.create(place)

    def write() -> None:
        ledger = Ledger.open(place)
        for _ in range(10):
            ledger.change(lambda it: it.append([(uuid4().hex, 1, "TaskRated", b"{}")]))
        ledger.close()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify(Log.open(place))
    assert (found.head.size, found.fault) == (80, None)


def test_threads_that_store_at_the_same_time_share_commits_and_each_has_its_own_outcome(story: Story) -> None:
    ledger, outcomes = story.ledger, list[str]()
    taken = TaskRun(story.run())
    runs = [TaskRun(uuid4()) for _ in range(30)]
    context = ledger.context("ada")
    for run in runs:
        run.start(context, **STARTED)
    taken.start(context, **STARTED)  # an event of this version is stored already

    def store(run: TaskRun) -> None:
        try:
            ledger.store(run)
            outcomes.append("stored")
        except IntegrityError:
            outcomes.append("refused")

    before = ledger.position
    with ledger._events.recorder.writer.alone():
        threads = [threading.Thread(target=store, args=(run,)) for run in (*runs, taken)]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", *["stored"] * 30]
    assert ledger.position == before + 30
    assert all(ledger.get(TaskRun, run.id).started is not None for run in runs)
    assert verify(ledger).fault is None


def test_a_log_of_an_earlier_program_gets_what_it_lacks(story: Story) -> None:
    with closing(connect(story.place)) as owner:
        owner.execute("DROP FUNCTION lock_head")
    story.ledger.close()
    story.ledger = Ledger.open(story.place)
    story.run()
    assert verify(story.ledger).fault is None


def test_while_one_writes_alone_others_wait_and_its_own_views_do_not(story: Story) -> None:
    other, done = Ledger.open(story.place), list[str]()

    def write() -> None:
        other.write(Settings, SETTINGS_ID, lambda it: it.change("rating.window", 8, "", other.context("eve")))
        done.append("stored")

    thread = threading.Thread(target=write)
    with story.ledger._events.recorder.writer.alone():
        thread.start()
        story.set("rating.window", 7)
        with story.ledger.changing_views() as rows:
            rows.execute("DELETE FROM claims")
        assert not done
    thread.join()
    assert story.ledger.get(Settings, SETTINGS_ID).policy.get("rating.window") == 8


def test_of_two_workers_the_second_is_told_who_has_the_lease(story: Story) -> None:
    other = Log.open(story.place)
    with lease(story.ledger):
        assert (
            find_worker(other)
            == f"the worker (process {os.getpid()} on {os.uname().nodename})"[: len("the worker ()") + 63]
        )
        with pytest.raises(NotPossible, match=f"another worker .process {os.getpid()}"), lease(other, waits=False):
            pass
        with pytest.raises(Held), other.database.hold(LEASE):
            pass
    assert find_worker(other) is None


FREEZE = """
import sys
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import LogError
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.lease import lease
from grokputer.runners.store.place import read_place
ledger = Ledger.open(read_place(sys.stdin.readline().strip()))
def append():
    window = ledger.get(Settings, SETTINGS_ID).policy.get("rating.window") + 1
    ledger.write(Settings, SETTINGS_ID, lambda it: it.change("rating.window", window, "", ledger.context("eve")))
with ledger.changing_views():
    pass
with lease(ledger):
    append()
    print("leads", flush=True)
    sys.stdin.readline()
    for write in (append, lambda: ledger.changing_views().__enter__()):
        try:
            write()
            print("stored", flush=True)
        except LogError as error:
            print(error, flush=True)
"""


@pytest.fixture
def frozen(story: Story) -> Iterator[subprocess.Popen[str]]:
    """A worker that has the lease and does not answer any more."""
    with subprocess.Popen(
        [sys.executable, "-c", FREEZE],
        cwd=ROOT.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert isinstance(story.place, DatabaseUrl)
        process.stdin.write(f"{story.place.url}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "leads\n"
        process.send_signal(signal.SIGSTOP)
        yield process
        process.kill()


def test_a_frozen_worker_cannot_write_once_its_successor_has_begun(story: Story, frozen: subprocess.Popen[str]) -> None:
    with pytest.raises(NotPossible), lease(story.ledger, waits=False):
        pass
    with closing(connect(story.place)) as operator:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        operator.execute(
            ended + "WHERE locktype = 'advisory' AND application_name LIKE %s", (f"process {frozen.pid} %",)
        )
    with lease(story.ledger):
        story.run()
        before = story.ledger.position
        frozen.send_signal(signal.SIGCONT)
        said = frozen.communicate("go on\n")[0].splitlines()
        assert len(said) == 2
        assert all("another worker has begun" in line for line in said)
        assert story.ledger.position == before
        story.run()
    assert verify(story.ledger).fault is None


def test_a_database_without_a_log_or_without_a_server_is_one_line_without_the_password(place: DatabaseUrl) -> None:
    with pytest.raises(LogError, match="no log at postgresql://owner@/postgres"):
        Log.open(place)
    for url in ("postgresql://ada:hunter2@127.0.0.1:1/log", "postgresql://ada@127.0.0.1:1/log?password=hunter2"):
        with pytest.raises(LogError, match="cannot be reached") as caught:
            Log.open(read_place(url))
        assert "hunter2" not in str(caught.value)
        assert "127.0.0.1:1/log" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(LogError, match="is not a name"):
        Log.open(read_place("postgresql://h/d?schema=a;b"))


def test_without_its_library_a_database_is_one_line_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grokputer.runners.store.postgres.store", None)
    with pytest.raises(MissingExtra, match=r"pip install 'grokputer\[postgres\]'"):
        Log.open(read_place("postgresql://ada:hunter2@h/d"))
