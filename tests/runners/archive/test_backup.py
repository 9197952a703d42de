"""Backups: made while writers write, proven before they replace anything, and whole or not there whatever interrupts them."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from command_line import call, count, output, refused

from grokputer.adapters.registry.local import WeightStore
from grokputer.domain.errors import GrokputerError, LogError, NotPossible
from grokputer.runners.archive.backup import back_up, prove, restore
from grokputer.runners.archive.replay import replay
from grokputer.runners.store.lease import lease
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log, adapters_folder
from grokputer.runners.store.place import open_store
from grokputer.runners.store.states import load_state
from story import change

FOLLOW = "process_new_events(ledger)"
WRITER = """
import sys
from pathlib import Path
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
ledger = Ledger.open(Path(sys.argv[1]))
print("at work", flush=True)
for number in range(10**9):
    key = ledger.put(f"text {number} of {sys.argv[2]} " * 50)
    context = ledger.context(sys.argv[2])
    ledger.write(Settings, SETTINGS_ID, lambda it: it.change("rating.window", 10 + number % 50, key, context))
    process_new_events(ledger)
"""


def program(*words: object) -> list[str]:
    return [sys.executable, "-c", "from grokputer.cli import main; main()", *map(str, words)]


@contextmanager
def writing(log: Path, writers: int = 2) -> Iterator[None]:
    """Processes that write to the log as fast as they can."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(log), f"writer {number}"], stdout=subprocess.PIPE, text=True
        )
        for number in range(writers)
    ]
    try:
        for it in started:
            assert it.stdout is not None and it.stdout.readline() == "at work\n"
        yield
        assert all(it.poll() is None for it in started), "they wrote to the end"
    finally:
        for it in started:
            it.kill()
            it.communicate()


def wait_until(log: Path, position: int) -> None:
    """Wait until the log has come so far."""
    until = time.monotonic() + 60
    while (count(log) or 0) < position:
        assert time.monotonic() < until, "no writer has begun"
        time.sleep(0.01)


@pytest.fixture
def backup(log: Path, tmp_path: Path) -> Path:
    back_up(Log.open(log), tmp_path / "backup")
    return tmp_path / "backup"


def change_window(log: Path, window: int = 33) -> None:
    """One event more."""
    ledger = Ledger.open(log)
    change(ledger, "rating.window", window)
    ledger.close()


def events(log: Path) -> list[object]:
    opened = Log.open(log)
    found: list[object] = [(it.position, it.event) for it in opened.read()]
    opened.close()
    return found


def beside(log: Path) -> set[str]:
    """What lies beside the log that has to do with it."""
    return {it.name for it in log.parent.iterdir() if log.name in it.name} - {f"{log.name}.lease"}


def test_a_backup_is_a_log_with_its_weights_that_any_command_reads(log: Path, backup: Path) -> None:
    assert events(backup / "events.db") == events(log)
    assert output("adapters", db=backup / "events.db") == output("adapters", db=log)
    store = WeightStore(adapters_folder(backup / "events.db") / "weights")
    for adapter in load_state(Log.open(log)).registry.adapters.values():
        store.path(adapter.weights)
    assert replay(Log.open(backup / "events.db")).is_equal
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=backup, capture_output=True).returncode == 0


def test_a_backup_never_replaces_another_and_lies_in_no_file(log: Path, backup: Path) -> None:
    assert "exists already; a backup never replaces another" in refused("backup", backup, db=log)
    assert "name a folder" in refused("backup", log / "none" / "b", db=log)


def test_a_backup_of_what_writers_write_meanwhile_is_of_one_moment_and_they_go_on(log: Path, tmp_path: Path) -> None:
    with writing(log):
        done = []
        for number in range(3):
            wait_until(log, (count(log) or 0) + 5)
            done.append(back_up(Log.open(log), tmp_path / f"backup-{number}"))
        wait_until(log, done[-1].events + 5)
    assert done[0].events < done[1].events < done[2].events
    for number, it in enumerate(done):
        assert prove(tmp_path / f"backup-{number}" / "events.db") == it.events
        assert events(tmp_path / f"backup-{number}" / "events.db") == events(log)[: it.events]


def test_weights_that_are_lost_or_damaged_are_told_of_and_left_out(log: Path, tmp_path: Path) -> None:
    weights = sorted((adapters_folder(log) / "weights").iterdir())
    shutil.rmtree(weights[0])
    next(weights[1].glob("*.json")).write_text("{}")
    result = call("backup", tmp_path / "backup", db=log)
    assert result.exit_code == 0
    assert [line.split(" are missing")[0] for line in result.stderr.splitlines()] == [
        "the weights of lora-v1", "the weights of lora-v2",
    ]  # fmt: skip
    assert "and 0 sets of weights" in result.stdout


def test_the_log_alone_is_backed_up_where_that_is_asked_for(log: Path, tmp_path: Path) -> None:
    output("backup", tmp_path / "backup", "--no-weights", db=log)
    assert sorted(it.name for it in (tmp_path / "backup").iterdir()) == ["SHA256SUMS", "events.db"]
    shutil.rmtree(adapters_folder(log))
    result = call("restore", tmp_path / "backup", db=log)
    assert "the weights of lora-v1 are neither in the backup nor here" in result.stderr


@pytest.mark.parametrize("lost", ["all of it", "the log alone", "nothing"])
def test_a_restored_log_is_the_one_that_was_backed_up_weights_and_all(log: Path, backup: Path, lost: str) -> None:
    before = events(log)
    if lost != "nothing":
        log.unlink()
    if lost == "all of it":
        shutil.rmtree(adapters_folder(log))
    assert f"restored {len(before)} events and 2 sets of weights" in output("restore", backup, db=log)
    assert events(log) == before
    assert replay(Log.open(log)).is_equal
    assert len(list((adapters_folder(log) / "weights").iterdir())) == 2
    change_window(log)
    with closing(sqlite3.connect(log)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_what_a_dead_process_left_beside_a_lost_log_never_gets_into_the_restored_one(log: Path, backup: Path) -> None:
    before = events(log)
    ended = f"import os; {WRITER.replace(FOLLOW, f'{FOLLOW} if number < 30 else os._exit(1)')}"
    subprocess.run([sys.executable, "-c", ended, str(log), "ada"], capture_output=True, check=False)
    assert (log.parent / "events.db-wal").stat().st_size > 0
    log.unlink()
    restore(backup, log)
    assert events(log) == before
    assert "events.db.replaced-1-wal" in beside(log)


def test_events_that_the_backup_lacks_are_counted_and_kept_under_another_name(log: Path, backup: Path) -> None:
    before = events(log)
    change_window(log)
    change_window(log, 34)
    after = events(log)
    said = refused("restore", backup, db=log)
    assert "holds 2 events that" in said and "--force" in said
    shown = output("restore", backup, "--dry-run", db=log)
    assert "holds 2 events that it lacks" in shown
    assert events(log) == after
    result = call("restore", backup, "--force", db=log)
    assert "with 2 events that the backup lacks, is kept as" in result.stderr
    assert events(log) == before
    assert events(log.parent / "events.db.replaced-1") == after


def test_events_that_are_others_from_some_position_on_are_lost_ones_too(log: Path, backup: Path) -> None:
    change_window(log)
    other = backup.parent / "other"
    shutil.copytree(backup, other)
    back_up(Log.open(log), backup.parent / "later")
    restore(backup, log, force=True)
    change_window(log, 44)
    with pytest.raises(NotPossible, match="an event that"):
        restore(backup.parent / "later", log)


def test_a_log_that_cannot_be_read_is_replaced_by_force_alone_and_kept(log: Path, backup: Path) -> None:
    before, damaged = events(log), b"this was a log" * 999
    log.write_bytes(damaged)
    said = call("restore", backup, db=log)
    assert said.exit_code == 1 and "cannot be read" in said.stderr and "--force" in said.stderr
    assert log.read_bytes() == damaged
    output("restore", backup, "--force", db=log)
    assert events(log) == before
    assert (log.parent / "events.db.replaced-1").read_bytes() == damaged


def test_nothing_is_replaced_while_a_worker_is_at_work_or_another_process_has_the_log_open(
    log: Path, backup: Path
) -> None:
    before = log.read_bytes()
    with lease(Log(open_store(log))):
        assert "another worker" in refused("restore", backup, db=log)
    with closing(sqlite3.connect(log)) as reader:
        reader.execute("SELECT COUNT(*) FROM stored_events").fetchone()
        assert "is open in another process" in refused("restore", backup, db=log)
    assert log.read_bytes() == before
    assert not [name for name in beside(log) if "restoring" in name or "replaced" in name]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.5, 0.75, 0.9, 0.999])
@pytest.mark.parametrize("file", ["events.db", "SHA256SUMS", "adapter_config.json"])
def test_a_single_byte_that_changed_is_found_before_anything_is_replaced(
    log: Path, backup: Path, file: str, share: float
) -> None:
    before = log.read_bytes()
    [path, *_] = sorted(backup.rglob(file))
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 1
    path.write_bytes(content)
    for words in ([], ["--force"], ["--dry-run"]):
        assert "use another backup" in refused("restore", backup, *words, db=log)
    assert log.read_bytes() == before


def test_a_log_whose_sums_are_right_is_proven_all_the_same(log: Path, tmp_path: Path) -> None:
    for statement, said in (
        ("UPDATE content SET text = 'other' WHERE key = (SELECT MIN(key) FROM content)", "does not match its key"),
        (
            "DROP TRIGGER log_keeps_events; UPDATE stored_events SET state = '{}' WHERE position = 9",
            "differs from the one",
        ),
        (
            "DROP TRIGGER log_loses_nothing; DELETE FROM stored_events WHERE position = 9",
            "no event at position 9",
        ),
        ("UPDATE runs SET stars = 1", "runs differ from what follows"),
        ("PRAGMA application_id = 1", "not a log"),
    ):
        copy = tmp_path / "copy.db"
        shutil.copyfile(log, copy)
        with closing(sqlite3.connect(copy)) as connection:
            connection.executescript(statement)
        with pytest.raises(LogError, match=said):
            prove(copy)


def test_a_log_with_an_event_that_cannot_be_read_is_not_backed_up(log: Path, tmp_path: Path) -> None:
    row = (uuid4().hex, 1, "StepTaken", b'{"time":"2026-01-01T00:00:00Z","v":2}')
    ledger = Ledger.open(log)
    ledger.change(lambda it: it.append([row]))
    ledger.close()
    with pytest.raises(LogError, match=r"not backed up.*StepTaken"):
        back_up(Log.open(log), tmp_path / "backup")


def test_a_backup_holds_nothing_but_what_it_sums(backup: Path) -> None:
    named = {line.split("  ")[1] for line in (backup / "SHA256SUMS").read_text().splitlines()}
    assert {str(it.relative_to(backup)) for it in backup.rglob("*") if it.is_file()} == named | {"SHA256SUMS"}


def test_views_that_are_behind_are_brought_up_in_the_copy_and_the_log_stays_as_it_is(log: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(log)) as connection:
        connection.executescript("UPDATE runs SET stars = 1")
    before = log.read_bytes()
    back_up(Log.open(log), tmp_path / "backup")
    assert replay(Log.open(tmp_path / "backup" / "events.db")).is_equal
    assert log.read_bytes() == before


def test_a_file_that_is_not_a_backup_is_refused_by_name(log: Path, tmp_path: Path) -> None:
    assert "is not a backup; give a folder" in refused("restore", tmp_path, db=log)
    assert "is not a backup; give a folder" in refused("restore", log, db=log)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_disk_that_is_full_leaves_no_backup_and_changes_no_log(log: Path, backup: Path, share: float) -> None:
    before = log.read_bytes()
    longest = int(len((backup / "events.db").read_bytes()) * share)
    for words in (["backup", backup.parent / "second"], ["restore", backup]):
        shown = subprocess.run(
            program(*words, "--db", log), capture_output=True, text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest)),
        )  # fmt: skip
        assert shown.returncode == 1
        assert shown.stderr.startswith("grokputer: ") and shown.stderr.count("\n") == 1
    assert log.read_bytes() == before
    assert not [it.name for it in backup.parent.iterdir() if "second" in it.name or "restoring" in it.name]


def killed(words: list[object], after_s: float) -> None:
    """Run the command and kill it, unless it has ended by then."""
    started = subprocess.Popen(program(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    started.send_signal(signal.SIGKILL)
    started.wait()


def test_a_backup_or_restore_that_is_killed_anywhere_leaves_a_whole_log_and_can_be_done_again(
    log: Path, backup: Path
) -> None:
    old = events(log)
    change_window(log)
    new = events(log)
    for after_s in (0.4, 0.7, 1.0):
        killed(["backup", backup.parent / "second", "--db", log], after_s)
        killed(["restore", backup, "--force", "--db", log], after_s)
        assert events(log) in (old, new)
        if (backup.parent / "second").exists():
            prove(backup.parent / "second" / "events.db")
            shutil.rmtree(backup.parent / "second")
    output("restore", backup, "--force", db=log)
    output("backup", backup.parent / "second", db=log)
    assert events(log) == events(backup.parent / "second" / "events.db") == old


class Killed(BaseException):
    """Stands for the end of the process at a moment."""


@pytest.mark.parametrize("moment", ["link", "replace", "fsync"])
def test_wherever_the_swap_ends_one_of_the_two_logs_is_in_place(
    log: Path, backup: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = events(log)
    change_window(log)
    new = events(log)

    def stop(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "replace":
            patch.setattr(Path, "replace", stop)
        else:
            patch.setattr(os, moment, stop)
        with pytest.raises(Killed):
            restore(backup, log, force=True)
    assert events(log) == new
    restore(backup, log, force=True)
    assert events(log) == old
    assert {it for it in beside(log) if "replaced" in it} == {"events.db.replaced-1"}
    assert events(log.parent / "events.db.replaced-1") == new
    assert not log.samefile(log.parent / "events.db.replaced-1")


def test_no_process_reads_or_writes_the_log_while_it_is_replaced(
    log: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def look(incoming: Path, path: Path) -> None:
        for statement in ("SELECT COUNT(*) FROM stored_events", "DELETE FROM tracking"):
            with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError) as caught:
                other.execute(statement)
            said.append(str(caught.value))
        os.replace(incoming, path)

    monkeypatch.setattr(Path, "replace", look)
    restore(backup, log)
    assert said == ["database is locked"] * 2


def test_two_backups_under_one_name_at_once_do_not_mix(log: Path, tmp_path: Path) -> None:
    started = [
        subprocess.Popen(program("backup", tmp_path / "b", "--db", log), stderr=subprocess.PIPE) for _ in range(2)
    ]
    said = b"".join(it.communicate()[1] for it in started)
    assert sorted(it.returncode for it in started) == [0, 1]
    assert b"another process is making the backup" in said or b"exists already" in said
    prove(tmp_path / "b" / "events.db")


def test_errors_of_a_backup_are_the_users_business() -> None:
    with pytest.raises(GrokputerError):
        restore(Path("none"), Path("none.db"))
