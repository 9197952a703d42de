"""What is no plain file, such as a pipe, given where a file is read: one line says so, and nothing waits."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import call, output

from grokputer.api.client.calls import add_media
from grokputer.domain.errors import GrokputerError


@pytest.fixture(autouse=True)
def _a_wait_ends_the_test() -> Iterator[None]:
    """A command that waits for a pipe fails the test after 30 seconds."""

    def fail(*_: object) -> None:
        raise AssertionError("the command waited for the pipe")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    output("init", db=tmp_path / "events.db")
    return tmp_path / "events.db"


COMMANDS = {
    "a picture": ("run", "What is this?", "--image", "{}.png"),
    "a sound": ("run", "What is this?", "--audio", "{}.wav"),
    "a list of tasks": ("run", "--from", "{}.jsonl"),
    "a dataset": ("dataset", "import", "{}.jsonl"),
    "a packed dataset": ("dataset", "import", "{}.jsonl.gz"),
    "an exported log": ("log", "import", "{}.jsonl"),
    "a proof": ("verify", "--proof", "{}.json"),
    "sessions": ("runs", "import", "{}.jsonl"),
    "a template": ("settings", "set", "model.chat_template", "{}.jinja"),
    "words of a setting": ("settings", "set", "run.instructions", "@{}.txt"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_is_refused_in_one_line_and_not_waited_for(tmp_path: Path, db: Path, command: str) -> None:
    words = [word.replace("{}", f"{tmp_path}/pipe") for word in COMMANDS[command]]
    [pipe] = [Path(word.removeprefix("@")) for word in words if "pipe" in word]
    os.mkfifo(pipe)
    result = call(*words, db=tmp_path / "new.db" if words[0] == "log" else db)
    [line] = result.stderr.splitlines()
    assert result.exit_code == 1 and line.startswith("grokputer: ")
    assert str(pipe) in line and "a pipe is no plain file" in line


def test_a_pipe_that_a_shell_has_opened_for_the_command_is_read(tmp_path: Path, db: Path) -> None:
    """As ``log import <(grokputer log export)`` gives it."""
    output("settings", "set", "run.max_steps", "7", db=db)
    exported = tmp_path / "log.jsonl"
    output("log", "export", exported, db=db)
    end, begin = os.pipe()
    os.write(begin, exported.read_bytes())
    os.close(begin)
    assert "imported 1 events" in output("log", "import", f"/dev/fd/{end}", db=tmp_path / "new.db")
    os.close(end)


def test_a_socket_and_a_device_are_refused_too(tmp_path: Path, db: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, kind in ((tmp_path / "socket", "socket"), ("/dev/zero", "device")):
            said = call("run", "What is this?", "--image", path, db=db).stderr
            assert f"{path} cannot be read: a {kind} is no plain file" in said


def test_a_picture_in_a_list_of_tasks_may_not_be_a_pipe(tmp_path: Path, db: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "tasks.jsonl").write_text('{"task": "What is this?", "image": "a.png"}')
    assert "a pipe is no plain file; nothing was run" in call("run", "--from", tmp_path / "tasks.jsonl", db=db).stderr


def test_a_dataset_card_and_a_picture_of_a_set_may_not_be_a_pipe(tmp_path: Path, db: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    os.mkfifo(folder / "README.md")
    os.mkfifo(folder / "a.png")
    (folder / "rows.jsonl").write_text('{"file_name": "a.png", "text": "red"}\n{"prompt": "a", "completion": "b"}\n')
    assert "which is no file" in call("dataset", "import", folder, db=db).output


def test_tasks_as_plain_files_may_not_be_pipes(tmp_path: Path) -> None:
    folder = tmp_path / "tasks" / "one"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "task.toml")
    assert "task.toml is no ordinary file" in call("tasks", "check", tmp_path / "tasks").output


def test_the_client_refuses_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(GrokputerError, match="it is no plain file"):
        add_media("What is this?", [tmp_path / "a.png"], ())


def test_a_list_of_tasks_is_still_read_from_stdin(db: Path) -> None:
    with ChatServer("Yes.") as server:
        for key, value in (("backend", "openai"), ("endpoint", server.url), ("base", "eyes")):
            output("settings", "set", f"model.{key}", value, db=db)
        assert call("run", "--from", "-", "--no-feedback", db=db, typed="Is it?\n").exit_code == 0
