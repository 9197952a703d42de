"""When what an alert was about is over, those who were told of it are told so: once, after the alert, and in its thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from receivers import SECRET, MailServer, Receiver

from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.vocabulary import HandDecision
from grokputer.runners.alerts.dispatcher import AlertDispatcher
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.decisions import decide_again
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.rollouts import decide_by_hand
from story import BEGIN, Standing, Story

MADE_UP = ("HeldOutJudged", "DatasetBuilt", "CanaryAssessed")


@pytest.fixture
def clock() -> Standing:
    return Standing()


@pytest.fixture
def story(tmp_path: Path, clock: Standing, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", SECRET)
    return Story(tmp_path / "events.db", clock)


def roll_out(story: Story) -> None:
    story.run()
    story.run()
    story.prove(story.train(story.ask()))


def decide(story: Story, wanted: str, reason: str = "a reason", adapter: str = "lora-v1") -> None:
    decide_by_hand(story.ledger, process_new_events(story.ledger), adapter, HandDecision(wanted), reason, "ada")
    process_new_events(story.ledger)


def deliver(story: Story) -> None:
    dispatcher = AlertDispatcher(story.ledger, lambda line: None)
    while dispatcher.step():
        pass


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return [(it.document["type"], it.document["message"]) for it in receiver.requests]


def test_a_pause_by_a_person_is_told_as_such_and_its_end_refers_to_it(story: Story) -> None:
    with Receiver() as receiver:
        story.set("alert.webhook", receiver.url)
        roll_out(story)
        decide(story, "pause", "the site is down")
        deliver(story)
        decide(story, "resume", "it is up")
        deliver(story)
    first, second = receiver.requests
    assert told(receiver) == [
        ("alert.rollout_paused", "ada paused the rollout of lora-v1: the site is down"),
        ("alert.resolved", "ada resumed the rollout of lora-v1: it is up"),
    ]
    assert (first.document["by"], first.document["severity"], second.document["severity"]) == ("ada", "warning", "info")
    assert second.document["resolves"] == {
        "id": first.headers["webhook-id"], "type": "alert.rollout_paused", "reference": first.document["reference"],
    }  # fmt: skip
    assert second.document["id"] == second.headers["webhook-id"] != first.headers["webhook-id"]
    assert second.is_signed()


def by_hand(wanted: str, *before: str) -> Callable[[Story], None]:
    def happen(story: Story) -> None:
        roll_out(story)
        for it in before:
            decide(story, it)
        decide(story, wanted)

    return happen


def new_training(story: Story) -> None:
    by_hand("roll back", "promote")(story)
    story.ask("a better one")


def recovery(story: Story) -> None:
    story.set("rating.window", 10)
    story.set("rating.threshold", 1)  # this is of the mean alone
    for stars in [3] * 10 + [5] * 10:
        story.rate(story.run(), stars)


def inconclusive(story: Story) -> None:
    roll_out(story)
    [rollout] = process_new_events(story.ledger).undecided
    story.assess(UUID(rollout), "inconclusive", "no data")
    decide(story, "roll back", "no traffic")


@pytest.mark.parametrize(
    ("happen", "types", "words"),
    [
        (by_hand("resume", "pause"), ["rollout_paused", "resolved"], "ada resumed the rollout"),
        (by_hand("roll back", "pause"), ["rollout_paused", "resolved", "rolled_back"], "lora-v1 was rolled back by ada"),
        (by_hand("promote", "pause"), ["rollout_paused", "resolved"], "lora-v1 was made live by ada"),
        (by_hand("roll back"), ["rolled_back"], ""),
        (by_hand("forward", "promote", "roll back"), ["rolled_back", "resolved", "rolled_forward"], "live by ada"),
        (new_training, ["rolled_back", "resolved"], "ada asked for a new training for role action: a better one"),
        (recovery, ["low_mean", "resolved"], "the mean of the latest ratings has risen to 3.80"),
        (inconclusive, ["canary_inconclusive", "resolved", "rolled_back"], "lora-v1 was rolled back by ada: no traffic"),
    ],
)  # fmt: skip
def test_an_alert_ends_with_what_it_is_about_and_says_how(
    story: Story, happen: Callable[[Story], None], types: list[str], words: str
) -> None:
    with Receiver() as receiver:
        story.set("alert.webhook", receiver.url)
        happen(story)
        deliver(story)
    assert [type for type, _ in told(receiver)] == [f"alert.{it}" for it in types]
    assert [words in message for type, message in told(receiver) if type == "alert.resolved"] == [True] * bool(words)
    assert replay(story.ledger).is_equal
    assert [it for it in decide_again(story.ledger) if it.difference and it.kind not in MADE_UP] == []


def test_the_end_is_told_after_the_alert_and_not_where_the_alert_never_arrived(story: Story, clock: Standing) -> None:
    with Receiver(503, 204) as receiver:
        story.set("alert.webhook", receiver.url)
        roll_out(story)
        decide(story, "pause")
        decide(story, "resume")
        deliver(story)
        assert [type for type, _ in told(receiver)] == ["alert.rollout_paused"], "it waits for the alert"
        clock.move(minutes=1)
        deliver(story)
    assert [type for type, _ in told(receiver)] == ["alert.rollout_paused"] * 2 + ["alert.resolved"]
    with Receiver(500) as receiver:
        story.set("alert.webhook", receiver.url)
        story.set("alert.max_attempts", 1)
        decide(story, "pause")
        decide(story, "resume")
        deliver(story)
        clock.move(days=2)
        deliver(story)
    assert [type for type, _ in told(receiver)] == ["alert.rollout_paused"]
    statuses = [
        alert.resolved.deliveries["webhook"].status
        for alert in process_new_events(story.ledger).alerts
        if alert.resolved is not None
    ]
    assert statuses == ["delivered", "not needed"]


def test_a_channel_that_was_turned_on_after_the_alert_hears_nothing_of_its_end(story: Story) -> None:
    with Receiver() as receiver:
        roll_out(story)
        decide(story, "pause")
        story.set("alert.webhook", receiver.url)
        decide(story, "resume")
        deliver(story)
    assert receiver.requests == []


def test_the_mail_of_the_end_is_an_answer_to_that_of_the_alert(story: Story) -> None:
    with MailServer() as server:
        for key, value in {"email_to": "ada@example.org", "smtp": server.address, "smtp_security": "none"}.items():
            story.set(f"alert.{key}", value)
        roll_out(story)
        decide(story, "pause", "the site is down")
        decide(story, "resume", "it is up")
        deliver(story)
    first, second = server.messages
    assert first["Subject"] == "[grokputer] warning: rollout paused (action, lora-v1)"
    assert second["Subject"] == f"Re: {first['Subject']}"
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"] != second["Message-ID"]
    text: Any = second.get_content()
    assert text.startswith("Resolved: ada resumed the rollout of lora-v1: it is up.")
    assert "It was: ada paused the rollout of lora-v1: the site is down." in text
    assert f"At {BEGIN:%Y-%m-%d %H:%M:%S} UTC" in text


def test_an_alert_whose_subject_ended_before_it_was_raised_is_not_open_and_is_resolved(story: Story) -> None:
    """As where one person pauses and another resumes, and the program comes to both after that."""
    with Receiver() as receiver:
        story.set("alert.webhook", receiver.url)
        roll_out(story)
        [rollout] = process_new_events(story.ledger).undecided
        context = story.ledger.context("ada")
        story.ledger.write(Rollout, UUID(rollout), lambda it: it.pause("the site is down", context))
        story.ledger.write(Rollout, UUID(rollout), lambda it: it.resume("it is up", context))
        deliver(story)
        assert receiver.requests == []
        state = process_new_events(story.ledger)
        deliver(story)
    assert [type for type, _ in told(receiver)] == ["alert.rollout_paused", "alert.resolved"]
    assert [alert.is_open for alert in state.alerts] == [False]
    assert replay(story.ledger).is_equal
    assert [it for it in decide_again(story.ledger) if it.difference and it.kind not in MADE_UP] == []


def rate(story: Story, run: UUID, stars: int) -> None:
    context = story.ledger.context("ada")
    story.ledger.write(TaskRun, run, lambda it: it.rate(stars, "human", [], None, context))


def test_a_mean_that_falls_and_recovers_before_the_program_comes_to_it_is_told_and_over(story: Story) -> None:
    story.set("rating.window", 10)
    story.set("rating.threshold", 1)
    runs = [story.run() for _ in range(20)]
    for run, stars in zip(runs, [3] * 10 + [5] * 10, strict=True):
        rate(story, run, stars)
    [alert] = process_new_events(story.ledger).alerts
    assert (alert.kind, alert.is_open, alert.resolved is None) == ("low mean", False, False)
