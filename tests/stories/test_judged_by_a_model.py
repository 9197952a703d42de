"""A judge model's grades make the success of answers known where the user says so, and never count as ratings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import NotPossible
from grokputer.domain.events import CanaryAssessed, RolloutStarted, TaskJudged
from grokputer.domain.evidence.terms import CanaryTerms
from grokputer.domain.vocabulary import Arm
from grokputer.projections.state.state import State
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.store.log import Log
from story import Story

QUICK = {"canary.weight_percent": "50", "canary.bake_s": "0", "canary.promote_at": "5", "canary.roll_back_at": "5"}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    yield story
    story.ledger.close()
    log = Log.open(story.path)
    assert [
        each for each in decide_again(log) if each.kind in ("TaskJudged", "CanaryAssessed") and each.difference
    ] == []
    assert replay(log).is_equal


def grade(story: Story, run: UUID, stars: int) -> None:
    """A judge model's grade, as the worker records it."""
    ledger = story.ledger
    prompt, context = ledger.put("[]"), ledger.context("grokputer", f"{run}/3")
    ledger.write(
        TaskRun,
        run,
        lambda it: it.grade(stars, reason=None, judge="big@there", criteria="0" * 12, prompt=prompt, context=context),
    )
    process_new_events(ledger)


def offer(story: Story, rule: str = "sequential") -> Any:
    """An adapter becomes a canary under the rule; its rollout's id."""
    for key, value in {**QUICK, "canary.rule": rule}.items():
        story.set(key, value)
    return story.prove(story.train(story.ask()))


def answer_and_grade(story: Story, canary: int, stable: int, most: int = 100) -> None:
    """Questions are answered, and graded by their arm, until the rollout is decided."""
    for _ in range(most):
        if not process_new_events(story.ledger).undecided:
            return
        run = story.run(succeeds=None)
        started = story.ledger.get(TaskRun, run).started
        assert started is not None
        grade(story, run, canary if started.arm == Arm.CANARY else stable)


def started(story: Story) -> RolloutStarted:
    [event] = [each.event for each in story.ledger.read(1, None, (RolloutStarted.TOPIC,))]
    assert isinstance(event, RolloutStarted)
    return event


def judged(story: Story) -> list[TaskJudged]:
    events = [each.event for each in story.ledger.read(1, None, (TaskJudged.TOPIC,))]
    return [event for event in events if isinstance(event, TaskJudged)]


def state_of(story: Story) -> State:
    return process_new_events(story.ledger)


def test_by_default_a_grade_says_nothing_about_success(story: Story) -> None:
    run = story.run(succeeds=None)
    grade(story, run, 1)
    assert judged(story) == []
    assert story.ledger.get(TaskRun, run).succeeded is None


@pytest.mark.parametrize(("stars", "succeeded"), [(4, True), (3, False)])
def test_a_grade_makes_success_known_where_the_setting_says_so(story: Story, stars: int, succeeded: bool) -> None:
    story.set("judge.success_stars", 4)
    grade(story, story.run(succeeds=None), stars)
    assert [(event.succeeded, event.source) for event in judged(story)] == [(succeeded, "judge")]
    [row] = state_of(story).metrics.rows()
    assert (row["success"], row["unknown"], row["ratings"]) == (float(succeeded), 0, 0)


def test_ten_bad_grades_are_no_breach_and_no_rating(story: Story) -> None:
    for _ in range(30):
        grade(story, story.run(succeeds=None), 1)
    assert state_of(story).window("action").ratings == ()
    assert not list(story.ledger.read(1, None, ("RatingThresholdBreached", "TriggerSuppressed", "AlertRaised")))


def test_grades_decide_about_a_canary_as_its_success_and_not_as_its_rating(story: Story) -> None:
    story.set("judge.success_stars", 4)
    for _ in range(60):
        grade(story, story.run(succeeds=None), 5)
    rollout = offer(story)
    assert started(story).terms["judge_stars"] == 4
    assert "unknown" not in started(story).terms
    answer_and_grade(story, canary=1, stable=5)
    assert story.ledger.get(Rollout, rollout).phase == "rolled back"
    [*_, last] = [each.event for each in story.ledger.read(1, None, (CanaryAssessed.TOPIC,))]
    assert isinstance(last, CanaryAssessed)
    assert (last.numbers["canary"]["success"], last.numbers["canary"]["rating"]) == (0.0, None)


def test_a_rollout_that_began_without_the_judge_is_never_decided_by_it(story: Story) -> None:
    for _ in range(20):
        story.run()
    offer(story)
    assert "judge_stars" not in started(story).terms
    story.set("judge.success_stars", 4)
    answer_and_grade(story, canary=1, stable=5, most=40)
    assert judged(story) == []
    assert state_of(story).undecided


def test_a_rollout_that_began_with_the_judge_keeps_its_bar_when_the_setting_is_changed(story: Story) -> None:
    story.set("judge.success_stars", 3)
    for _ in range(20):
        grade(story, story.run(succeeds=None), 5)
    offer(story)
    story.set("judge.success_stars", 0)
    grade(story, story.run(succeeds=None), 3)
    assert judged(story)[-1].succeeded
    assert len(judged(story)) == 21


@pytest.mark.parametrize("rule", ["threshold", "relative"])
def test_the_plain_rules_judge_by_the_setting_in_force(story: Story, rule: str) -> None:
    story.run()
    story.run()
    offer(story, rule)
    story.set("judge.success_stars", 4)
    grade(story, story.run(succeeds=None), 5)
    assert [event.source for event in judged(story)] == ["judge"]


def test_terms_of_earlier_rollouts_are_written_as_they_were() -> None:
    terms = CanaryTerms()
    assert "judge_stars" not in terms.to_json()
    assert CanaryTerms.from_json(terms.to_json()) == terms
    assert CanaryTerms.from_json({**terms.to_json(), "judge_stars": 4}).to_json()["judge_stars"] == 4


def test_a_run_that_its_environment_judges_cannot_be_graded(story: Story) -> None:
    with pytest.raises(NotPossible, match="its end says whether it succeeded"):
        grade(story, story.run(), 5)


def test_a_person_cannot_rate_as_the_judge(story: Story) -> None:
    run = story.run(succeeds=None)
    with pytest.raises(NotPossible, match="human or reviewer"):
        story.ledger.write(TaskRun, run, lambda it: it.rate(5, "judge", [], None, story.ledger.context("ada")))
