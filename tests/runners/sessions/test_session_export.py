"""Runs written as sessions, and read again into an empty log: the same runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from command_line import call, document, output, refused
from desks import RIGHT, Desk, Told
from logged_sessions import write_lines

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.ports import RoleModel
from grokputer.domain.vocabulary import StepKind
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import Story, change

SESSIONS: list[dict[str, Any]] = [
    {
        "session_id": "monday-1", "task": "Press Ok", "success": False, "user_rating": 2, "feedback_comment": "it pressed No",
        "what_went_wrong": ["wrong_action"], "lora_version": "v3", "start_time": "2025-05-01T08:00:00Z",
        "end_time": "2025-05-01T08:00:42Z", "host": "desk",
        "iterations": [
            {"screenshot_summary": "Ok, No", "thought": "There.", "action": "CLICK No", "observation": "closed",
             "timestamp": "2025-05-01T08:00:01Z"},
            {"screenshot_summary": "an empty desk", "response": "It is done."},
        ],
    },
    {"task": "Open the mail", "iterations": 4, "user_rating": 5},
    {"session_id": "../../etc", "task": "Say hello", "messages": [{"role": "assistant", "content": "Hello"}]},
    {"session_id": "Monday-1", "task": "Another one"},
]  # fmt: skip


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return Ledger.create(tmp_path / "events.db").path


def told(db: Path) -> dict[str, Any]:
    """What a log says of its runs, by their ids, without when and by whom it was recorded."""
    recorded = ("position", "time", "actor", "caused_by")
    runs = {}
    for run in document("runs", "--limit", 1000, db=db):
        events = document("show", run["id"], db=db)["events"]
        said = [
            {k: v for k, v in it.items() if k not in recorded and not str(v).startswith("sha256:")} for it in events
        ]
        table = {k: v for k, v in run.items() if "position" not in k}
        runs[run["id"]] = (said, table if said[1].get("started") else {**table, "started": None})
    return runs


def again(db: Path, tmp_path: Path) -> Path:
    """An empty log, after the runs of the log were exported and imported into it."""
    other = Ledger.create(tmp_path / "other.db").path
    output("runs", "export", "--form", "session", tmp_path / "out", db=db)
    call("runs", "import", tmp_path / "out", db=other)
    return other


def test_an_imported_session_is_the_same_after_export_and_import(db: Path, tmp_path: Path) -> None:
    output("runs", "import", write_lines(tmp_path / "all.jsonl", *SESSIONS), db=db)
    assert told(again(db, tmp_path)) == told(db)
    assert len(told(db)) == len(SESSIONS)
    assert "imported 0 sessions as runs of role action; 4 were there already" in output(
        "runs", "import", tmp_path / "out", db=db
    )


def test_a_session_is_written_under_its_id_where_that_is_a_safe_name_of_its_own(db: Path, tmp_path: Path) -> None:
    output("runs", "import", write_lines(tmp_path / "all.jsonl", *SESSIONS), db=db)
    output("runs", "export", tmp_path / "out", db=db)
    names = sorted(it.name for it in (tmp_path / "out").iterdir())
    runs = {run["id"] for run in document("runs", db=db)}
    assert len(names) == 4
    assert [name for name in names if name not in runs] == ["monday-1"]
    assert json.loads((tmp_path / "out" / "monday-1" / "session.json").read_text(encoding="utf-8")) == SESSIONS[0]


def test_a_rating_that_came_later_is_written_with_the_session(db: Path, tmp_path: Path) -> None:
    output("runs", "import", write_lines(tmp_path / "all.jsonl", {"task": "Open the mail"}), db=db)
    [run] = document("runs", db=db)
    output("rate", run["id"], 2, "--comment", "too slow", "--issue", "slow", db=db)
    [(_, row)] = told(again(db, tmp_path)).items()
    rating = row[0][-1]
    assert (rating["stars"], rating["comment"], rating["issues"]) == (2, "too slow", ["slow"])
    assert "1 was there already" in output("runs", "import", tmp_path / "out", db=db)


def test_runs_of_this_program_become_sessions_with_their_prompts(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    good, bad = story.run(), story.run(succeeds=False)
    story.rate(bad, 2, comment="it clicked No")
    other = again(story.path, tmp_path)
    ours, theirs = told(story.path), {it[0][0]["task"] + str(it[1]["stars"]): it for it in told(other).values()}
    assert len(theirs) == 2
    for run in (good, bad):
        said, table = ours[run.hex]
        imported, copied = theirs[said[0]["task"] + str(table["stars"])]
        same = ("status", "steps", "duration_ms", "stars")
        assert [table[name] for name in same] == [copied[name] for name in same]
        assert copied["started"] == document("show", run.hex, db=story.path)["events"][0]["time"]
        step, copy = (next(it for it in events if it["event"] == "StepTaken") for events in (said, imported))
        assert (step["prompt"], step["answer"]) == (copy["prompt"], copy["answer"])
    assert "2 were there already" in output("runs", "import", tmp_path / "out", db=story.path)


def test_kinds_goals_findings_models_and_confidence_of_steps_come_back(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    told_what = Told(RIGHT)
    own = RoleModel(told_what, "planner@http://planner")
    runner = TaskRunner(
        ledger,
        told_what,
        lambda name: None,
        "told",
        "ada",
        beside=lambda role: own if role == "decomposition" else None,
    )
    runner.run(Task("desk", "tea-and-cat"), Desk(), process_new_events(ledger))
    read = TaskRun(uuid4())
    read.start(
        ledger.context("ada"), role="action", arm="stable", adapter=None, rollout=None, environment="desk",
        capabilities=(), task="read-it", seed=1, base="told", session=None, policy={},
    )  # fmt: skip
    read.take_step(
        ledger.context("ada"), prompt=ledger.put("[]"), answer=ledger.put("text:Ok[1]"), error="", kind=StepKind.READ,
        confidence=0.5, model_ms=0, environment_ms=1, prompt_tokens=None, completion_tokens=None,
    )  # fmt: skip
    read.answer(5, ledger.context("ada"))
    ledger.store(read)
    process_new_events(ledger)
    ledger.close()
    fields = ("kind", "goal", "found", "confidence", "model")
    copies = [
        [tuple(it[field] for field in fields) for it in events if it["event"] == "StepTaken"]
        for events, _ in told(again(ledger.path, tmp_path)).values()
    ]
    assert sorted(copies) == [
        [
            ("plan", 0, "", None, "planner@http://planner"),
            ("act", 1, "reached", None, "told"),
            *[("act", 2, "", None, "told")] * 2,
            ("check", 2, "reached", None, "told"),
            ("act", 0, "", None, "told"),
        ],
        [("read", 0, "", 0.5, "told")],
    ]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"kind": "think"}, 'grokputer.kind is "think"; allowed is act, plan, read, check'),
        ({"goal": -1}, "grokputer.goal is -1"),
        ({"found": "gold"}, "grokputer.found is"),
        ({"confidence": 2}, "grokputer.confidence is 2; allowed is a number from 0 to 1"),
        ("plan", 'grokputer is "plan"; allowed is an object'),
    ],
)
def test_how_a_step_was_made_is_checked_and_other_programs_keys_of_those_names_are_not(
    db: Path, tmp_path: Path, made: object, said: str
) -> None:
    step = {"response": "Ok", "kind": "thought", "goal": "win", "confidence": "high", "model": 3}
    wrong = write_lines(tmp_path / "wrong.jsonl", {"task": "Open it", "iterations": [{**step, "grokputer": made}]})
    assert said in refused("runs", "import", wrong, db=db)
    output("runs", "import", write_lines(tmp_path / "all.jsonl", {"task": "Open it", "iterations": [step]}), db=db)


def test_an_unknown_duration_is_unknown_after_export_and_import(db: Path, tmp_path: Path) -> None:
    output(
        "runs", "import", write_lines(tmp_path / "all.jsonl", {"task": "Open the mail", "iterations": ["Ok"]}), db=db
    )
    [(_, (events, run))] = told(again(db, tmp_path)).items()
    assert run["duration_ms"] is None
    assert [it["model_ms"] for it in events if it["event"] == "StepTaken"] == [None]


def test_nothing_is_written_over_and_a_log_without_ended_runs_writes_nothing(db: Path, tmp_path: Path) -> None:
    assert "holds no run to write" in refused("runs", "export", tmp_path / "out", db=db)
    assert not (tmp_path / "out").exists()
    output("runs", "import", write_lines(tmp_path / "all.jsonl", {"task": "Open the mail"}), db=db)
    assert "exists already" in refused("runs", "export", tmp_path, db=db)


def test_runs_whose_words_were_erased_are_left_out_and_counted(db: Path, tmp_path: Path) -> None:
    output(
        "runs", "import", write_lines(tmp_path / "all.jsonl", {"task": "Open the mail"}, {"task": "Close it"}), db=db
    )
    run = document("runs", db=db)[0]["id"]
    output("forget", run, "--reason", "asked for", "--yes", db=db)
    result = call("runs", "export", tmp_path / "out", db=db)
    assert "wrote 1 session" in result.stdout
    assert "because the words were erased: 1 run" in result.stderr
