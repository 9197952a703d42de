"""Commands that read: what each prints of a log, as text and as JSON."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from command_line import call, document, lines, output, refused

from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.store.tables import are_tables_current
from story import Story


def test_the_log_is_one_json_object_a_line_with_position_cause_and_data(log: Path) -> None:
    entries = lines(log)
    assert [entry["position"] for entry in entries] == list(range(1, len(entries) + 1))
    assert list(entries[0]) == [
        "position", "time", "event", "aggregate", "id", "version", "caused_by", "actor", "data",
    ]  # fmt: skip
    started, step = (next(it for it in entries if it["event"] == event) for event in ("TaskStarted", "StepTaken"))
    assert started["aggregate"] == "TaskRun"
    assert started["caused_by"] is None
    assert step["caused_by"] == started["position"]
    assert step["data"]["step"] == 1


def test_the_causes_lead_from_a_promotion_to_a_rating_and_its_run(log: Path) -> None:
    entries = {entry["position"]: entry for entry in lines(log)}
    [promoted] = [entry for entry in entries.values() if entry["event"] == "AdapterPromoted"]
    chain = [promoted]
    while chain[-1]["caused_by"] is not None:
        assert chain[-1]["caused_by"] < chain[-1]["position"]
        chain.append(entries[chain[-1]["caused_by"]])
    events = [entry["event"] for entry in chain]
    for event in ("CanaryAssessed", "AdapterEvaluated", "TrainingCompleted", "RatingThresholdBreached", "TaskRated"):
        assert event in events
    assert events[-1] == "TaskStarted"


def test_a_cause_outside_of_what_is_shown_still_has_its_position(log: Path) -> None:
    whole = {entry["position"]: entry["caused_by"] for entry in lines(log)}
    for words in (["--after", 40], ["--event", "TaskRated"], ["--limit", 3]):
        shown = lines(log, *words)
        assert shown
        assert {entry["position"]: entry["caused_by"] for entry in shown}.items() <= whole.items()


def test_the_log_can_be_cut_by_position_number_name_and_id(log: Path) -> None:
    entries = lines(log)
    assert lines(log, "--limit", 3) == entries[-3:]
    assert lines(log, "--after", 10, "--limit", 2) == entries[10:12]
    assert {entry["event"] for entry in lines(log, "--event", "TaskRated")} == {"TaskRated"}
    run = entries[0]["id"]
    assert lines(log, "--id", run[:10]) == [entry for entry in entries if entry["id"] == run]


def test_an_event_name_that_does_not_exist_is_refused_with_the_closest(log: Path) -> None:
    assert "TaskRated" in refused("log", "--event", "TaskRate", db=log)


def test_the_table_of_the_log_is_plain_text_without_colour_when_piped(log: Path) -> None:
    shown = output("log", db=log)
    assert "\x1b" not in shown
    assert shown.splitlines()[0].split() == [
        "position",
        "time",
        "event",
        "id",
        "version",
        "caused",
        "by",
        "actor",
        "data",
    ]


def test_runs_are_listed_newest_first_and_can_be_narrowed(log: Path) -> None:
    found = document("runs", db=log)
    assert [run["position"] for run in found] == sorted((run["position"] for run in found), reverse=True)
    assert {run["status"] for run in document("runs", "--failed", db=log)} == {"failed"}
    assert [run["reason"] for run in document("runs", "--unrated", db=log)] == ["timeout"]
    assert len(document("runs", "--limit", 3, db=log)) == 3
    assert document("runs", "--role", "ocr", db=log) == []
    assert "no runs" in output("runs", "--role", "ocr", db=log)


def test_a_run_is_shown_with_prompt_answer_rating_and_comment(log: Path) -> None:
    run = next(it for it in document("runs", db=log) if it["stars"] == 5)["id"]
    shown = output("show", run[:12], db=log)
    assert "CLICKbutton:Ok[1]" in shown
    assert "quick and right" in shown
    assert "rated 5 by bob" in shown
    assert "button:Ok[1]" in output("show", run[:12], "--full", db=log)
    events = document("show", run, db=log)["events"]
    assert [event["event"] for event in events] == ["TaskStarted", "StepTaken", "TaskSucceeded", "TaskRated"]


def test_a_prefix_of_several_runs_is_refused_with_the_candidates(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    ids = [UUID(f"abcd{number}{'0' * 27}") for number in (1, 2)]
    for id in ids:
        start(story, id)
    line = refused("show", "abcd", db=story.path)
    assert "more than one run" in line
    assert all(id.hex[:7] in line for id in ids)
    assert document("show", "ABCD-2", db=story.path)["run"] == ids[1].hex


@pytest.mark.parametrize("prefix", ["a", "abc", "a-b-c", " ab "])
@pytest.mark.parametrize("command", ["show", "why", "lineage", "forget", "rate", "correct"])
def test_fewer_than_four_characters_name_no_run(tmp_path: Path, command: str, prefix: str) -> None:
    story = Story(tmp_path / "events.db")
    start(story, UUID("abcd" + "0" * 28))
    more = {"forget": ["--reason", "x"], "rate": ["5"], "correct": ["--answer", "x"]}.get(command, [])
    line = refused(command, prefix, *more, db=story.path)
    assert "four characters" in line or "4 characters" in line


def start(story: Story, id: UUID) -> None:
    """A run with this id begins."""
    context = story.ledger.context("ada")
    fields: dict[str, Any] = {
        "role": "action",
        "arm": "stable",
        "adapter": None,
        "rollout": None,
        "environment": "miniwob",
    }
    more: dict[str, Any] = {"task": "click-link", "seed": 1, "base": "embedded", "session": None, "policy": {}}
    story.ledger.write(TaskRun, id, lambda it: it.start(context, **fields, **more))


def test_the_status_names_live_adapter_window_canary_cycle_and_alerts(log: Path) -> None:
    status = document("status", db=log)
    action = next(role for role in status["roles"] if role["role"] == "action")
    assert action["live"] == "lora-v1"
    assert action["window"]["mean"] == 5.0
    assert action["canary"]["adapter"] == "lora-v2"
    assert action["canary"]["phase"] == "paused"
    assert action["cycle"]["stage"] == "canary paused"
    assert action["runs"] == 12
    [alert] = status["alerts"]
    assert alert["severity"] == "warning"
    shown = output("status", db=log)
    assert "lora-v2 15 % (paused)" in shown
    assert "action, first action right: " in shown
    assert action["metric"]["target"] == 0.85
    assert "ocr" not in shown, "a role without any data is left out"
    assert "no act has named words that were read" in output("status", "--all", db=log)
    assert "ALERT (warning)" in shown


def test_adapters_and_rollouts_are_listed_in_the_order_they_came(log: Path) -> None:
    assert [it["adapter"] for it in document("adapters", db=log)] == ["lora-v1", "lora-v2"]
    assert [it["status"] for it in document("adapters", db=log)] == ["live", "canary"]
    assert [it["phase"] for it in document("rollouts", db=log)] == ["promoted", "paused"]
    assert "lora-v1" in output("adapters", db=log)
    assert "paused" in output("rollouts", db=log)


def test_before_the_promotion_the_base_was_live_and_after_it_the_adapter(log: Path) -> None:
    [promoted] = lines(log, "--event", "AdapterPromoted")

    def live(moment: object) -> str | None:
        roles = document("at", moment, db=log)["roles"]
        found: str | None = next(role for role in roles if role["role"] == "action")["live"]
        return found

    assert live(promoted["position"] - 1) is None
    assert live(promoted["position"]) == "lora-v1"
    assert live(promoted["time"]) == "lora-v1"
    assert "lora-v1" in output("at", promoted["position"], db=log)


@pytest.mark.parametrize("moment", ["0", "9999", "2999-01-01", "2001-01-01", "yesterday"])
def test_a_moment_that_the_log_does_not_reach_is_refused(log: Path, moment: str) -> None:
    assert moment in refused("at", moment, db=log)


def test_why_prints_the_tree_with_positions_and_as_json_nested(log: Path) -> None:
    shown = output("why", "lora-v1", db=log)
    for words in (
        "10 ratings, mean 2.40",
        "breach",
        "dataset of 7 examples",
        "proven",
        "assessed: promote",
        "cycle closed",
    ):
        assert words in shown
    assert "replaced" not in shown
    below = [line.lstrip("│├└─ ").split()[0] for line in shown.splitlines()[2:]]
    assert all(position.isdecimal() for position in below)
    assert "stars for run" not in shown
    assert output("why", "lora-v1", "--ratings", db=log).count("stars for run") == 10
    tree = document("why", "lora-v1", db=log)["tree"]
    assert tree[0]["kind"] == "Ratings"
    assert tree[0]["children"][-1]["kind"] == "RatingThresholdBreached"


def test_why_of_an_unknown_adapter_names_those_there_are(log: Path) -> None:
    assert "there are lora-v1, lora-v2" in refused("why", "lora-v9", db=log)


def test_replay_finds_every_view_equal_and_a_changed_table_different(log: Path) -> None:
    assert document("replay", db=log)["is_equal"]
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("UPDATE runs SET stars = 5")
        connection.commit()
    result = call("replay", "--json", db=log)
    assert result.exit_code == 1
    assert [view for view, same in json.loads(result.stdout)["equal"].items() if not same] == ["runs"]


def test_a_command_that_is_behind_brings_the_tables_up_to_the_log(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    context = story.ledger.context("ada")
    story.ledger.write(TaskRun, story.runs[0], lambda it: it.rate(4, "human", [], None, context))
    assert not are_tables_current(story.ledger)
    assert document("runs", db=story.path)[0]["stars"] == 4


@pytest.mark.parametrize("command", ["status", "runs", "log", "adapters", "replay", "rollouts", "settings"])
def test_a_log_that_is_not_there_is_named_with_what_to_do(tmp_path: Path, command: str) -> None:
    line = refused(command, db=tmp_path / "none.db")
    assert "none.db" in line
    assert "grokputer init" in line
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_log_and_a_damaged_one_are_refused(tmp_path: Path, log: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("not a database at all\n" * 100)
    assert "notes.db" in refused("status", db=text)
    log.write_bytes(log.read_bytes()[:100] + b"\0" * 4000)
    assert "damaged" in refused("log", db=log)
