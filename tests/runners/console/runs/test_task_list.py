"""``run --from``: many tasks by one model, from a file or from stdin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import call, document, output, refused


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log whose model is a server that answers in capitals, and fails at the word "bad"."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = tmp_path / "events.db"
    with ChatServer(lambda asked: b"{}" if "bad" in asked else asked.upper()) as server:
        output("init", db=path)
        for key, value in (("backend", "openai"), ("endpoint", server.url), ("base", "tiny")):
            output("settings", "set", f"model.{key}", value, db=path)
        yield path


def written(db: Path, *lines: object) -> str:
    file = db.with_name("tasks.jsonl")
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return str(file)


def test_each_line_is_a_run_with_its_own_fields_and_a_line_of_words_is_a_question(db: Path) -> None:
    lines = (
        {"task": "where is it", "seed": 4, "session": "talk", "role": "ocr", "adapter": "base"},
        "",
        "and who is it",
    )
    shown = output("run", "--from", written(db, *lines), "--session", "general", db=db)
    assert shown.startswith("WHERE IS IT\n") and "\nAND WHO IS IT\n" in shown
    assert shown.endswith("2 answers; rate them, since nothing here judges an answer in words\n")
    second, first = document("runs", db=db)
    assert (first["seed"], first["session"], first["role"], first["arm"]) == (4, "talk", "ocr", "pinned")
    assert (second["session"], second["role"], second["arm"]) == ("general", "action", "stable")


def test_as_json_each_run_is_one_line(db: Path) -> None:
    shown = output("run", "--from", written(db, "one by one", "two by two"), "--json", db=db)
    assert [json.loads(line)["answer"] for line in shown.splitlines()] == ["ONE BY ONE", "TWO BY TWO"]


def test_a_dash_reads_the_tasks_from_stdin(db: Path) -> None:
    for words in (["-"], ["--from", "-"]):
        result = call("run", *words, db=db, typed="who is there\n")
        assert result.exit_code == 0 and result.stdout.startswith("WHO IS THERE\n")


def test_a_run_that_fails_by_an_error_is_said_the_others_follow_and_the_exit_code_is_one(db: Path) -> None:
    file = written(db, "a bad one", "a good one")
    result = call("run", "--from", file, db=db)
    assert result.exit_code == 1
    assert "A GOOD ONE\n" in result.stdout
    assert f"{file}, line 1: model tiny" in result.stderr
    assert result.stderr.endswith("1 task of 2 could not be run\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"task": "where is it", "sede": 4}', "'sede' is not a field; there are task, env, seed"),
        ('{"task": "where is it", "seed": "4"}', "seed cannot be 4; it takes a whole number"),
        ('{"task": "where is it", "seed": true}', "seed cannot be True; it takes a whole number"),
        ('{"task": 4}', "task cannot be 4; it takes text"),
        ('{"task": " "}', "task cannot be \" \"; it takes text"),
        ('{"seed": 4}', "it has no task"),
        ('{"task": "where is it"', "it is not JSON"),
        ('{"task": "where is it", "role": "boss"}', "role cannot be 'boss'; it takes action, ocr"),
        ('{"task": "where is it", "adapter": "lora-v9"}', "adapter lora-v9 is not registered"),
        ('{"task": "where \\ud800 is it"}', "not valid Unicode"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_run_is_refused_by_its_place_before_any_run(db: Path, line: str, reason: str) -> None:
    file = written(db, "a good one", line)
    said = refused("run", "--from", file, db=db)
    assert f"{file}, line 2: " in said and reason in said and "nothing was run" in said
    assert document("runs", db=db) == []


def test_an_empty_list_and_one_that_is_missing_are_refused(db: Path) -> None:
    assert "has no tasks" in refused("run", "--from", written(db, ""), db=db)
    assert "check the name" in refused("run", "--from", str(db.with_name("missing")), db=db)


def test_a_task_and_a_list_at_once_or_neither_are_a_usage_error(db: Path) -> None:
    for words in ([], ["where is it", "--from", "-"], ["--from", "-", "--times", "2"]):
        assert call("run", *words, db=db).exit_code == 2
