"""The delivery of alerts: each arrives at least once, whatever receivers and dispatchers do."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from improving import raise_one
from receivers import SECRET, MailServer, Receiver

from grokputer.adapters.training.job import Progress
from grokputer.domain.events import AlertEvent
from grokputer.runners.alerts.dispatcher import AlertDispatcher
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring.services import Services
from story import Standing, change


@pytest.fixture
def clock() -> Standing:
    return Standing()


@pytest.fixture
def ledger(tmp_path: Path, clock: Standing) -> Ledger:
    return Ledger.create(tmp_path / "events.db", clock)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", SECRET)


def deliveries(ledger: Ledger) -> list[dict[str, Any]]:
    """The facts of attempts, as they stand in the log."""
    topics = ("AlertDelivered", "AlertDeliveryFailed")
    return [{"topic": it.event.TOPIC, **vars(it.event)} for it in ledger.read(1, None, topics)]


def test_an_alert_arrives_signed_and_the_log_says_so(ledger: Ledger, clock: Standing) -> None:
    said: list[str] = []
    with Receiver() as receiver:
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        dispatcher = AlertDispatcher(ledger, said.append)
        assert dispatcher.step()
        assert not dispatcher.step()
    [request], [fact] = receiver.requests, deliveries(ledger)
    assert request.is_signed()
    [raised] = ledger.read(1, None, ("AlertRaised",))
    assert request.document["position"] == raised.position
    assert request.document["reference"] == raised.event.reference == fact["caused_by"]
    assert request.document["message"] == "a training failed: the disk is full"
    assert (fact["topic"], fact["delivery"], fact["attempt"]) == ("AlertDelivered", request.headers["webhook-id"], 1)
    assert said == [
        f"alert at position {raised.position} delivered by webhook to {receiver.url} at attempt 1: HTTP 204 No Content"
    ]


def test_a_failed_delivery_is_repeated_later_under_the_same_id(ledger: Ledger, clock: Standing) -> None:
    with Receiver(503, 500, 204) as receiver:
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        dispatcher = AlertDispatcher(ledger, print)
        assert dispatcher.step()
        clock.move(seconds=7)
        assert not dispatcher.step(), "ten seconds, a quarter less at the earliest"
        clock.move(seconds=6)
        assert dispatcher.step()
        clock.move(seconds=29)
        assert not dispatcher.step()
        clock.move(seconds=22)
        assert AlertDispatcher(ledger, print).step(), "another worker knows when from the log"
        assert not dispatcher.step()
    assert [it["attempt"] for it in deliveries(ledger)] == [1, 2, 3]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) == 3
    assert all(request.is_signed() for request in receiver.requests)


def test_a_receiver_that_never_takes_it_is_given_up_and_the_dispatcher_says_so(ledger: Ledger, clock: Standing) -> None:
    said: list[str] = []
    with Receiver(500) as receiver:
        change(ledger, "alert.webhook", receiver.url)
        change(ledger, "alert.max_attempts", 3)
        raise_one(ledger)
        dispatcher = AlertDispatcher(ledger, said.append)
        for _ in range(10):
            dispatcher.step()
            clock.move(days=2)
    assert len(receiver.requests) == 3
    assert [it["again_in_s"] is None for it in deliveries(ledger)] == [False, False, True]
    assert said[-1].endswith("at attempt 3: HTTP 500 Internal Server Error; given up")
    assert not load_state(ledger).alerts.owed()


def test_a_receiver_that_is_gone_is_turned_off(ledger: Ledger, clock: Standing) -> None:
    with Receiver(410) as receiver:
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        dispatcher = AlertDispatcher(ledger, print)
        assert dispatcher.step()
        clock.move(days=2)
        raise_one(ledger)
        assert not dispatcher.step()
    assert load_state(ledger).policy.get("alert.webhook") is None
    [*_, changed] = ledger.read(1, None, ("PolicyChanged",))
    assert "HTTP 410" in vars(changed.event)["reason"]


def test_after_a_failure_the_channel_rests_and_another_alert_is_tried_soon(ledger: Ledger, clock: Standing) -> None:
    with Receiver(429, headers={"Retry-After": "100"}) as receiver:
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        raise_one(ledger)
        dispatcher = AlertDispatcher(ledger, print)
        assert dispatcher.step()
        clock.move(seconds=99)
        assert not dispatcher.step()
        clock.move(seconds=2)
        assert dispatcher.step()
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 2


def test_a_channel_owes_only_what_was_raised_while_it_was_on(ledger: Ledger, clock: Standing) -> None:
    with Receiver() as receiver:
        raise_one(ledger)
        change(ledger, "alert.webhook", receiver.url)
        assert not AlertDispatcher(ledger, print).step()
        raise_one(ledger)
        change(ledger, "alert.webhook", None)
        change(ledger, "alert.webhook", receiver.url)
        assert not AlertDispatcher(ledger, print).step()
        raise_one(ledger)
        assert AlertDispatcher(ledger, print).step()
    assert len(receiver.requests) == 1
    statuses = [[it.status for it in alert.deliveries.values()] for alert in load_state(ledger).alerts]
    assert statuses == [[], ["turned off"], ["delivered"]]


def test_an_alert_waits_for_a_secret_that_is_missing_and_spends_no_attempt(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.delenv("GROKPUTER_WEBHOOK_SECRET")
    with Receiver() as receiver:
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        dispatcher = AlertDispatcher(ledger, said.append)
        assert not dispatcher.step()
        assert not dispatcher.step()
        [line] = said
        assert line.startswith("alerts by webhook wait: GROKPUTER_WEBHOOK_SECRET is not set")
        monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", SECRET)
        assert dispatcher.step()
    assert [it["attempt"] for it in deliveries(ledger)] == [1]


def test_each_channel_gets_the_alert_and_one_that_is_down_does_not_hold_the_other_up(
    ledger: Ledger, clock: Standing
) -> None:
    with Receiver(503, 204) as receiver, MailServer() as mail:
        change(ledger, "alert.webhook", receiver.url)
        change(ledger, "alert.email_to", "ada@example.org")
        change(ledger, "alert.smtp", mail.address)
        change(ledger, "alert.smtp_security", "none")
        raise_one(ledger)
        dispatcher = AlertDispatcher(ledger, print)
        while dispatcher.step():
            pass
        assert (len(receiver.requests), len(mail.messages)) == (1, 1)
        clock.move(minutes=1)
        while dispatcher.step():
            pass
        assert (len(receiver.requests), len(mail.messages)) == (2, 1)
    [message] = mail.messages
    assert message["Message-ID"] == f"<{deliveries(ledger)[1]['delivery']}@example.org>"
    assert "the disk is full" in message.get_content()


def test_an_alert_is_told_while_a_training_or_a_gate_goes_on(ledger: Ledger, clock: Standing) -> None:
    shown: list[object] = []
    with Receiver(503, 503, 204) as receiver, Services(ledger, process_new_events(ledger)) as parts:
        reporter = Reporter(progress=shown.append, count=lambda done, total: shown.append((done, total)))
        worker = Worker(ledger, parts, reporter)
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        assert worker.step()
        clock.move(minutes=1)
        worker._progress(Progress(1, 8, 0.5, 0.1, 2.0, 60.0))
        clock.move(minutes=5)
        worker._count(3, 40)
    assert [it["topic"] for it in deliveries(ledger)] == ["AlertDeliveryFailed"] * 2 + ["AlertDelivered"]
    assert shown == [Progress(1, 8, 0.5, 0.1, 2.0, 60.0), (3, 40)]


DELIVER = """
import sys; from pathlib import Path
from grokputer.runners.alerts.dispatcher import AlertDispatcher; from grokputer.runners.store.ledger import Ledger
AlertDispatcher(Ledger.open(Path(sys.argv[1])), print).step()
"""


def test_killed_between_sending_and_recording_it_is_sent_again_under_the_same_id(ledger: Ledger) -> None:
    def kill_the_sender() -> None:
        if len(receiver.requests) == 1:
            sender.kill()

    with Receiver(before_answer=kill_the_sender) as receiver:
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        sender = subprocess.Popen([sys.executable, "-c", DELIVER, str(ledger.path)], cwd="/")
        assert sender.wait() == -signal.SIGKILL
        assert deliveries(ledger) == []
        assert AlertDispatcher(ledger, print).step()
        assert not AlertDispatcher(ledger, print).step()
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert [it["topic"] for it in deliveries(ledger)] == ["AlertDelivered"]


def test_two_dispatchers_at_once_record_one_delivery(ledger: Ledger) -> None:
    with Receiver() as receiver:
        change(ledger, "alert.webhook", receiver.url)
        raise_one(ledger)
        command = [sys.executable, "-c", DELIVER, str(ledger.path)]
        dispatchers = [subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [dispatcher.wait() for dispatcher in dispatchers] == [0, 0]
    assert 1 <= len(receiver.requests) <= 2
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(deliveries(ledger)) == 1


def test_no_fact_of_an_alert_holds_a_secret(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(500) as receiver:
        monkeypatch.setenv("GROKPUTER_WEBHOOK_URL", receiver.url + "/topsecret")
        change(ledger, "alert.webhook", "env")
        raise_one(ledger)
        AlertDispatcher(ledger, print).step()
    assert receiver.requests[0].path.endswith("/topsecret")
    [failed] = deliveries(ledger)
    assert (failed["to"], failed["reason"]) == ("GROKPUTER_WEBHOOK_URL", "HTTP 500 Internal Server Error")
    facts = [repr(it.event) for it in ledger.read() if isinstance(it.event, AlertEvent)]
    assert facts and not [fact for fact in facts if "topsecret" in fact or SECRET[10:] in fact]
