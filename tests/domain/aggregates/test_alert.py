"""An alert and its deliveries as decisions: raised once, tried with growing waits, delivered or given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from given import ID, NOON, SOMEONE, given
from grokputer.domain.aggregates.alert import (
    APPROVAL,
    CHANNELS,
    LONGEST_MESSAGE,
    Alert,
    Delivery,
    Failure,
    Notice,
    delivery_id,
    is_low,
    low_mean,
    notice_of,
    wait_s,
)
from grokputer.domain.events import (
    AdapterPromoted,
    AdapterRejected,
    AdapterRolledBack,
    AdapterUnserved,
    AlertDelivered,
    AlertDeliveryFailed,
    AlertRaised,
    AlertResolved,
    Event,
    RatingThresholdBreached,
    RolloutPaused,
    TrainingDeclined,
    TrainingFailed,
    WeightsMissed,
)
from grokputer.domain.rules.breach import Window
from grokputer.domain.settings.settings import SETTINGS, Policy
from grokputer.domain.vocabulary import AlertKind
from grokputer.runners.alerts.next_steps import NEXT_STEPS, next_step

NOTICE = Notice("canary failed", "critical", "action", "lora-v1", "lora-v1 was rolled back: success 0.60")
WEBHOOK = "https://example.org/alerts"
BUSY = Failure("HTTP 503 Service Unavailable")


def raised(alert: Alert) -> None:
    alert.raise_(NOTICE, SOMEONE)


def delivered(alert: Alert) -> None:
    alert.deliver("webhook", WEBHOOK, "HTTP 204", SOMEONE)


def failed(failure: Failure = BUSY, **settings: Any) -> Callable[[Alert], None]:
    policy = Policy({f"alert.{key}": value for key, value in settings.items()})
    return lambda alert: alert.fail("webhook", WEBHOOK, failure, policy, SOMEONE)


def event(topic: type[Event], **fields: Any) -> Event:
    return topic(originator_id=ID, originator_version=3, time=NOON, actor="grokputer", role="action", **fields)


def by_ada(topic: type[Event], **fields: Any) -> Event:
    return topic(originator_id=ID, originator_version=3, time=NOON, actor="ada", role="action", **fields)


def test_an_alert_is_raised_once() -> None:
    given(Alert).when(raised).then((AlertRaised, vars(NOTICE)))
    given(Alert, raised).when(raised).then_nothing()


def test_a_message_of_several_lines_and_of_any_length_becomes_one_printable_line() -> None:
    wild = replace(NOTICE, message="lost\r\nBcc: eve@example.org\x1b[31m\x00  it " + "x" * 5000)
    [fact] = given(Alert).when(lambda it: it.raise_(wild, SOMEONE)).events
    assert isinstance(fact, AlertRaised)
    assert fact.message.startswith("lost Bcc: eve@example.org [31m it xxx")
    assert len(fact.message) == LONGEST_MESSAGE


def test_a_delivery_is_recorded_once_with_the_id_that_was_sent() -> None:
    id = delivery_id(given(Alert).aggregate.id, "webhook")
    given(Alert, raised).when(delivered).then(
        (AlertDelivered, {"channel": "webhook", "to": WEBHOOK, "delivery": id, "attempt": 1, "answer": "HTTP 204"})
    )
    given(Alert, raised, delivered).when(delivered).then_nothing()
    given(Alert, raised, delivered).when(failed()).then_nothing()


def test_each_attempt_counts_up_under_the_same_id_and_waits_longer() -> None:
    given_ = given(Alert, raised)
    waits, ids = [], set()
    for attempt in range(1, 10):
        failed()(given_.aggregate)
        [fact] = given_.aggregate.collect_events()
        assert isinstance(fact, AlertDeliveryFailed) and fact.again_in_s is not None
        assert fact.attempt == attempt
        waits.append(fact.again_in_s)
        ids.add(fact.delivery)
    assert len(ids) == 1
    # 10 s, then four times the last each, each up to a quarter shorter or longer, and never much over a day.
    for number, wait in enumerate(waits):
        middle = min(10 * 4**number, 86_400)
        assert 0.75 * middle <= wait <= 1.25 * middle
    failed()(given_.aggregate)
    [last] = given_.aggregate.collect_events()
    assert isinstance(last, AlertDeliveryFailed)
    assert (last.attempt, last.again_in_s) == (10, None)


def test_the_jitter_is_drawn_from_id_and_attempt_and_differs_between_alerts() -> None:
    assert wait_s("ab", 2, 10) == wait_s("ab", 2, 10)
    drawn = [wait_s(f"{number:x}", 1, 10) for number in range(1000)]
    assert len(set(drawn)) == 1000
    # Uniform in [7.5, 12.5): the mean of 1000 lies within 0.25 of 10 but for once in a million times.
    assert abs(sum(drawn) / 1000 - 10) < 0.25
    assert min(drawn) >= 7.5 and max(drawn) < 12.5


def test_after_the_last_try_and_a_last_word_nothing_more_is_tried() -> None:
    given(Alert, raised).when(failed(max_attempts=1)).then((AlertDeliveryFailed, {"attempt": 1, "again_in_s": None}))
    gone = Failure("HTTP 410 Gone", is_final=True)
    given(Alert, raised).when(failed(gone)).then((AlertDeliveryFailed, {"again_in_s": None, "reason": "HTTP 410 Gone"}))
    given(Alert, raised, failed(gone)).when(delivered).then_nothing()


def test_a_receiver_that_asks_for_time_gets_it_up_to_a_day() -> None:
    given(Alert, raised).when(failed(Failure("HTTP 429", 300.0))).then((AlertDeliveryFailed, {"again_in_s": 300.0}))
    given(Alert, raised).when(failed(Failure("HTTP 429", 1e9))).then((AlertDeliveryFailed, {"again_in_s": 86_400.0}))


def test_one_channel_knows_nothing_of_the_other() -> None:
    given(Alert, raised, failed(), failed()).when(lambda it: it.deliver("email", "ada@x.org", "ok", SOMEONE)).then(
        (AlertDelivered, {"channel": "email", "attempt": 1})
    )


BREACH: dict[str, Any] = {
    "adapter": None, "mean": 2.4, "count": 10, "window": 50, "threshold": 3.8, "first_position": 1, "last_position": 9,
    "total": 10, "rule": "threshold", "message": "mean 2.40 of the last 10 ratings is under 3.8", "numbers": {},
}  # fmt: skip
BACK: dict[str, Any] = {"adapter": "lora-v2", "stable": "lora-v1"}
EVIDENCE = "evidence for a mean under 3.8 stars: 1,003 of 1,000; mean of the latest 76 ratings 3.16"


@pytest.mark.parametrize(
    ("fact", "kind", "words"),
    [
        (
            event(RatingThresholdBreached, **BREACH),
            "breach",
            "mean 2.40 of the last 10 ratings of the base is under 3.8",
        ),
        (event(RatingThresholdBreached, **{**BREACH, "rule": "sequential", "message": EVIDENCE}), "breach", EVIDENCE),
        (event(AdapterRolledBack, **BACK, reason="success 0.60", cause="canary"), "canary failed", "success 0.60"),
        (event(AdapterRolledBack, **BACK, reason="success 0.60", cause=""), "canary failed", "success 0.60"),
        (by_ada(AdapterRolledBack, **BACK, reason="users complain", cause="person"), "rolled back",
         "ada rolled lora-v2 back to lora-v1: users complain"),
        (event(AdapterRolledBack, **BACK, reason="lora-v1 was rolled back", cause="comparison"), "rollout ended",
         "the rollout of lora-v2 ended: lora-v1 was rolled back"),
        (event(RolloutPaused, adapter="lora-v2", reason="3 of 10 runs", cause="undecided"), "canary inconclusive",
         "3 of 10 runs"),
        (event(RolloutPaused, adapter="lora-v2", reason=f"{APPROVAL} for 50 %", cause="approval"), "approval needed", "50 %"),
        (by_ada(RolloutPaused, adapter="lora-v2", reason="no traffic", cause=""), "canary inconclusive", "no traffic"),
        (by_ada(RolloutPaused, adapter="lora-v2", reason="no traffic", cause="person"), "rollout paused",
         "ada paused the rollout of lora-v2: no traffic"),
        (by_ada(AdapterPromoted, adapter="lora-v2", replaced=None, reason="a mistake", cause="forward"), "rolled forward",
         "ada made lora-v2 live in place of the base: a mistake"),
        (event(WeightsMissed, adapter="lora-v2", weights="sha256:ff", serves="live"), "weights missing", "which is live"),
        (
            event(
                AdapterUnserved, adapter="lora-v2", weights="sha256:ff", endpoint="http://one/v1", boot="1",
                reason="its rank is 24", numbers={}, serves="live",
            ),
            "not served", "http://one/v1 does not serve lora-v2, which is live: its rank is 24",
        ),
        (event(AdapterRejected, adapter="lora-v2", reason="no gain", numbers={}), "adapter rejected", "no gain"),
        (event(TrainingFailed, reason="loss is not a number"), "training failed", "loss is not a number"),
    ],
)  # fmt: skip
def test_an_event_that_people_must_know_gives_a_notice_with_its_numbers_and_its_actor(
    fact: Event, kind: str, words: str
) -> None:
    notice = notice_of(fact)
    assert notice is not None
    by = fact.actor if kind in ("rolled back", "rolled forward", "rollout paused") else "grokputer"
    assert (notice.kind, notice.role, notice.by) == (kind, "action", by)
    assert words in notice.message


def test_the_cause_of_a_pause_decides_the_kind_of_its_alert_whatever_its_reason_says() -> None:
    undecided = event(RolloutPaused, adapter="lora-v2", reason=f"{APPROVAL} by ada's rule", cause="undecided")
    waiting = event(RolloutPaused, adapter="lora-v2", reason="a person must agree to 50 %", cause="approval")
    assert [notice.kind for fact in (undecided, waiting) if (notice := notice_of(fact))] == [
        AlertKind.CANARY_INCONCLUSIVE,
        AlertKind.APPROVAL_NEEDED,
    ]


def test_a_pause_stored_without_a_cause_says_in_its_reason_that_it_waits_for_approval() -> None:
    waiting = event(RolloutPaused, adapter="lora-v2", reason=f"{APPROVAL} for 50 %: no worse so far", cause="")
    notice = notice_of(waiting)
    assert notice is not None and notice.kind == AlertKind.APPROVAL_NEEDED


def resolved(alert: Alert) -> None:
    alert.resolve("ada resumed the rollout", SOMEONE)


def test_an_alert_is_resolved_once_and_only_after_it_was_raised() -> None:
    given(Alert, raised).when(resolved).then((AlertResolved, {"message": "ada resumed the rollout"}))
    given(Alert, raised, resolved).when(resolved).then_nothing()
    given(Alert).when(resolved).then_nothing()


def test_the_end_of_an_alert_of_an_earlier_program_is_not_recorded() -> None:
    old = replace(NOTICE, by="")
    given(Alert, lambda it: it.raise_(old, SOMEONE)).when(resolved).then_nothing()


def test_the_word_that_it_is_over_is_delivered_under_an_id_of_its_own() -> None:
    def tell(alert: Alert) -> None:
        alert.deliver("webhook", WEBHOOK, "HTTP 204", SOMEONE, is_resolved=True)

    when = given(Alert, raised, failed(), delivered, resolved).when(tell)
    own = delivery_id(given(Alert).aggregate.id, "webhook", is_resolved=True)
    when.then((AlertDelivered, {"delivery": own, "attempt": 1}))
    assert own != delivery_id(given(Alert).aggregate.id, "webhook")


def test_a_declined_training_raises_no_alert() -> None:
    assert notice_of(event(TrainingDeclined, reason="too little", examples=2, minimum=5, up_to=9)) is None


def test_a_low_mean_needs_enough_ratings_of_the_live_adapter() -> None:
    assert is_low([3] * 10, "action", Policy(), was_low=False)
    assert not is_low([3] * 9, "action", Policy(), was_low=True)
    assert not is_low([3] * 10, "action", Policy({"alert.min_mean_rating": 3.0}), was_low=False)
    assert is_low([3] * 10, "action", Policy({"alert.min_mean_rating": 3.0}), was_low=True)
    assert not is_low([3] * 10, "action", Policy({"alert.min_mean_rating": 2.75}), was_low=True)
    assert not is_low([5] * 10, "action", Policy({"alert.min_mean_rating": 5.0}), was_low=True)
    low = Window("action", "lora-v1", tuple((number, 3) for number in range(10)), 10)
    assert low_mean(low, Policy()).message == "mean 3.00 of the last 10 ratings of lora-v1 is under 3.5"


def test_every_kind_says_what_to_do_next_with_commands_that_name_the_adapter() -> None:
    for kind in NEXT_STEPS:
        fact = event(AlertRaised, kind=kind, severity="warning", adapter="lora-v1", message="", by="grokputer")
        assert isinstance(fact, AlertRaised)
        step = next_step(Delivery("ab", fact, 7))
        assert "{" not in step and step.endswith((".", "'"))


def test_every_channel_is_turned_on_by_a_setting_that_is_off_at_first() -> None:
    assert [SETTINGS[key].default for key in CHANNELS.values()] == [None, None]
