"""Disks that are full or read-only and processes killed while they make a log: nothing is lost, and what to do is said."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from command_line import call, document, output, refused
from full_disk import full_disk
from places import SUPPORT

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import LogError
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.port import Unwritable
from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.store.writer import Transaction
from story import Story, change

RUN: dict[str, Any] = {
    "role": "action", "arm": "stable", "adapter": None, "rollout": None, "environment": "miniwob", "task": "click-link",
    "seed": 1, "base": "embedded", "session": None, "policy": {"run.max_steps": 12},
}  # fmt: skip


@pytest.fixture
def story(tmp_path: Path) -> Story:
    (tmp_path / "log").mkdir()
    found = Story(tmp_path / "log" / "events.db")
    found.rate(found.run(), 4)
    found.run(succeeds=False, reason="timeout")
    return found


def run_unnoticed(story: Story) -> str:
    """Record a run as a process does that is killed before the tables are brought up; what they should say of all runs."""
    context = story.ledger.context("ada")
    story.ledger.write(TaskRun, uuid4(), lambda it: it.start(context, **RUN))
    copy = story.path.with_name("copy.db")
    with closing(sqlite3.connect(story.path)) as connection, closing(sqlite3.connect(copy)) as target:
        connection.backup(target)
        assert connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0] == 2
    return output("runs", "--json", db=copy)


# A full disk


def test_on_a_full_disk_the_runs_are_listed_up_to_the_logs_end(story: Story) -> None:
    wanted = run_unnoticed(story)
    with full_disk(story.path):
        assert output("runs", "--json", db=story.path) == wanted
    assert len(json.loads(wanted)) == 3


def test_on_a_full_disk_replay_compares_what_is_there_and_says_why_it_does_no_more(story: Story) -> None:
    run_unnoticed(story)
    with full_disk(story.path):
        result = call("replay", "--json", db=story.path)
    assert "the views were compared as they stand: the system cannot read or write" in result.stderr
    assert json.loads(result.stdout)["equal"]["runs"]
    assert document("replay", db=story.path)["is_equal"]


def test_on_a_full_disk_a_command_that_writes_is_refused_with_the_next_step(story: Story) -> None:
    run = story.run().hex
    with full_disk(story.path):
        line = refused("rate", run, 4, db=story.path)
    assert "check whether its disk is full, over a limit or failing, and run the command again" in line
    assert call("rate", run, 4, db=story.path).exit_code == 0


def test_a_database_that_is_full_is_one_line_and_what_was_to_be_stored_can_be_stored_again(story: Story) -> None:
    def fill(transaction: Transaction) -> None:
        pages = transaction.connection.execute("PRAGMA page_count").fetchone()[0]
        transaction.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    story.ledger.change(fill)
    with pytest.raises(Unwritable, match=r"the disk with .*events\.db is full; make room and run the command again"):
        change(story.ledger, "rating.window", 30, story.ledger.put("x" * 100_000))
    story.ledger.close()
    key = story.ledger.put("x" * 100_000)
    change(story.ledger, "rating.window", 30, key)
    assert story.ledger.get_content(str(key)) == "x" * 100_000


# A read-only disk

COMMANDS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from command_line import call
results = {}
for words in json.loads(sys.argv[3]):
    result = call(*words, db=Path(sys.argv[2]))
    results[" ".join(words)] = (result.exit_code, result.stdout, result.stderr)
print(json.dumps(results))
"""
Results = dict[str, tuple[int, str, str]]


@pytest.fixture
def read_only() -> Callable[..., Results]:
    """Runs commands on a log where nothing can be written: on a read-only mount for root, who may write to any folder else."""
    if os.geteuid() == 0:
        made = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
        if made.returncode:
            pytest.skip(
                "root needs a mount of its own to have a folder that it cannot write, and the system allows none"
            )
    return run_read_only


def run_read_only(path: Path, *commands: list[str]) -> Results:
    command = [sys.executable, "-c", COMMANDS, str(SUPPORT), str(path), json.dumps(commands)]
    if os.geteuid() == 0:
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", mount, str(path.parent), *command]
    modes = {it: it.stat().st_mode for it in (path.parent, *path.parent.iterdir())}
    for it, mode in modes.items():
        it.chmod(mode & ~0o222)
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=120)
    finally:
        for it, mode in modes.items():
            it.chmod(mode)
    assert done.returncode == 0, done.stderr
    return {words: tuple(result) for words, result in json.loads(done.stdout.splitlines()[-1]).items()}


READING = [["status"], ["runs", "--json"], ["log", "--limit", "3"], ["verify"], ["replay", "--json"]]


def test_a_log_where_nothing_can_be_written_is_read_and_replayed(
    story: Story, read_only: Callable[..., Results]
) -> None:
    story.ledger.close()
    wanted: dict[str, Any] = {" ".join(it): output(*it, db=story.path) for it in READING}
    with closing(sqlite3.connect(story.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = read_only(story.path, *READING)
    assert {words: result[1] for words, result in found.items()} == wanted
    assert {result[0] for result in found.values()} == {0}
    assert "the views were compared as they stand" in found["replay --json"][2]


def test_where_nothing_can_be_written_the_runs_are_listed_up_to_the_logs_end(
    story: Story, read_only: Callable[..., Results]
) -> None:
    wanted = run_unnoticed(story)
    story.ledger.close()
    assert read_only(story.path, ["runs", "--json"])["runs --json"] == (0, wanted, "")


def test_where_nothing_can_be_written_a_command_that_writes_is_refused_with_the_next_step(
    story: Story, read_only: Callable[..., Results]
) -> None:
    story.ledger.close()
    for code, shown, line in read_only(story.path, ["train"], ["work", "--once"]).values():
        assert (code, shown) == (1, "")
        assert "events.db cannot be written (" in line
        assert "or name another with --db" in line
        assert len(line.splitlines()) == 1


def test_a_log_whose_last_writes_cannot_be_read_is_not_shown_without_them(
    story: Story, tmp_path: Path, read_only: Callable[..., Results]
) -> None:
    """Copied by hand with its write-ahead log, whose index SQLite would have to write."""
    story.run()
    (tmp_path / "copy").mkdir()
    for name in ("events.db", "events.db-wal"):
        shutil.copy(story.path.with_name(name), tmp_path / "copy" / name)
    [(code, shown, line)] = read_only(tmp_path / "copy" / "events.db", ["log"]).values()
    assert (code, shown) == (1, "")
    assert "events.db cannot be read safely: a process uses it or was killed" in line


# A log that is being made

MAKE = """
import os, signal, sys
from pathlib import Path
from grokputer.runners.store.sqlite import schema
from grokputer.runners.store.ledger import Ledger
path, count = Path(sys.argv[1]), int(sys.argv[2])
steps = 0
def step(*_):
    global steps
    steps += 1
    if steps == count:
        os.kill(os.getpid(), signal.SIGKILL)
def connect(*given, connect=schema.connect):
    step()
    connection = connect(*given)
    connection.set_trace_callback(step)
    return connection
schema.connect = connect
sys.addaudithook(lambda event, _: step() if event in ("open", "os.rename", "os.remove", "os.chmod") else None)
while True:  # each time a step later, until one is not killed
    process = os.fork()
    if not process:
        Ledger.create(path)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
    left = path.exists() and path.stat().st_size
    if left:
        from grokputer.runners.store.log import Log
        assert Log.open(path).position == 0
    print(count, flush=True)
    count += 1
"""


def test_a_process_that_is_killed_while_it_makes_a_log_leaves_what_can_be_made_or_is_whole(tmp_path: Path) -> None:
    """Killed before each statement and each change of a file, one after the other, and what it left gone on from."""
    folder = tmp_path / "log"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(folder / "events.db"), "1"],
        cwd="/", capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 15
    assert "exists already, with 0 events" in output("init", db=folder / "events.db")
    assert {it.name for it in folder.iterdir()} <= {"events.db", "events.db.lock", "events.db-wal", "events.db-shm"}


def test_the_rest_of_a_killed_init_of_version_0_1_0_is_made_a_log(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size
    assert "not a log of grokputer" in refused("status", db=path)
    assert output("init", db=path) == f"made the log {path}\n"
    assert Log.open(path).position == 0


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE notes (text)", "PRAGMA user_version = 7", "PRAGMA application_id = 7"]
)
def test_a_database_of_another_program_is_never_made_a_log(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    before = path.read_bytes()
    assert "not a log of grokputer" in refused("init", db=path)
    assert path.read_bytes() == before


def test_a_new_log_takes_nothing_from_the_files_that_a_deleted_one_left(story: Story) -> None:
    story.ledger.close()
    with closing(connect(story.path)), closing(connect(story.path)) as connection:
        connection.execute("UPDATE tracking SET notification_id = 0")
        aside = [shutil.copy(it, it.with_name(f"left{it.suffix}")) for it in [story.path.with_name("events.db-wal")]]
    story.path.unlink()
    shutil.move(aside[0], story.path.with_name("events.db-wal"))
    assert Ledger.create(story.path).position == 0
    assert document("replay", db=story.path)["events"] == 0


def test_a_new_log_keeps_the_permissions_of_the_empty_file_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.touch(mode=0o600)
    Ledger.create(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_is_made_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "events.db").symlink_to(tmp_path / "disk" / "events.db")
    Ledger.create(tmp_path / "events.db").close()
    assert (tmp_path / "events.db").is_symlink()
    assert Log.open(tmp_path / "disk" / "events.db").position == 0


# The first views of a log

FIRST = """
import fcntl, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from command_line import call
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.sqlite.locks import lock_of
path = Path(sys.argv[2])
Ledger.create(path).close()
class Probe:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("sqlite_utils", "pandas"):
            file = os.open(lock_of(path), os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.write(1, b"held while ")
            os.close(file)
            os.write(1, name.encode() + b" is loaded\\n")
sys.meta_path.insert(0, Probe())
assert call(*sys.argv[3:], db=path).exit_code == 0
"""


@pytest.mark.parametrize("words", [["settings", "set", "rating.window", "40"]])
def test_no_other_writer_waits_while_the_libraries_for_the_first_tables_are_loaded(
    tmp_path: Path, words: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST, str(SUPPORT), str(tmp_path / "events.db"), *words],
        cwd="/", capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "sqlite_utils is loaded\n" in done.stdout
    assert "held" not in done.stdout


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"no folder .* for the log"):
        Ledger.create(tmp_path / "none" / "events.db")
