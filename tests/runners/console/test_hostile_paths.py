"""Paths and values that no command can use: one line says so, and nothing is replaced, left behind or shown raw."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import output, refused

import grokputer
from grokputer.domain.errors import LONGEST, NotPossible
from grokputer.runners.archive.files import write_whole
from story import Story

COMMANDS = (["init"], ["status"], ["verify"], ["settings", "set", "rating.window", "40"], ["doctor"])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_is_no_log_and_no_command_waits_for_it(tmp_path: Path, command: list[str]) -> None:
    pipe = tmp_path / "events.db"
    os.mkfifo(pipe)
    program = [sys.executable, "-c", "from grokputer.cli import main\nmain()", *command, "--db", str(pipe)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "is not a regular file" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert pipe.is_fifo()


def test_a_device_is_never_replaced_by_a_log(tmp_path: Path) -> None:
    link = tmp_path / "events.db"
    link.symlink_to("/dev/full")
    assert "is not a regular file" in refused("init", db=link)
    assert Path("/dev/full").is_char_device()


def test_a_loop_of_links_is_one_line(tmp_path: Path) -> None:
    loop = tmp_path / "events.db"
    loop.symlink_to(loop)
    assert "Too many levels of symbolic links" in refused("init", db=loop)


def test_a_current_folder_that_was_removed_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); from grokputer.cli import main; sys.argv = ['grokputer', 'init']; main()"
    ended = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "grokputer: the current folder was removed; change to another one\n"


def test_a_proof_that_is_nested_too_deeply_is_no_proof(tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_text("[" * 50_000)
    assert "nested too deeply" in refused("verify", "--proof", proof, db=tmp_path / "events.db")


def test_a_head_of_a_log_without_events_has_one_root(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    output("init", db=db)
    assert "has another root" in refused("verify", "--head", f"0:{'a' * 64}", db=db)
    head = output("verify", db=db).splitlines()[1].removeprefix("head ")
    output("verify", "--head", head, db=db)


def test_a_blank_name_is_not_taken_for_the_users_own(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    output("init", db=db)
    assert "must not be blank" in refused("settings", "set", "rating.window", "40", "--as", "  ", db=db)


def test_a_name_that_no_file_can_have_is_no_folder_and_no_file(tmp_path: Path) -> None:
    with grokputer.open(tmp_path / "events.db", create=True) as log:
        assert "is not a folder" in log.set("model.base", "x" * 3000).warning


def test_a_message_has_an_end_however_long_the_value_is(tmp_path: Path) -> None:
    with grokputer.open(tmp_path / "events.db", create=True) as log, pytest.raises(grokputer.GrokputerError) as refusal:
        log.set("rating.window", "x" * 100_000)
    assert len(str(refusal.value)) == LONGEST + 1


def test_errors_repeat_no_control_character_of_a_value(tmp_path: Path) -> None:
    with grokputer.open(tmp_path / "events.db", create=True) as log, pytest.raises(grokputer.GrokputerError) as refusal:
        log.rollouts.pause("\x1b[31mx\n\x1b[2J", reason="y")
    assert str(refusal.value).isprintable()


def test_what_a_killed_export_left_is_written_over_and_two_at_once_are_told_apart(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    story.ledger.close()
    file, left = tmp_path / "log.jsonl", tmp_path / ".log.jsonl.new"
    left.write_text("half of an export")
    with left.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another process is writing" in refused("log", "export", file, db=story.path)
    output("log", "export", file, db=story.path)
    assert "half" not in file.read_text()
    assert not left.exists()
    assert "exists already" in refused("log", "export", file, db=story.path)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_text("before")
    with pytest.raises(NotPossible, match="exists already"), write_whole(file) as out:
        out.write(b"after")
    with pytest.raises(TypeError), write_whole(file, replaces=True) as out:
        out.write("no bytes")  # type: ignore[call-overload]
    assert (file.read_text(), list(tmp_path.iterdir())) == ("before", [file])
    with write_whole(file, replaces=True) as out:
        out.write(b"after")
    assert file.read_text() == "after"
