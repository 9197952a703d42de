"""Logs that cannot be written: on a read-only file system, or in somebody else's folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grokputer.domain.errors import LogError
from grokputer.runners.store.log import Log
from story import Story

PROGRAM = str(Path(sys.executable).with_name("grokputer"))
MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


@pytest.fixture
def folder(log: Path) -> Iterator[Path]:
    """A folder with a log that nothing has open."""
    folder = log.parent / "elsewhere"
    folder.mkdir()
    shutil.copy(log, folder / "events.db")
    os.chmod(folder, 0o555)
    yield folder
    os.chmod(folder, 0o755)


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the program where the folder cannot be written: root may write everywhere but to a read-only mount."""
    command = [PROGRAM, *words, "--db", str(folder / "events.db")]
    if os.geteuid() == 0:
        mounted = ["unshare", "--mount", "/bin/sh", "-c", MOUNTED, str(folder)]
        if shutil.which("unshare") is None or subprocess.run([*mounted, "true"], capture_output=True).returncode:
            pytest.skip("root writes everywhere here, and may not mount")
        command = [*mounted, *command]
    return subprocess.run(command, capture_output=True, text=True)


READING = [
    "status", "runs", "runs --failed", "log --limit 3", "at 20", "diff 3 30", "adapters", "rollouts", "alerts", "settings",
    "why lora-v1", "lineage lora-v1", "dataset", "verify", "replay", "what-if", "failures", "prove 3", "log export -",
]  # fmt: skip


@pytest.mark.parametrize("command", READING)
def test_a_reading_command_shows_what_it_shows_elsewhere_and_leaves_no_file(folder: Path, command: str) -> None:
    shown = call(folder, *command.split())
    assert shown.returncode == 0, shown.stderr
    assert [it.name for it in folder.iterdir()] == ["events.db"]
    os.chmod(folder, 0o755)
    elsewhere = subprocess.run(
        [PROGRAM, *command.split(), "--db", str(folder / "events.db")], capture_output=True, text=True
    )
    assert shown.stdout == elsewhere.stdout


def test_the_doctor_reads_it_too(folder: Path) -> None:
    shown = call(folder, "doctor")
    assert "events, all readable" in shown.stdout
    assert "journal wal" in shown.stdout


def test_a_command_that_writes_is_refused_in_one_line(folder: Path) -> None:
    shown = call(folder, "settings", "set", "rating.window", "20")
    assert shown.returncode == 1
    assert shown.stderr.count("\n") == 1 and "cannot be written" in shown.stderr


def test_a_log_whose_last_events_are_still_in_the_journal_is_refused_with_what_to_do(folder: Path) -> None:
    os.chmod(folder, 0o755)
    with closing(sqlite3.connect(folder / "events.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO tracking VALUES ('somebody', 1)")
        killed = folder.parent / "killed"
        killed.mkdir()
        for end in ("", "-wal"):
            shutil.copy(folder / f"events.db{end}", killed / f"events.db{end}")
    os.chmod(killed, 0o555)
    shown = call(killed, "status")
    os.chmod(killed, 0o755)
    assert shown.returncode == 1
    assert shown.stderr.count("\n") == 1
    assert "cannot be read safely" in shown.stderr and "events.db-wal" in shown.stderr


def test_a_log_that_another_user_changes_meanwhile_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    story.ledger.close()
    # SQLite itself finds that the shared files can be made, so what is tried here is that nothing old is shown.
    monkeypatch.setattr("grokputer.runners.store.sqlite.store.is_folder_writable", lambda path: False)
    seen = Log.open(story.path)
    before = seen.position
    story.run()
    assert seen.position > before
    story.ledger.close()
    story.run()
    assert seen.position == story.ledger.position


def test_a_log_that_this_user_may_not_read_is_one_line(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    story = Story(tmp_path / "events.db")
    story.ledger.close()
    os.chmod(story.path, 0)
    with pytest.raises(LogError, match="permissions"):
        Log.open(story.path)
