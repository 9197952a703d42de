"""``grokputer chat``, typed into a pipe and at a terminal, and the rating of a whole session."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, document, output, refused

import grokputer


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log whose model is a server that streams the question in capitals, and fails at the word "bad"."""
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = tmp_path / "events.db"
    with ChatServer(lambda asked: b"{}" if "bad" in asked else asked.upper(), streams=True) as server:
        output("init", db=path)
        for key, value in (("backend", "openai"), ("endpoint", server.url), ("base", "tiny")):
            output("settings", "set", f"model.{key}", value, db=path)
        yield path


def at_a_terminal(db: Path, *steps: tuple[str, str], **environment: str) -> str:
    """What a chat shows at a terminal where each text is typed once the words before it are shown."""
    own, theirs = pty.openpty()
    program = Path(sys.executable).with_name("grokputer")
    command = [str(program), "chat", "--session", "talk", "--db", str(db)]
    variables = {**os.environ, "TERM": "dumb", "COLUMNS": "200", **environment}
    shown, since = b"", 0
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        try:
            for awaited, typed in steps:
                while (at := shown.find(awaited.encode(), since)) < 0:
                    shown += os.read(own, 1 << 16)
                since = at + len(awaited)  # one read may bring what the next step waits for too
                os.write(own, typed.encode())
            while part := os.read(own, 1 << 16):
                shown += part
        except OSError:  # how Linux says that the other end has closed
            pass
    os.close(own)
    assert process.returncode == 0, shown
    return shown.decode()


def test_each_line_of_a_pipe_is_a_turn_that_knows_the_turns_before_it(db: Path) -> None:
    result = call("chat", "--session", "talk", db=db, typed="who is it\nwhere \\\nis it\n/rate 2\n/quit\nnever asked\n")
    assert result.exit_code == 0
    assert result.stdout == "WHO IS IT\nWHERE \nIS IT\n"
    assert "session talk; /help lists" in result.stderr and "rated 2; /correct" in result.stderr
    second, first = document("runs", db=db)
    assert {first["session"], second["session"]} == {"talk"} and first["environment"] == "chat"
    assert (first["stars"], second["stars"]) == (None, 2)
    with grokputer.open(db) as log:
        step: Any = list(log.events(topics=["StepTaken"]))[-1].event
        assert [message["content"] for message in json.loads(log.text(step.prompt) or "")] == [
            "who is it", "WHO IS IT", "where \nis it"
        ]  # fmt: skip
    assert "session talk, which goes on after 2 turns" in call("chat", "--session", "talk", db=db, typed="").stderr


def test_the_last_answer_is_corrected_explained_and_the_next_one_pinned(db: Path) -> None:
    lines = (
        "/why",
        "hello",
        "/correct",
        "Good day.",
        "/adapter base",
        "hello again",
        "/why",
        "/adapter lora-v9",
        "/sing",
    )
    result = call("chat", db=db, typed="\n".join((*lines, "/adapter", "")))
    assert result.exit_code == 0
    assert "there is no answer yet; ask a question first" in result.stderr
    assert "the correction is recorded" in result.stderr
    assert "adapter lora-v9 is not registered" in result.stderr
    assert "/sing is not known here" in result.stderr
    assert "base answers; the last answer is by base" in result.stderr
    second, first = document("runs", db=db)
    assert (first["corrected_by"], first["arm"], second["arm"]) == ("human", "stable", "pinned")
    assert first["session"].startswith("chat-")
    assert second["id"][:8] in result.stdout, "/why names the run"


def test_a_turn_that_fails_is_said_and_the_conversation_goes_on(db: Path) -> None:
    result = call("chat", db=db, typed="bad\ngood\n")
    assert result.exit_code == 0 and result.stdout == "GOOD\n"
    assert "model tiny at" in result.stderr


def test_an_answer_that_would_drive_a_terminal_is_escaped_as_it_streams(db: Path) -> None:
    result = call("chat", db=db, typed="red \x1b[31m and\ttab \u202e back\n")
    assert "\x1b" not in result.stdout and "\u202e" not in result.stdout
    assert result.stdout == "RED \\x1b[31M AND\\tTAB \\u202e BACK\n"


def test_at_a_terminal_one_key_rates_and_another_key_begins_the_next_question(db: Path) -> None:
    shown = at_a_terminal(
        db, ("> ", "who is it\n"), ("base", "4"), ("rated 4", ""), ("> ", "where is it\n"), ("base", "h"), ("> h", "ow\n"),
        ("base", "\n"), ("> ", "\x04"),
    )  # fmt: skip
    assert "WHO IS IT" in shown and "HOW" in shown
    third, second, first = document("runs", db=db)
    assert [run["stars"] for run in (first, second, third)] == [4, None, None]
    assert third["task"] == "how"


def test_at_a_terminal_an_answer_is_corrected_in_the_editor(db: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\ngrep -q "WHO IS IT" "$1" && echo "It is Ada." > "$1"\n', encoding="utf-8")
    editor.chmod(0o700)
    at_a_terminal(
        db, ("> ", "who is it\n"), ("base", "\n"), ("> ", "/correct\n"), ("recorded", ""), ("> ", "/quit\n"),
        EDITOR=str(editor), VISUAL="",
    )  # fmt: skip
    [run] = document("runs", db=db)
    assert run["corrected_by"] == "human"
    assert "It is Ada." in output("show", run["id"], db=db)


def test_a_session_is_rated_at_once_but_for_the_runs_that_the_person_has_rated(db: Path) -> None:
    call("chat", "--session", "talk", "--as", "ada", db=db, typed="one\n/rate 2\ntwo\nthree\n")
    said = output("rate", "--session", "talk", "4", "--as", "ada", db=db)
    assert said == "2 runs of session talk rated 4; 1 run that you rated before stay as they are\n"
    assert [run["stars"] for run in document("runs", db=db)] == [4, 4, 2]
    with grokputer.open(db, actor="bob") as log:
        given = log.rate_session("talk", 5)
        assert (len(given.rated), given.skipped) == (3, 0)
    refusal = refused("rate", "--session", "other", "4", db=db)
    assert (
        refusal.count("session 'other' has no ended run; see 'grokputer runs'")
        == refusal.count("see 'grokputer runs'")
        == 1
    )
    assert call("rate", "--session", "talk", db=db).exit_code == 2
    assert call("rate", db=db).exit_code == 2


def test_a_session_teaches_the_turns_that_were_judged_with_their_conversation(db: Path) -> None:
    call("chat", "--session", "talk", db=db, typed="one\ntwo\n/correct\nThe second.\nthree\n/rate 5\nfour\n")
    output("settings", "set", "training.replay_share", 0.5, db=db)
    previewed = document("dataset", "preview", "--limit", 9, db=db)
    taught = {
        example["completion"]: (example["source"], [message["content"] for message in example["messages"]])
        for example in previewed["shown"]
    }
    assert taught == {
        "The second.": ("correction", ["one", "ONE", "two"]),
        "THREE": ("replay", ["one", "ONE", "two", "TWO", "three"]),
    }


def test_the_full_page_of_a_turn_shows_its_instructions_and_the_turns_before_it(db: Path) -> None:
    output("settings", "set", "run.instructions", "Answer in one word.", db=db)
    call("chat", "--session", "talk", db=db, typed="one\ntwo\n")
    shown = output("show", document("runs", db=db)[0]["id"], "--full", db=db)
    lines = ("system: Answer in one word.", "user: one", "assistant: ONE", "two")
    assert "\n".join(f"        | {line}" for line in lines) in shown
    assert "    | Answer in one word.\n" in output("settings", "show", "run.instructions", db=db)
