"""Pictures and sounds of questions that a file lists, and of those that are typed in a chat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, document, output, refused
from small_media import picture, wav

import grokputer

PNG = picture()
WAV = wav()


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A log whose model sees and hears behind an endpoint, the server, and a folder of files."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    files = tmp_path / "files"
    files.mkdir()
    for name, content in (("a.png", PNG), ("b.png", PNG + b"1"), ("a.wav", WAV)):
        (files / name).write_bytes(content)
    with ChatServer("Seen.", streams=True) as server:
        output("init", db=tmp_path / "events.db")
        for key, value in (("backend", "openai"), ("endpoint", server.url), ("base", "eyes")):
            output("settings", "set", f"model.{key}", value, db=tmp_path / "events.db")
        yield tmp_path / "events.db", server, files


def kinds(server: ChatServer) -> list[list[str]]:
    """The kinds of the parts of each question that was asked."""
    asked: list[Any] = server.asked
    return [["text"] if isinstance(it, str) else [part["type"] for part in it] for it in asked]


def test_a_list_of_tasks_names_pictures_and_sounds_from_its_own_folder(asked: Any) -> None:
    db, server, files = asked
    rows = [
        {"task": "What is this?", "image": ["a.png", "b.png"], "session": "s"},
        {"task": "And what does it say?", "audio": "a.wav", "session": "s"},
        {"audio": str(files / "a.wav")},  # a model that hears itself is given words too
    ]
    (files / "tasks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = call("run", "--from", files / "tasks.jsonl", "--json", db=db)
    assert "line 3: the task has no words" in result.stderr
    assert kinds(server) == [["text", "image_url", "image_url"], ["text", "input_audio"]]
    with grokputer.open(db) as log:
        assert [len(it.event.inputs) for it in log.events(topics=["TaskStarted"])] == [2, 1]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"task": "x", "image": "none.png"}, "none.png cannot be read"),
        ({"task": "x", "image": 3}, "image cannot be 3; it takes a file, or a list of files"),
        ({"image": "a.png"}, "it has no task"),
        ({"task": "x", "audio": "a.png"}, "cannot be given to the model"),
    ],
)
def test_a_line_with_a_file_that_cannot_be_had_is_refused_before_anything_runs(
    asked: Any, row: dict[str, Any], said: str
) -> None:
    db, server, files = asked
    (files / "tasks.jsonl").write_text(json.dumps({"task": "first"}) + "\n" + json.dumps(row))
    line = refused("run", "--from", files / "tasks.jsonl", db=db)
    assert said in line and "line 2" in line and "nothing was run" in line
    assert server.asked == []


def test_in_a_chat_files_come_with_the_next_question_alone(asked: Any) -> None:
    db, server, files = asked
    pictures, sound = f"/image {files}/a.png\n/image {files}/none.png\n", f"/audio {files}/a.wav\n"
    typed = f"{pictures}what is it\nand now\n{sound}\n{sound}say it\n/quit\n"
    result = call("chat", "--session", "s", db=db, typed=typed)
    assert result.exit_code == 0
    assert kinds(server) == [["text", "image_url"], ["text"], ["text", "input_audio"]]
    assert "a.png comes with the next question" in result.stderr and "none.png cannot be read" in result.stderr
    assert "the task has no words" in result.stderr  # this model hears itself, so nothing is heard for it
    assert [run["status"] for run in document("runs", db=db)] == ["answered"] * 3
