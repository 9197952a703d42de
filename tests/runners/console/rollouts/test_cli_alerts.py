"""Commands about alerts: what they print of a log, and how the channels are set, tried and checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import call, count, document, output, refused
from receivers import SECRET, MailServer, Receiver

from story import Story


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", SECRET)


def checks(db: Path) -> dict[str, tuple[str, str]]:
    found = json.loads(call("doctor", "--json", db=db).stdout)
    return {check["name"]: (check["result"], check["found"]) for check in found}


def test_alerts_are_listed_with_what_they_say_and_which_are_open(log: Path) -> None:
    assert [it["kind"] for it in document("alerts", db=log)] == ["low mean", "breach", "canary inconclusive"]
    assert [it["kind"] for it in document("alerts", "--open", db=log)] == ["canary inconclusive"]
    assert [it["kind"] for it in document("alerts", "--limit", 1, db=log)] == ["canary inconclusive"]
    shown = output("alerts", db=log)
    assert "canary inconclusive (warning), action lora-v2, open\n└── the rollout of lora-v2 is paused" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_log_without_alerts_says_so(tmp_path: Path) -> None:
    output("init", db=tmp_path / "events.db")
    assert output("alerts", db=tmp_path / "events.db") == "no alerts\n"
    assert document("alerts", db=tmp_path / "events.db") == []


def test_the_worker_delivers_and_the_list_says_how_it_went(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    with Receiver(503, 204) as receiver:
        output("init", db=db)
        output("settings", "set", "alert.webhook", receiver.url, db=db)
        output("settings", "set", "training.min_examples", 1000, db=db)
        Story(db).fall()
        assert [it["deliveries"]["webhook"]["status"] for it in document("alerts", db=db)] == ["owed", "owed"]
        assert output("alerts", db=db).count("webhook: due now") == 2
        said = output("work", "--once", db=db)
        assert "ALERT (warning) at position" in said
        assert "at attempt 1: HTTP 503 Service Unavailable; again in" in said
    shown = output("alerts", db=db)
    assert "; attempt 1 of 10 failed: HTTP 503 Service Unavailable" in shown
    [tried, _] = document("alerts", db=db)
    assert tried["deliveries"]["webhook"]["id"] == receiver.requests[0].headers["webhook-id"]
    assert document("replay", db=db)["is_equal"]


def test_the_status_shows_the_newest_alerts_that_nothing_has_dealt_with(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.fall()
    shown = output("status", db=story.path).splitlines()
    assert [line.split(", ")[1][:8] for line in shown if line.startswith("ALERT")] == ["low mean", "breach: "]


def test_a_test_alert_says_what_each_channel_did_and_records_nothing(log: Path) -> None:
    with Receiver() as receiver, MailServer() as mail:
        output("settings", "set", "alert.webhook", receiver.url, db=log)
        output("settings", "set", "alert.email_to", "ada@example.org", db=log)
        output("settings", "set", "alert.smtp", mail.address, db=log)
        output("settings", "set", "alert.smtp_security", "none", db=log)
        before = count(log)
        shown = output("alerts", "test", db=log).splitlines()
        assert shown[0].startswith(f"webhook to {receiver.url}: delivered: HTTP 204 No Content, id ")
        assert shown[1].startswith("email to ada@example.org: delivered: accepted by 127.0.0.1, id ")
        assert count(log) == before
        assert output("alerts", "test", "--channel", "email", db=log).count("\n") == 1
    assert receiver.requests[0].is_signed()
    assert receiver.requests[0].document["type"] == "alert.test"
    assert "this is a test alert of the log events.db" in mail.messages[0].get_content()
    result = call("alerts", "test", db=log)
    assert result.exit_code == 1
    assert result.stdout.count("NOT delivered: no connection: ") == 2


def test_without_a_channel_there_is_nothing_to_try(log: Path) -> None:
    assert "alert.webhook or alert.email_to" in refused("alerts", "test", db=log)
    assert "alert.email_to" in refused("alerts", "test", "--channel", "email", db=log)
    assert call("alerts", "test", "--channel", "pigeon", db=log).exit_code == 2


def test_the_doctor_checks_what_each_channel_needs(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks(log)["alerts"][0] == "ok"
    output("settings", "set", "alert.webhook", "http://example.org/alerts", db=log)
    output("settings", "set", "alert.email_to", "ada@example.org", db=log)
    found = checks(log)
    assert found["webhook"][0] == "warn" and "not encrypted" in found["webhook"][1]
    assert found["email"] == (
        "fail", "alerts wait: alert.smtp is not set; set it to the mail server, as in mail.example.org:587",
    )  # fmt: skip
    output("settings", "set", "alert.webhook", "https://example.org/alerts", db=log)
    output("settings", "set", "alert.smtp", "mail.example.org:587", db=log)
    assert checks(log)["webhook"][0] == checks(log)["email"][0] == "ok"
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", "hunter2")
    assert checks(log)["webhook"][0] == "fail"
    assert "hunter2" not in call("doctor", db=log).stdout
