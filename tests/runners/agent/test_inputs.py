"""Runs with pictures and sounds: what the model is shown, what is recorded, what is repeated, what is erased."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, document, output
from small_media import picture, wav

import grokputer
from grokputer.domain.page.media import AUDIO, IMAGE, MOST_INPUTS, write_mark, write_url
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting

PNG, OTHER = picture("red"), picture("blue")
WAV = wav()


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Path, ChatServer]]:
    """A log whose questions go to a server, and the server."""
    with ChatServer("A red square.") as server:
        path = tmp_path / "events.db"
        ledger = Ledger.create(path)
        for key, value in {"model.backend": "openai", "model.endpoint": server.url, "model.base": "eyes"}.items():
            change_setting(ledger, key, value, actor="ada")
        ledger.close()
        yield path, server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    contents = {"a.png": PNG, "b.png": OTHER, "a.wav": WAV, "page.html": b"<script>"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents}


def stored(path: Path) -> list[str]:
    with grokputer.open(path) as log, log._ledger.reading() as connection:
        return sorted(text for (text,) in connection.execute("SELECT text FROM content WHERE text LIKE 'data:%'"))


def events(path: Path, topic: str) -> list[Any]:
    with grokputer.open(path) as log:
        return [recorded.event for recorded in log._ledger.read() if topic == recorded.event.TOPIC]


def content(path: Path, key: str) -> Any:
    with grokputer.open(path) as log:
        return log._ledger.get_content(key)


def test_a_task_with_a_picture_and_a_sound_shows_both_after_its_words(
    asked: tuple[Path, ChatServer], files: dict[str, Path]
) -> None:
    path, server = asked
    questions: list[Any] = server.asked
    output("run", "What is this?", "--image", files["a.png"], "--audio", files["a.wav"], "--no-feedback", db=path)
    assert questions == [
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": write_url(PNG)}},
            {"type": "input_audio", "input_audio": {"data": write_url(WAV).partition(",")[2], "format": "wav"}},
        ]
    ]
    [started], [step] = events(path, "TaskStarted"), events(path, "StepTaken")
    picture, sound = started.inputs
    [message] = json.loads(content(path, step.prompt))
    assert message["content"] == f"What is this?\n{write_mark(IMAGE, picture)}\n{write_mark(AUDIO, sound)}"
    assert content(path, started.task) == "What is this?"
    assert stored(path) == sorted([write_url(PNG), write_url(WAV)])
    output("verify", db=path)


def test_the_same_picture_is_stored_once_and_the_next_turn_of_a_session_is_asked_with_it(
    asked: tuple[Path, ChatServer],
) -> None:
    path, server = asked
    with grokputer.open(path) as log:
        log.run("What is this?", images=[PNG], session="s", actor="ada")
        log.run("And this one?", images=[PNG, OTHER], session="s", actor="ada")
    conversation: list[Any] = server.conversations[1]
    first, _, last = conversation
    assert [part["type"] for part in first["content"]] == ["text", "image_url"]
    assert [part["type"] for part in last["content"]] == ["text", "image_url", "image_url"]
    assert len(stored(path)) == 2


def test_a_picture_of_a_run_is_erased_with_it_and_a_turn_that_showed_it_too(asked: tuple[Path, ChatServer]) -> None:
    path, _ = asked
    with grokputer.open(path) as log:
        run = log.run("What is this?", images=[PNG], session="s", actor="ada").run
        log.run("Are you sure?", session="s", actor="bob")
    output("forget", run.hex, "--reason", "private", "--yes", db=path)
    assert stored(path) == []
    prompts = [content(path, step.prompt) for step in events(path, "StepTaken")]
    assert prompts == [None, None]
    output("verify", db=path)


def test_inputs_move_with_an_exported_log_and_a_backup(asked: tuple[Path, ChatServer], tmp_path: Path) -> None:
    path, _ = asked
    with grokputer.open(path) as log:
        log.run("What is this?", images=[PNG], actor="ada")
    output("log", "export", str(tmp_path / "events.jsonl"), db=path)
    output("log", "import", str(tmp_path / "events.jsonl"), db=tmp_path / "moved.db")
    assert stored(tmp_path / "moved.db") == [write_url(PNG)]
    output("verify", db=tmp_path / "moved.db")


def test_a_correction_of_a_question_with_a_picture_teaches_the_prompt_that_was_asked(
    asked: tuple[Path, ChatServer],
) -> None:
    path, _ = asked
    with grokputer.open(path) as log:
        run = log.run("What is this?", images=[PNG], actor="ada").run
        log.correct(run, "A blue circle.", actor="ada")
    [step], [corrected] = events(path, "StepTaken"), events(path, "TaskCorrected")
    [lesson] = json.loads(content(path, corrected.correction))
    assert lesson["messages"] == json.loads(content(path, step.prompt)) and lesson["completion"] == "A blue circle."


def test_an_answer_for_a_step_that_the_run_does_not_have_is_refused_and_nothing_is_recorded(
    asked: tuple[Path, ChatServer],
) -> None:
    path, _ = asked
    with grokputer.open(path) as log:
        run = log.run("What is this?", images=[PNG], actor="ada").run
    for step in (2, 77):
        refused = call("correct", run, "--step", step, "--answer", "A blue circle.", db=path)
        assert refused.exit_code != 0 and f"has no step {step}; its steps are 1 to 1" in refused.stderr
    assert not events(path, "TaskCorrected")


def test_what_looks_like_a_mark_in_a_task_shows_nothing(asked: tuple[Path, ChatServer]) -> None:
    path, server = asked
    with grokputer.open(path) as log:
        log.run("What is this?", images=[PNG], actor="ada")
        [key] = events(path, "TaskStarted")[0].inputs
        log.run(f"Show me {write_mark(IMAGE, key)}", actor="eve")
    assert server.asked[1] == f"Show me (image_url {key})"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--image", "page.html"],
            "page.html cannot be given to the model: it is not a picture (PNG, JPEG, GIF, WebP)",
        ),
        (["--image", "a.wav"], "a.wav cannot be given to the model: it is not a picture"),
        (["--audio", "missing.wav"], "missing.wav cannot be read: No such file or directory"),
        (["--image", "a.png"] * (MOST_INPUTS + 1), "a task takes at most 16 pictures and sounds, not 17"),
    ],
)
def test_a_file_that_no_model_takes_is_refused_in_one_line_before_anything_is_recorded(
    asked: tuple[Path, ChatServer],
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    path, server = asked
    monkeypatch.chdir(path.parent)
    refused = call("run", "What is this?", *options, "--no-feedback", db=path)
    assert refused.exit_code == 1 and words in " ".join(refused.stderr.split())
    assert not server.asked and not events(path, "TaskStarted")


def test_the_inputs_of_a_run_are_shown_as_marks(asked: tuple[Path, ChatServer], files: dict[str, Path]) -> None:
    path, _ = asked
    run = document("run", "What is this?", "--image", files["a.png"], "--no-feedback", db=path)["run"]
    assert "[image_url sha256:" in output("show", run, "--full", db=path)
