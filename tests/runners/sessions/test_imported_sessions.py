"""Sessions that other programs logged: each becomes a run, once, that counts for no adapter of ours and can be learnt from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import call, count, document, lines, output, refused

from grokputer.runners.archive.replay import replay
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from story import Story

SESSION: dict[str, Any] = {
    "task": "Archive the mail from Ada",
    "iterations": [
        {"thought": "look first", "tool_calls": [{"name": "screenshot", "arguments": {}, "result": "inbox: Ada, Bob"}]},
        {"tool_calls": [{"name": "click", "arguments": {"line": 2}, "result": "archived Bob"}]},
        "It is done.",
    ],
    "tool_calls": [{"name": "screenshot", "arguments": {}, "result": "inbox: Ada, Bob"}],
    "user_rating": 2,
    "feedback_comment": "that was Bob's mail",
    "lora_version": "v1.2",
    "what_went_wrong": ["wrong_action", "did not read the name"],
    "host": "laptop",
}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return Ledger.create(tmp_path / "events.db").path


def write(folder: Path, *sessions: Any, name: str = "session.json") -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(json.dumps(it) for it in sessions))
    return file


def imported(db: Path, folder: Path, **session: Any) -> dict[str, Any]:
    """The run that the session, with what is given of it changed or left out (None), becomes."""
    given = {key: value for key, value in {**SESSION, **session}.items() if value is not None}
    assert "imported 1 session" in output("runs", "import", write(folder, given), db=db)
    [run] = document("runs", db=db)
    return dict(run)


def test_a_session_becomes_a_run_with_its_steps_its_rating_and_what_was_said(db: Path, tmp_path: Path) -> None:
    run = imported(db, tmp_path)
    assert (run["task"], run["status"], run["reason"]) == (SESSION["task"], "failed", "wrong")
    assert (run["arm"], run["adapter"], run["base"]) == ("pinned", "imported:v1.2", "imported")
    assert (run["steps"], run["prompt_tokens"], run["completion_tokens"]) == (3, None, None)
    shown = document("show", run["id"], db=db)["events"]
    assert [it["event"] for it in shown] == [
        "TaskStarted",
        "SessionImported",
        *["StepTaken"] * 3,
        "TaskFailed",
        "TaskRated",
    ]
    assert shown[0]["policy"] == {"imported": {"lora_version": "v1.2", "iterations": 3}}
    assert [it["answer"] for it in shown[2:5]] == [
        "look first\nscreenshot", 'click {"line": 2}', "It is done.",
    ]  # fmt: skip
    assert [message["content"] for message in shown[3]["prompt"]] == [
        SESSION["task"], "look first\nscreenshot", "inbox: Ada, Bob",
    ]  # fmt: skip
    rating = shown[-1]
    assert (rating["stars"], rating["comment"]) == (2, "that was Bob's mail")
    assert rating["issues"] == ["wrong_action", "did not read the name"]


def test_each_fact_names_the_one_before_it_as_its_cause(db: Path, tmp_path: Path) -> None:
    imported(db, tmp_path)
    assert [it["caused_by"] for it in lines(db)] == [None, 1, 2, 3, 4, 5, 6]


def test_a_session_that_is_imported_again_stays_one_run(db: Path, tmp_path: Path) -> None:
    other = {**SESSION, "host": "desk"}
    file = write(tmp_path, SESSION, other, SESSION, name="all.jsonl")
    assert "imported 2 sessions as runs of role action; 1 was there already" in output("runs", "import", file, db=db)
    before = count(db)
    turned = write(tmp_path, dict(reversed(SESSION.items())), name="again.json")
    assert "imported 0 sessions" in output("runs", "import", turned, file, db=db)
    assert count(db) == before


def test_files_folders_and_lists_are_read(db: Path, tmp_path: Path) -> None:
    tasks = [{"task": f"task {number}"} for number in range(6)]
    write(tmp_path, tasks[:2], name="list.json")
    write(tmp_path / "logs", tasks[2], name="session.json")
    write(tmp_path / "logs", *tasks[3:], name="more.jsonl")
    (tmp_path / "logs" / "notes.txt").write_text("no session")
    output("runs", "import", tmp_path / "list.json", tmp_path / "logs", "--role", "ocr", db=db)
    found = document("runs", db=db)
    assert sorted(run["task"] for run in found) == [f"task {number}" for number in range(6)]
    assert {run["role"] for run in found} == {"ocr"}


@pytest.mark.parametrize(
    ("session", "outcome"),
    [
        ({"what_went_wrong": None}, "answered"),
        ({"what_went_wrong": ""}, "answered"),
        ({"what_went_wrong": "it was slow", "user_rating": 4}, "answered"),
        ({"user_rating": None}, "failed"),
    ],
)
def test_without_its_success_it_failed_where_something_went_wrong_and_is_unknown_otherwise(
    db: Path, tmp_path: Path, session: dict[str, Any], outcome: str
) -> None:
    assert imported(db, tmp_path, **session)["status"] == outcome


@pytest.mark.parametrize(
    ("session", "answers"),
    [
        ({"iterations": None, "tool_calls": None}, []),
        ({"iterations": 4, "tool_calls": None}, []),
        ({"iterations": 4}, ["screenshot"]),
        ({"iterations": ["one"], "tool_calls": [{"function": {"name": "type", "arguments": '{"text":"x"}'}}]},
         ["one", 'type {"text":"x"}']),
        ({"iterations": [{"response": "two", "tool_call": {"name": "wait"}}], "tool_calls": None}, ["two\nwait"]),
    ],
)  # fmt: skip
def test_steps_are_what_the_session_tells_of_them(
    db: Path, tmp_path: Path, session: dict[str, Any], answers: list[str]
) -> None:
    run = imported(db, tmp_path, **session)
    shown = document("show", run["id"], db=db)["events"]
    assert [it["answer"] for it in shown if it["event"] == "StepTaken"] == answers
    assert shown[0]["policy"]["imported"]["iterations"] == (4 if session["iterations"] == 4 else len(answers))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"task": ""}', 'session.json: task is ""; allowed is the task in words'),
        ('{"user_rating": 3}', "session.json: task is null"),
        ('{"task": "x", "user_rating": 7}', "user_rating is 7; allowed is a whole number of stars from 1 to 5"),
        ('{"task": "x", "user_rating": 2.5}', "user_rating is 2.5; allowed"),
        ('{"task": "x", "user_rating": true}', "user_rating is true; allowed"),
        ('{"task": "x", "iterations": -1}', "iterations is -1; allowed is a list of steps, or their number"),
        ('{"task": "x", "iterations": true}', "iterations is true; allowed"),
        (
            '{"task": "x", "iterations": [{}]}',
            "a step of iterations is {}; allowed is one with tool_calls, or text under",
        ),
        ('{"task": "x", "tool_calls": [{"tool": 1}]}', 'a tool call is {"tool": 1}; allowed is an object with name'),
        ('{"task": "x", "tool_calls": {}}', "tool_calls is {}; allowed is a list"),
        ('{"task": "x", "feedback_comment": ["y"]}', 'feedback_comment is ["y"]; allowed is text'),
        ('{"task": "x", "what_went_wrong": [1]}', "what_went_wrong is [1]; allowed is text, or a list of texts"),
        ('["x"]', 'it is "x"; allowed is an object'),
        ('[{"task": "x"}, {}]', "session.json session 2: task is null"),
        ("{", "session.json is not JSON"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_file_field_value_and_what_is_allowed(
    db: Path, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "session.json").write_text(text)
    good = write(tmp_path, SESSION, name="good.json")
    assert said in refused("runs", "import", good, tmp_path / "session.json", db=db), (
        "and of the good one nothing is kept"
    )


def test_a_bad_line_a_missing_file_and_an_empty_folder_are_named(db: Path, tmp_path: Path) -> None:
    file = write(tmp_path, {"task": "x"}, {"task": "y"}, name="all.jsonl")
    file.write_text(file.read_text() + "\n{\n")
    assert "all.jsonl line 3 is not JSON" in refused("runs", "import", file, db=db)
    file.write_text('{"task": "x"}\n{"task": 5}\n')
    assert "all.jsonl line 2: task is 5; allowed is text" in refused("runs", "import", file, db=db)
    assert "there is no" in refused("runs", "import", tmp_path / "none.json", db=db)
    (tmp_path / "empty").mkdir()
    assert "holds no session" in refused("runs", "import", tmp_path / "empty", db=db)


def test_a_comment_without_a_rating_is_told_of(db: Path, tmp_path: Path) -> None:
    file = write(tmp_path, {"task": "x", "feedback_comment": "nice"})
    assert "because without a rating: 1 comment" in call("runs", "import", file, db=db).stderr


def test_imported_ratings_count_for_no_adapter_of_ours_and_lead_to_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.rate(story.run(), 5)
    story.rate(story.run(), 5)
    story.prove(story.train(story.ask()))
    before, end = load_state(story.ledger), story.ledger.position
    sessions = [{**SESSION, "number": number, "user_rating": 1, "lora_version": "lora-v1"} for number in range(30)]
    output("runs", "import", write(tmp_path, *sessions, name="bad.jsonl"), db=story.path)
    after = load_state(story.ledger)
    assert {it.event.AGGREGATE for it in story.ledger.read(end + 1)} == {"TaskRun"}
    ratings = [row for row in after.ratings.rows() if row["adapter"] != "imported"]
    assert (ratings, after.health.dump()) == (before.ratings.rows(), before.health.dump())
    ours = [row for row in after.metrics.rows() if not row["adapter"].startswith("imported")]
    assert ours == before.metrics.rows()
    assert document("status", db=story.path)["roles"][0]["window"]["mean"] == 5.0
    assert replay(story.ledger).is_equal


def test_imported_sessions_are_learnt_from_as_other_runs_are(db: Path, tmp_path: Path) -> None:
    sessions = [{"task": f"What is {n} + {n}?", "iterations": [str(2 * n + 1)], "user_rating": 1} for n in range(5)]
    output("runs", "import", write(tmp_path, *sessions, name="all.jsonl"), db=db)
    for run in document("runs", db=db):
        output("correct", run["id"], "--answer", "the right number", db=db)
    found = document("dataset", "preview", "--limit", "9", db=db)
    assert found["by_source"] == {"correction": 5}
    assert {it["completion"] for it in found["shown"]} == {"the right number"}
    assert {it["rejected"][:1].isdigit() for it in found["shown"]} == {True}
