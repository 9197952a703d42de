"""Runs whose success nothing judges: they are shown as unknown, yield no implicit rating, and decide nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import CanaryAssessed, RolloutStarted, TaskJudged
from grokputer.domain.vocabulary import Arm
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.store.log import Log
from story import Story

BY_RATINGS = {"canary.weight_percent": "50", "canary.bake_s": "0", "canary.promote_at": "5", "canary.roll_back_at": "5"}
"""A canary that a few dozen ratings decide."""


DECIDED = ("RolloutStarted", "CanaryAssessed", "AdapterPromoted", "AdapterRolledBack", "RolloutPaused", "TaskJudged")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    yield story
    story.ledger.close()
    again = [each for each in decide_again(Log.open(story.path)) if each.kind in DECIDED]
    assert [each for each in again if each.difference] == []


def offer(story: Story, rule: str = "sequential", **settings: str) -> Any:
    """An adapter becomes a canary under the rule; its rollout's id."""
    for key, value in {**BY_RATINGS, "canary.rule": rule, **settings}.items():
        story.set(key.replace("__", "."), value)
    return story.prove(story.train(story.ask()))


def state_of(story: Story) -> State:
    return process_new_events(story.ledger)


def answer_and_rate(story: Story, canary: int, stable: int, most: int = 200) -> int:
    """Questions are answered and rated by their arm until the rollout is decided; how many that took."""
    for asked in range(most):
        if not state_of(story).undecided:
            return asked
        run = story.run(succeeds=None)
        started = story.ledger.get(TaskRun, run).started
        assert started is not None
        story.rate(run, canary if started.arm == Arm.CANARY else stable, f"person {asked}")
    return most


def test_the_success_of_an_answer_is_unknown_and_it_gets_no_implicit_rating(story: Story) -> None:
    run = story.ledger.get(TaskRun, story.run(succeeds=None))
    [row] = state_of(story).metrics.rows()
    assert (run.succeeded, run.failure) == (None, None)
    assert (row["runs"], row["success"], row["unknown"]) == (1, None, 1)
    assert state_of(story).ratings.sums("action", None).implicit.count == 0


def test_an_answer_that_an_error_prevented_counts_as_an_error_and_not_in_the_success_rate(story: Story) -> None:
    story.run(succeeds=None)
    story.run(succeeds=False, reason="error", task="chat")
    [row] = state_of(story).metrics.rows()
    assert (row["success"], row["unknown"], row["failures"]) == (None, 2, {"error": 1})


@pytest.mark.parametrize(("stars", "succeeded"), [(5, True), (4, True), (3, False), (1, False)])
def test_stars_judge_an_answer_where_the_setting_says_so(story: Story, stars: int, succeeded: bool) -> None:
    story.set("rating.success_stars", "4")
    run = story.run(succeeds=None)
    story.rate(run, stars)
    story.rate(run, 6 - stars, "bob")  # it is judged once
    judged = [each.event for each in story.ledger.read(1, None, (TaskJudged.TOPIC,))]
    assert [(event.succeeded, event.source) for event in judged if isinstance(event, TaskJudged)] == [
        (succeeded, "human")
    ]
    assert story.ledger.get(TaskRun, run).succeeded is succeeded
    [row] = state_of(story).metrics.rows()
    assert (row["success"], row["unknown"]) == (float(succeeded), 0)


def test_stars_judge_nothing_by_default_and_never_a_run_whose_success_is_known(story: Story) -> None:
    story.rate(story.run(succeeds=None), 1)
    story.set("rating.success_stars", "4")
    story.rate(story.run(succeeds=True), 1)
    assert not list(story.ledger.read(1, None, (TaskJudged.TOPIC,)))


def test_ratings_alone_promote_a_canary_whose_success_is_unknown(story: Story) -> None:
    for _ in range(60):
        story.run(succeeds=None)
    rollout = offer(story)
    [started] = [each.event for each in story.ledger.read(1, None, (RolloutStarted.TOPIC,))]
    assert isinstance(started, RolloutStarted)
    assert started.terms["unknown"] == ["success"]
    assert answer_and_rate(story, canary=5, stable=2) < 100
    assert story.ledger.get(Rollout, rollout).phase == "promoted"
    [*_, last] = [each.event for each in story.ledger.read(1, None, (CanaryAssessed.TOPIC,))]
    assert isinstance(last, CanaryAssessed)
    assert "their success is unknown and decides nothing" in last.message
    assert last.numbers["canary"]["success"] is None


def test_ratings_alone_roll_back_a_canary_whose_success_is_unknown(story: Story) -> None:
    for _ in range(60):
        story.run(succeeds=None)
    rollout = offer(story)
    assert answer_and_rate(story, canary=1, stable=5) < 100
    assert story.ledger.get(Rollout, rollout).phase == "rolled back"


def test_an_unrated_canary_of_unknown_success_is_undecided_after_the_most_runs(story: Story) -> None:
    for _ in range(60):
        story.run(succeeds=None)
    rollout = offer(story, canary__max_runs="10")
    for _ in range(40):
        story.run(succeeds=None)
    [*_, last] = [each.event for each in story.ledger.read(1, None, (CanaryAssessed.TOPIC,))]
    assert isinstance(last, CanaryAssessed)
    assert (last.verdict, last.reason) == ("inconclusive", "most runs")
    assert story.ledger.get(Rollout, rollout).phase == "paused"


def test_success_decides_about_a_canary_of_a_role_whose_runs_are_judged(story: Story) -> None:
    for _ in range(60):
        story.run()
    offer(story)
    [started] = [each.event for each in story.ledger.read(1, None, (RolloutStarted.TOPIC,))]
    assert isinstance(started, RolloutStarted)
    assert "unknown" not in started.terms


def test_judged_answers_are_the_success_that_a_canary_is_decided_by(story: Story) -> None:
    story.set("rating.success_stars", "4")
    for _ in range(60):
        story.rate(story.run(succeeds=None), 5)
    rollout = offer(story)
    assert answer_and_rate(story, canary=1, stable=5) < 100
    assert story.ledger.get(Rollout, rollout).phase == "rolled back"
    [*_, last] = [each.event for each in story.ledger.read(1, None, (CanaryAssessed.TOPIC,))]
    assert isinstance(last, CanaryAssessed)
    assert last.numbers["canary"]["success"] == 0.0


@pytest.mark.parametrize("rule", ["threshold", "relative"])
def test_the_plain_rules_decide_by_health_and_ratings_where_success_is_unknown(story: Story, rule: str) -> None:
    for _ in range(60):
        story.run(succeeds=None)
    rollout = offer(story, rule, canary__min_runs="5")
    for _ in range(30):
        story.rate(story.run(succeeds=None), 5)
    look = state_of(story).look(rollout.hex)
    assert (look.verdict, look.reason) == ("promote", "healthy")
    assert "success unknown, rating 5.00" in look.message


@pytest.mark.parametrize("rule", ["threshold", "relative"])
def test_the_plain_rules_wait_where_neither_success_nor_ratings_are_known(story: Story, rule: str) -> None:
    for _ in range(60):
        story.run(succeeds=None)
    rollout = offer(story, rule, canary__min_runs="5")
    for _ in range(30):
        story.run(succeeds=None)
    look = state_of(story).look(rollout.hex)
    assert (look.verdict, look.reason) == ("hold", "unrated")
    story.set("canary.dry_run", "rating")
    look = state_of(story).look(rollout.hex)
    assert (look.verdict, look.reason) == ("hold", "no data")
    assert "the success of 0 of the last" in look.message


def test_where_sessions_are_the_unit_a_session_of_answers_is_one_outcome_of_unknown_success(story: Story) -> None:
    for _ in range(60):
        story.run(succeeds=None)
    rollout = offer(story, **{"canary.randomization_unit": "session"})
    for number in range(60):
        story.run(succeeds=None, session=f"conversation {number // 10}")
    evidence = state_of(story).health.evidence(rollout.hex)
    assert evidence is not None
    known, unknown = (sum(evidence.state[arm].get(of, 0) for arm in ("canary", "stable")) for of in ("runs", "unknown"))
    assert known == 0
    assert 0 < unknown <= 6


def test_a_session_of_known_and_unknown_success_is_one_outcome_the_mean_of_what_is_known(story: Story) -> None:
    story.set("rating.success_stars", "4")
    for _ in range(20):
        story.rate(story.run(succeeds=None), 5)
    rollout = offer(story, **{"canary.randomization_unit": "session"})
    for number in range(60):
        run = story.run(succeeds=None, session=f"conversation {number // 3}")
        if number % 3:
            story.rate(run, 5 if number % 3 == 1 else 1)
    evidence = state_of(story).health.evidence(rollout.hex)
    assert evidence is not None
    counts = [evidence.state[arm] for arm in ("canary", "stable")]
    assert sum(each["runs"] + each.get("unknown", 0) for each in counts) <= 20
    assert {each["succeeded"] / each["runs"] for each in counts if each["runs"]} == {0.5}


def test_a_run_that_is_judged_long_after_its_end_says_nothing_of_the_latest_runs(story: Story) -> None:
    old = [story.run(succeeds=None) for _ in range(15)]
    for _ in range(100):
        story.run(succeeds=None)
    story.set("rating.success_stars", "4")
    for run in old:
        story.rate(run, 5)
    assert state_of(story).known_share("action") == 0


def test_answers_that_an_earlier_program_called_successes_are_unknown_to_a_new_canary(
    story: Story,
) -> None:
    for _ in range(60):
        story.run(succeeds=True, task="chat")
    offer(story)
    [started] = [each.event for each in story.ledger.read(1, None, (RolloutStarted.TOPIC,))]
    assert isinstance(started, RolloutStarted)
    assert started.terms["unknown"] == ["success"]


@pytest.mark.parametrize("rule", ["threshold", "relative"])
@pytest.mark.parametrize("stars", [1, 5])
def test_the_plain_rules_decide_by_success_only_once_enough_of_it_is_known(story: Story, rule: str, stars: int) -> None:
    for _ in range(20):
        story.run(succeeds=None)
    story.set("rating.success_stars", "4")
    rollout = offer(story, rule, canary__min_runs="5", canary__dry_run="rating")
    judged = False
    for _ in range(40):
        run = story.run(succeeds=None)
        started = story.ledger.get(TaskRun, run).started
        assert started is not None
        if started.arm == Arm.CANARY and not judged:
            story.rate(run, stars)
            judged = True
    look = state_of(story).look(rollout.hex)
    assert (look.verdict, look.reason) == ("hold", "no data")
    assert "the success of 1 of the last" in look.message
