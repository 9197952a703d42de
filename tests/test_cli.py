"""The command line: what each command prints, what it refuses in one line, and what it never loads."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from chat_server import ChatServer
from typer.testing import CliRunner, Result

from grokputer.cli import COMMANDS, app
from grokputer.runners.ledger import Ledger
from story import Story

HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "bitsandbytes", "openai"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with one promotion, a second adapter by hand whose rollout is paused, and a comment."""
    story = Story(tmp_path_factory.mktemp("log") / "events.db")
    story.promote()
    good = story.run()
    story.rate(good, 5, "bob", "quick and right")
    story.run(succeeds=False, reason="timeout")
    second = story.train(story.ask())
    story.assess(story.prove(second), "inconclusive", "no data")
    story.ledger.close()
    return story.path


@pytest.fixture
def log(written: Path, tmp_path: Path) -> Path:
    """A copy of that log to write to."""
    shutil.copytree(written.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "events.db"


def call(*words: object, db: Path | None = None, typed: str | None = None) -> Result:
    """Call the command line; the log is given at the end."""
    given = [str(word) for word in words] + (["--db", str(db)] if db is not None else [])
    return CliRunner().invoke(app, given, input=typed, catch_exceptions=False)


def output(*words: object, db: Path | None = None) -> str:
    result = call(*words, db=db)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*words: object, db: Path) -> Any:
    return json.loads(output(*words, "--json", db=db))


def lines(db: Path, *words: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output("log", "--json", *words, db=db).splitlines()]


def refused(*words: object, db: Path) -> str:
    """The one line on stderr with which the command is refused; nothing is printed and nothing recorded."""
    before = count(db)
    result = call(*words, db=db)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("grokputer: ")
    assert count(db) == before
    return line


def count(db: Path) -> int | None:
    try:
        with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
            found: int = connection.execute("SELECT COUNT(*) FROM stored_events").fetchone()[0]
    except sqlite3.Error:
        return None
    return found


# --- help ------------------------------------------------------------------------------------------------------------


def all_commands() -> list[tuple[str, ...]]:
    names: list[tuple[str, ...]] = []
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        names.append((name,))
        command = group.get_command(None, name)
        names += [(name, below) for below in getattr(command, "commands", {})]
    return names


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_command_has_help_with_two_examples_and_takes_the_logs_path(words: tuple[str, ...]) -> None:
    shown = output(*words, "--help")
    examples = [line for line in shown.splitlines() if line.strip().startswith(f"grokputer {words[0]}")]
    assert len(examples) >= 2
    assert "--db" in shown


def test_the_examples_of_the_help_name_options_that_exist() -> None:
    for words in all_commands():
        shown = output(*words, "--help")
        examples = [line for line in shown.splitlines() if line.strip().startswith("grokputer ")]
        for example in examples:
            called = example.split()[1:]
            names = called[:2] if tuple(called[:2]) in all_commands() else called[:1]
            known = output(*names, "--help")
            assert all(word in known for word in called if word.startswith("--"))


def test_a_wrong_option_is_a_usage_error_and_exits_with_2(log: Path) -> None:
    assert call("status", "--nonsense", db=log).exit_code == 2
    assert call("train", "cook", db=log).exit_code == 2
    assert call("nonsense").exit_code == 2


def test_a_log_named_before_the_subcommand_is_not_silently_ignored(log: Path) -> None:
    result = call("rollouts", "--db", log, "promote", "lora-v2", "--reason", "x")
    assert result.exit_code == 2
    assert "give --db after promote" in result.stderr


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_log_is_one_json_object_a_line_with_position_cause_and_data(log: Path) -> None:
    entries = lines(log)
    assert [entry["position"] for entry in entries] == list(range(1, len(entries) + 1))
    assert list(entries[0]) == [
        "position", "time", "event", "aggregate", "id", "version", "caused_by", "actor", "data",
    ]  # fmt: skip
    assert entries[0]["event"] == "TaskStarted"
    assert entries[0]["aggregate"] == "TaskRun"
    assert entries[0]["caused_by"] is None
    assert entries[1]["caused_by"] == 1
    assert entries[1]["data"]["step"] == 1


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
    below = [line.lstrip("│├└─ ").split()[0] for line in shown.splitlines()[1:]]
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


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stars", ["0", "6", "x", "3.5", ""])
def test_a_rating_that_is_none_is_refused(log: Path, stars: str) -> None:
    run = document("runs", "--unrated", db=log)[0]["id"]
    assert "is not a rating; give a whole number of stars from 1 to 5" in refused("rate", run, stars, db=log)


def test_an_unknown_run_is_refused_by_its_name(log: Path) -> None:
    for words in (
        ("rate", "ffffffff", "3"),
        ("show", "ffffffff"),
        ("correct", "ffffffff", "--answer", "x"),
        ("show", "no id"),
    ):
        line = refused(*words, db=log)
        assert words[1] in line
        assert "grokputer runs" in line


def test_a_prefix_of_several_runs_is_refused_with_the_candidates(log: Path) -> None:
    ids = [run["id"] for run in document("runs", db=log)]
    shared = next(id[:1] for id in ids if sum(other[:1] == id[:1] for other in ids) > 1)
    line = refused("show", shared, db=log)
    assert "more than one run" in line
    assert sum(id[:7] in line for id in ids if id.startswith(shared)) > 1


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


def test_a_decision_without_a_rollout_or_on_an_unknown_adapter_is_refused(log: Path) -> None:
    assert "lora-v9 is not registered" in refused("rollouts", "promote", "lora-v9", "--reason", "x", db=log)
    assert "reason" in refused("rollouts", "promote", "lora-v2", "--reason", " ", db=log)
    assert call("rollouts", "promote", "lora-v2", db=log).exit_code == 2


def test_a_promotion_is_taken_back_by_hand_once(log: Path) -> None:
    assert call("rollouts", "rollback", "lora-v1", "--reason", "it forgets", db=log).exit_code == 0
    [action, *_] = json.loads(call("status", "--json", db=log).stdout)["roles"]
    assert action["live"] is None
    position = json.loads(call("status", "--json", db=log).stdout)["position"]
    call("rollouts", "rollback", "lora-v1", "--reason", "it forgets", db=log)
    assert json.loads(call("status", "--json", db=log).stdout)["position"] == position


def test_an_unknown_task_is_refused_before_a_model_is_loaded(log: Path) -> None:
    assert "click-button" in refused("run", "click-buton", db=log)


def test_an_unknown_adapter_cannot_be_pinned(log: Path) -> None:
    assert "lora-v9" in refused("run", "click-button", "--adapter", "lora-v9", db=log)


# --- writing ---------------------------------------------------------------------------------------------------------


def test_init_makes_a_log_and_leaves_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    assert "made the log" in output("init", db=path)
    assert "there already" in output("init", db=path)
    assert output("status", db=path)
    assert "no folder" in refused("init", db=tmp_path / "none" / "events.db")


def test_a_rating_is_recorded_with_its_person_issues_and_comment(log: Path) -> None:
    run = document("runs", "--unrated", db=log)[0]["id"]
    output(
        "rate", run[:12], "2", "--issue", "timeout", "--issue", "slow", "--comment", "gave up", "--as", "eve", db=log
    )
    [*_, rated] = lines(log, "--event", "TaskRated")
    assert rated["id"] == run
    assert rated["actor"] == "eve"
    assert rated["data"]["stars"] == 2
    assert rated["data"]["issues"] == ["timeout", "slow"]
    assert "gave up" in output("show", run, db=log)
    assert document("replay", db=log)["is_equal"]


def test_a_refused_rating_leaves_no_comment_behind(log: Path) -> None:
    def kept() -> int:
        with closing(sqlite3.connect(log)) as connection:
            found: int = connection.execute("SELECT COUNT(*) FROM content").fetchone()[0]
        return found

    before = kept()
    run = document("runs", "--unrated", db=log)[0]["id"]
    refused("rate", run, "9", "--comment", "secret", db=log)
    assert kept() == before


def test_a_decision_by_hand_is_recorded_with_person_and_reason_and_closes_the_cycle(log: Path) -> None:
    output("rollouts", "resume", "lora-v2", "--as", "eve", db=log)
    output("rollouts", "promote", "lora-v2", "--reason", "looked at it", "--as", "eve", db=log)
    [*_, promoted] = lines(log, "--event", "AdapterPromoted")
    assert promoted["actor"] == "eve"
    assert promoted["data"]["reason"] == "looked at it"
    assert promoted["data"]["replaced"] == "lora-v1"
    [*_, closed] = lines(log, "--event", "CycleClosed")
    assert closed["data"]["outcome"] == "promoted"
    assert "nothing was recorded" in output("rollouts", "promote", "lora-v2", "--reason", "again", db=log)
    assert "replaced by lora-v2" in output("why", "lora-v1", db=log)


def test_a_setting_is_recorded_with_old_and_new_value_and_listed(log: Path) -> None:
    output("settings", "set", "rating.threshold", "4.0", "--reason", "stricter", "--as", "eve", db=log)
    [changed] = lines(log, "--event", "PolicyChanged")
    assert changed["data"] == {"key": "rating.threshold", "old": 3.8, "new": 4.0, "reason": "stricter"}
    assert "nothing was recorded" in output("settings", "set", "rating.threshold", "4", db=log)
    assert [row["key"] for row in document("settings", "--changed", db=log)] == ["rating.threshold"]
    rows = {row["key"]: row for row in document("settings", db=log)}
    assert rows["rating.threshold"]["default"] == 3.8
    assert rows["training.r"]["value"] == 16


@pytest.mark.parametrize(
    ("key", "value"),
    [("rating.threshold", "9"), ("rating.window", "x"), ("no.such", "1"), ("training.r", "0"), ("ocr.training.r", "x")],
)
def test_a_setting_out_of_its_range_is_refused(log: Path, key: str, value: str) -> None:
    refused("settings", "set", key, value, db=log)


def test_a_training_by_hand_is_previewed_then_requested_once(log: Path) -> None:
    before = count(log)
    preview = output("train", "ocr", "--dry-run", db=log)
    assert "0 examples" in preview
    assert "would be declined" in preview
    assert count(log) == before
    assert "grokputer work" in output("train", "ocr", "--reason", "new corrections", db=log)
    [requested] = [it for it in lines(log, "--event", "TrainingRequested") if it["data"]["role"] == "ocr"]
    [*_, opened] = lines(log, "--event", "CycleOpened")
    assert requested["caused_by"] == opened["position"]
    assert "cycle in flight" in refused("train", "ocr", db=log)


def test_the_worker_carries_out_what_was_asked_for_and_says_so(log: Path) -> None:
    assert "ALERT (warning)" in output("work", "--once", db=log)
    output("train", "ocr", db=log)
    assert "declined: 0 usable examples" in output("work", "--once", db=log)
    [*_, closed] = lines(log, "--event", "CycleClosed")
    assert (closed["data"]["role"], closed["data"]["outcome"]) == ("ocr", "declined")


def test_doctor_finds_a_damaged_weight_and_a_missing_guard(log: Path) -> None:
    def results() -> dict[str, str]:
        return {
            check["check" if "check" in check else "name"]: check["result"]
            for check in json.loads(call("doctor", "--json", db=log).stdout)
        }

    assert results()["events"] == "ok"
    assert results()["guards"] == "ok"
    assert results()["lora-v1"] == "ok"
    [live, *_] = [it["weights"] for it in document("adapters", db=log) if it["adapter"] == "lora-v1"]
    folder = log.with_suffix(".adapters") / "weights" / live.removeprefix("sha256:")
    (folder / "adapter_config.json").write_text("{}")
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("DROP TRIGGER log_loses_nothing")
        connection.commit()
    assert results()["lora-v1"] == "fail"
    assert results()["guards"] == "fail"
    assert call("doctor", db=log).exit_code == 1


# --- runs, with a model behind an endpoint ---------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fresh log whose model is a server that answers Paris."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = tmp_path / "events.db"
    with ChatServer("Paris") as server:
        output("init", db=path)
        output("settings", "set", "model.backend", "openai", db=path)
        output("settings", "set", "model.endpoint", server.url, db=path)
        output("settings", "set", "model.base", "tiny", db=path)
        yield path


def test_a_question_is_asked_answered_recorded_and_corrected(asked: Path) -> None:
    result = call("run", "What is the capital of France?", "--seed", "3", db=asked)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Paris\n")
    assert "succeeded after 1 steps" in result.stdout
    [run] = document("runs", db=asked)
    assert run["task"] == "What is the capital of France?"
    assert run["environment"] == "chat"
    assert run["seed"] == 3
    assert "Paris" in output("show", run["id"], db=asked)
    output("rate", run["id"], "2", db=asked)
    output("correct", run["id"], "--answer", "Paris, on the Seine", db=asked)
    assert "Paris, on the Seine" in output("show", run["id"], db=asked)
    assert "1 examples" in output("train", "action", "--dry-run", db=asked)
    assert "question" in refused("correct", run["id"], "--action", "CLICKbutton:Ok[1]", db=asked)
    assert call("correct", run["id"], db=asked).exit_code == 2


def test_a_run_as_json_is_one_document_and_times_makes_several(asked: Path) -> None:
    one = document("run", "Where is Paris?", db=asked)
    assert one["outcome"] == "succeeded"
    assert one["arm"] == "stable"
    several = document("run", "Where is Paris?", "--times", 3, "--seed", 5, db=asked)
    assert [run["seed"] for run in several] == [5, 6, 7]
    assert "2 of 2 succeeded" in output("run", "Where is Paris?", "--times", 2, db=asked)


def test_a_run_can_be_pinned_to_what_was_live_at_a_position(asked: Path) -> None:
    run = document("run", "Where is Paris?", "--as-of", 3, db=asked)
    assert run["arm"] == "pinned"
    assert run["adapter"] is None
    assert document("run", "Where is Paris?", "--adapter", "base", db=asked)["arm"] == "pinned"


def test_an_endpoint_that_is_gone_ends_the_run_as_failed_and_says_so_in_one_line(asked: Path) -> None:
    output("settings", "set", "model.endpoint", "http://127.0.0.1:9", db=asked)
    result = call("run", "Where is Paris?", db=asked)
    assert result.exit_code == 1
    assert "no connection" in result.stderr.splitlines()[-1]
    assert document("runs", db=asked)[0]["reason"] == "error"


def at_a_terminal(words: list[str], typed: str) -> str:
    """What a person at a terminal sees who types this."""
    ours, theirs = pty.openpty()
    program = Path(sys.executable).with_name("grokputer")
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    with subprocess.Popen([program, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        seen = b""
        try:
            while read := os.read(ours, 1 << 16):
                seen += read
        except OSError:  # how Linux says that the other end has closed
            pass
    os.close(ours)
    assert process.returncode == 0, seen
    return seen.decode()


def test_after_a_run_a_person_is_asked_for_stars_issues_comment_and_what_was_right(asked: Path) -> None:
    seen = at_a_terminal(
        ["run", "What is the capital of France?", "--db", str(asked)],
        "9\n2\nimprecise, too short\nwithout its country\nParis, in France\n",
    )
    assert "9 is not a rating" in seen
    [run] = document("runs", db=asked)
    shown = document("show", run["id"], db=asked)["events"]
    [rated] = [event for event in shown if event["event"] == "TaskRated"]
    assert (rated["stars"], rated["issues"], rated["comment"]) == (2, ["imprecise", "too short"], "without its country")
    [corrected] = [event for event in shown if event["event"] == "TaskCorrected"]
    assert corrected["correction"] == ["Paris, in France"]


def test_enter_skips_the_rating_and_no_feedback_does_not_ask(asked: Path) -> None:
    assert "stars" in at_a_terminal(["run", "Where is Paris?", "--db", str(asked)], "\n")
    assert "Enter skips" not in at_a_terminal(["run", "Where is Paris?", "--no-feedback", "--db", str(asked)], "")
    assert {run["stars"] for run in document("runs", db=asked)} == {None}


def test_at_a_terminal_tables_and_trees_are_drawn_in_colour(log: Path) -> None:
    assert "\x1b[" in at_a_terminal(["adapters", "--db", str(log)], "")
    tree = at_a_terminal(["why", "lora-v1", "--db", str(log)], "")
    assert "└── " in tree
    assert "promoted" in tree


# --- whole processes -------------------------------------------------------------------------------------------------

READING = (
    ["--help"], ["status"], ["runs"], ["log"], ["log", "--json"], ["at", "20"], ["adapters"], ["rollouts"], ["settings"],
    ["why", "lora-v1"], ["doctor"], ["train", "action", "--dry-run"],
)  # fmt: skip


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_reading_command_loads_no_machine_learning_library(log: Path, words: list[str]) -> None:
    program = (
        "import sys\nfrom grokputer.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({sorted(HEAVY | {'sqlite_utils'})!r}) & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "GROKPUTER_DB": str(log)}
    shown = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, env=environment
    )
    assert shown.stderr.splitlines()[-1] == "[]"


def test_the_installed_program_prints_one_line_and_exits_1_for_what_is_the_users_business(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("grokputer")
    shown = subprocess.run([program, "status", "--db", tmp_path / "none.db"], capture_output=True, text=True)
    assert shown.returncode == 1
    assert shown.stdout == ""
    assert shown.stderr.count("\n") == 1


def test_a_reader_that_stops_early_gets_no_traceback(log: Path) -> None:
    program = Path(sys.executable).with_name("grokputer")
    shown = subprocess.run(
        ["/bin/sh", "-c", f"'{program}' log --json --db '{log}' | head -1"], capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout)["position"] == 1
    assert "Traceback" not in shown.stderr


def test_a_command_that_is_behind_brings_the_tables_up_to_the_log(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    context = story.ledger.context("ada")
    from grokputer.domain.run import TaskRun

    story.ledger.write(TaskRun, story.runs[0], lambda it: it.rate(4, "human", [], None, context))
    assert Ledger.open(story.path).load_checkpoint("tables") != (story.ledger.position, b"")
    assert document("runs", db=story.path)[0]["stars"] == 4
