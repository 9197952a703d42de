"""Which alerts are raised: from what happens in a log, each once, and which of them are open still."""

from __future__ import annotations

from pathlib import Path

import pytest
from improving import (
    NUMBERS,
    assess,
    breach,
    complete,
    judge,
    prove,
    raise_one,
    rated_run,
    roll_out,
)
from receivers import SECRET, Receiver

from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.events import AlertRaised
from grokputer.domain.verdict import Verdict
from grokputer.projections.state.state import State
from grokputer.runners.alerts.dispatcher import AlertDispatcher
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import fold, load_state
from story import Standing, change


@pytest.fixture
def clock() -> Standing:
    return Standing()


@pytest.fixture
def ledger(tmp_path: Path, clock: Standing) -> Ledger:
    ledger = Ledger.create(tmp_path / "events.db", clock)
    for key in ("rating.rule", "canary.rule"):
        change(ledger, key, "threshold")
    return ledger


def alerts(ledger: Ledger) -> list[tuple[str, str | None]]:
    """Kind and adapter of each alert that is raised."""
    found = (recorded.event for recorded in ledger.read(1, None, (AlertRaised.TOPIC,)))
    return [(event.kind, event.adapter) for event in found if isinstance(event, AlertRaised)]


def test_a_fall_of_the_ratings_alerts_of_the_mean_and_of_the_breach_each_once(ledger: Ledger) -> None:
    breach(ledger)
    for number in range(10, 40):
        rated_run(ledger, 1, number)
        process_new_events(ledger)
    assert alerts(ledger) == [("low mean", None), ("breach", None)]


def test_a_mean_that_recovers_and_falls_again_alerts_again(ledger: Ledger) -> None:
    change(ledger, "rating.window", 10)
    change(ledger, "rating.threshold", 1)  # this is of the mean alone
    for number, stars in enumerate([3] * 15 + [5] * 10 + [3] * 15):
        rated_run(ledger, stars, number)
        process_new_events(ledger)
    assert alerts(ledger) == [("low mean", None)] * 2
    assert [alert.is_open for alert in load_state(ledger).alerts] == [False, True]


def test_a_mean_that_fell_before_a_promotion_alerts_again_after_its_rollback(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    assess(ledger, rollout, "promote")
    ledger.write(Rollout, rollout, lambda it: it.roll_back("not as good as it seemed", ledger.context("ada")))
    rated_run(ledger, 1, 90)
    process_new_events(ledger)
    assert alerts(ledger)[-1] == ("low mean", None)


def test_a_mean_that_wavers_about_the_bar_alerts_once(ledger: Ledger) -> None:
    change(ledger, "rating.window", 10)
    change(ledger, "rating.threshold", 1)
    wavering = [3, 4] * 5 + [3, 3, 4, 4] * 5  # the mean goes from 3.4 to 3.6 and back
    for number, stars in enumerate(wavering):
        rated_run(ledger, stars, number)
        process_new_events(ledger)
    assert alerts(ledger) == [("low mean", None)]
    [alert] = load_state(ledger).alerts
    assert alert.is_open


def test_many_ratings_that_are_followed_at_once_alert_as_often_as_one_by_one(ledger: Ledger) -> None:
    change(ledger, "rating.window", 10)
    change(ledger, "rating.threshold", 1)
    for number, stars in enumerate([3] * 15 + [5] * 10 + [3] * 15):
        rated_run(ledger, stars, number)
    process_new_events(ledger)
    assert alerts(ledger) == [("low mean", None)] * 2


def test_ratings_of_the_canary_and_too_few_of_the_live_adapter_alert_of_no_mean(ledger: Ledger) -> None:
    change(ledger, "rating.threshold", 1)
    for number in range(9):
        rated_run(ledger, 1, number)
    for number in range(9, 30):
        rated_run(ledger, 1, number, adapter="lora-v1", arm="canary")
    process_new_events(ledger)
    assert alerts(ledger) == []


def test_a_promoted_adapter_has_a_mean_of_its_own(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    assess(ledger, rollout, "promote")
    for number in range(50, 60):
        rated_run(ledger, 3, number, adapter="lora-v1")
        process_new_events(ledger)
    assert alerts(ledger)[:3] == [("low mean", None), ("breach", None), ("low mean", "lora-v1")]


def test_an_adapter_that_is_refused_at_the_proof_or_at_the_gate_alerts(ledger: Ledger) -> None:
    adapter = complete(ledger, breach(ledger))
    prove(ledger, adapter)
    judge(ledger, adapter, Verdict("reject", "no gain", "1 of 12 now succeeds", {}))
    assert alerts(ledger)[-1] == ("adapter rejected", "lora-v1")
    [alert] = [alert for alert in load_state(ledger).alerts if alert.kind == "adapter rejected"]
    assert alert.message == "lora-v1 was rejected before any traffic: no gain: 1 of 12 now succeeds"


def test_a_proof_that_fails_alerts(ledger: Ledger) -> None:
    adapter = complete(ledger, breach(ledger))
    ledger.write(Adapter, adapter, lambda it: it.evaluate(False, True, NUMBERS, ledger.context("grokputer")))
    process_new_events(ledger)
    assert alerts(ledger)[-1] == ("adapter rejected", "lora-v1")


def test_a_training_that_fails_alerts(ledger: Ledger) -> None:
    raise_one(ledger)
    assert alerts(ledger) == [("training failed", None)]


@pytest.mark.parametrize(
    ("verdict", "kind"), [("inconclusive", "canary inconclusive"), ("roll back", "canary failed"), ("hold", "breach")]
)
def test_a_canary_that_is_paused_or_rolled_back_alerts_and_one_that_is_held_does_not(
    ledger: Ledger, verdict: str, kind: str
) -> None:
    _, rollout = roll_out(ledger)
    assess(ledger, rollout, verdict)
    assert alerts(ledger)[-1] == (kind, None if kind == "breach" else "lora-v1")


def test_an_alert_is_open_until_something_deals_with_it(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    assert open_kinds(ledger) == ["low mean", "breach"]
    assess(ledger, rollout, "roll back")
    assert open_kinds(ledger) == ["low mean", "canary failed"]
    raise_one(ledger)
    assert open_kinds(ledger) == ["low mean", "training failed"]


def open_kinds(ledger: Ledger) -> list[str]:
    return [alert.kind for alert in load_state(ledger).alerts.open()]


def test_processing_again_and_replaying_send_no_alert(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", SECRET)
    with Receiver() as receiver:
        change(ledger, "alert.webhook", receiver.url)
        _, rollout = roll_out(ledger)
        assess(ledger, rollout, "roll back")
        courier = AlertDispatcher(ledger, print)
        while courier.step():
            pass
        before, told = alerts(ledger), len(receiver.requests)
        ledger.change(lambda it: it.connection.execute("DELETE FROM tracking"))
        process_new_events(ledger)
        assert alerts(ledger) == before
        assert replay(ledger).is_equal
        assert fold(ledger, State()).dump() == load_state(ledger).dump()
        assert not AlertDispatcher(ledger, print).step()
        over = [it for it in receiver.requests if it.document["type"] == "alert.resolved"]
        assert (len(receiver.requests), len(before), len(over)) == (told, 3, 1)
