"""Trainings that cost too much wait for a person, with an alert; and a person can end any training."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import call, output

from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import NotFound, NotPossible
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.trainings import approve_training, cancel_training
from grokputer.runners.wiring.services import Services
from story import Story


def story_of(folder: Path, **settings: object) -> Story:
    """A log with an earlier training of 12.5 s, which is rolled back, and a new one that is requested."""
    story = Story(folder / "events.db")
    for key, value in settings.items():
        story.set(key.replace("__", "."), value)
    story.set("training.retries", 0)
    story.set("training.launcher", "carry")  # so that none of these tests trains
    return story


def step(story: Story) -> list[str]:
    said: list[str] = []
    with Services(story.ledger, process_new_events(story.ledger)) as services:
        Worker(story.ledger, services, Reporter(said.append))._train(services.state)
    process_new_events(story.ledger)
    return said


def status(story: Story) -> str:
    return load_state(story.ledger).registry.trainings[story.training().hex].status


def alerts(story: Story) -> list[tuple[str, bool]]:
    return [(alert.kind, alert.is_open) for alert in load_state(story.ledger).alerts if "training" in alert.kind]


def test_a_training_whose_cost_is_unknown_waits_where_a_bound_is_set(tmp_path: Path) -> None:
    story = story_of(tmp_path, training__max_cost=1.0)
    story.fall()
    [_, said] = step(story)
    assert "waits for approval: its cost is unknown, as the log has no training of this recipe and base" in said
    assert (status(story), alerts(story), step(story)) == ("held", [("training held", True)], [])
    shown = output("status", db=story.path)
    assert "waits for a person to approve its training" in shown and "'grokputer train approve'" in shown


def test_an_approved_training_runs_and_its_alert_is_over(tmp_path: Path) -> None:
    story = story_of(tmp_path, training__max_cost=1.0)
    story.fall()
    step(story)
    output("train", "approve", "--reason", "it is worth it", "--as", "ada", db=story.path)
    assert (status(story), alerts(story)) == ("dataset built", [("training held", False)])
    step(story)
    assert status(story) == "carried"
    [resolved] = map(story.ledger.reveal, story.ledger.read(1, None, ("AlertResolved",)))
    assert vars(resolved.event)["message"] == "ada approved the training: it is worth it"
    with pytest.raises(NotFound, match="no training waits for approval"):
        approve_training(story.ledger, None, reason="again", actor="ada")
    with pytest.raises(NotPossible, match="does not wait for approval"):
        approve_training(story.ledger, story.training().hex[:8], reason="again", actor="ada")


@pytest.mark.parametrize(("bound", "becomes"), [(0.0001, "held"), (5.0, "carried"), (0.0, "carried")])
def test_the_estimate_of_a_training_like_one_in_the_log_decides(tmp_path: Path, bound: float, becomes: str) -> None:
    story = story_of(tmp_path, cost__price_per_hour=10.0)
    story.promote()
    story.set("training.max_cost", bound)
    story.ask()
    said = step(story)
    assert status(story) == becomes
    assert any("it would cost about 0." in line for line in said) == (becomes == "held")


def test_a_cancelled_training_ends_its_cycle_and_says_why(tmp_path: Path) -> None:
    story = story_of(tmp_path, training__max_cost=1.0)
    story.fall()
    step(story)
    cancel_training(story.ledger, None, reason="the wrong tasks", actor="ada")
    state = process_new_events(story.ledger)
    assert (status(story), alerts(story)[0], state.rollouts.cycle("action")) == (
        "failed", ("training held", False), None,
    )  # fmt: skip
    failed = story.ledger.get(TrainingJob, story.training()).over
    assert story.ledger.say(vars(failed)["reason"]) == "cancelled: the wrong tasks"
    [closed] = map(story.ledger.reveal, story.ledger.read(1, None, ("CycleClosed",)))
    assert vars(closed.event)["detail"] == "cancelled: the wrong tasks"
    assert "the wrong tasks" in output("alerts", db=story.path)
    refused = call("train", "cancel", db=story.path)
    assert refused.exit_code == 1 and "no training is under way" in refused.output


def test_the_reason_of_a_decision_can_be_forgotten(tmp_path: Path) -> None:
    story = story_of(tmp_path, training__max_cost=1.0)
    story.fall()
    step(story)
    approve_training(story.ledger, None, reason="Bob said so", actor="ada")
    [approved] = story.ledger.read(1, None, ("TrainingApproved",))
    assert "Bob" not in repr(approved.event)
    assert "Bob said so" in repr(story.ledger.reveal(approved).event)
