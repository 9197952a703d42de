"""Commands by which a person decides: ratings, rollouts, settings, trainings and the worker that carries them out."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import call, count, document, lines, output, refused


def test_init_makes_a_log_and_leaves_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    assert "made the log" in output("init", db=path)
    assert "exists already" in output("init", db=path)
    assert output("status", db=path)
    assert "made the log" in output("init", db=tmp_path / "none" / "events.db")


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


@pytest.mark.parametrize("stars", ["0", "6", "x", "3.5", ""])
def test_a_rating_that_is_not_1_to_5_is_refused(log: Path, stars: str) -> None:
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
    again = refused("rollouts", "promote", "lora-v2", "--reason", "again", db=log)
    assert "lora-v2 is live already; lora-v2 was promoted by eve at" in again and "looked at it" in again
    assert "replaced by lora-v2" in output("why", "lora-v1", db=log)


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


def test_a_setting_is_recorded_with_old_and_new_value_and_listed(log: Path) -> None:
    output("settings", "set", "rating.threshold", "4.0", "--reason", "stricter", "--as", "eve", db=log)
    *_, changed = lines(log, "--event", "PolicyChanged")
    assert changed["data"] == {
        "key": "rating.threshold",
        "old": 3.8,
        "new": 4.0,
        "reason": "stricter",
        "is_unset": False,
        "document": None,
    }
    assert "nothing was recorded" in output("settings", "set", "rating.threshold", "4", db=log)
    assert "rating.threshold" in [row["key"] for row in document("settings", "--changed", db=log)]
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
    assert "already has an open cycle" in refused("train", "ocr", db=log)


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
