"""Advice on trainings: what was learnt already, what is at hand, what it costs, and which role comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from failing import LOGIN, PRESS, correct, play

from grokputer.adapters.data.dataset import Dataset, build_dataset
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.events import Event
from grokputer.runners.explain.run_filter import RunFilter
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.reading import advice as reading_advice
from grokputer.runners.use_cases.reading.advice import RoleAdvice
from grokputer.runners.use_cases.reading.failures import view_failures
from story import Story, change

OTHER = ("canvas[1]", "p:Draw a circle around the cross[2]")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def advice(ledger: Ledger, role: str = "action") -> RoleAdvice:
    [found] = [each for each in view_failures(ledger).advice if each.role == role]
    return found


def fail(
    story: Story, count: int, corrected: int = 0, page: tuple[str, ...] = LOGIN, role: str = "action"
) -> list[UUID]:
    """Failures of one form, of which the first ones are corrected."""
    answer = PRESS if page == LOGIN else "CLICKcanvas[1]"
    runs = [
        play(story.ledger, page, [answer], stars=2, role=role, task="login-user" if page == LOGIN else "draw")
        for _ in range(count)
    ]
    for run in runs[:corrected]:
        correct(story.ledger, run)
    story.runs += runs
    return runs


def test_the_gain_is_the_share_of_runs_that_failed_like_corrected_ones(story: Story) -> None:
    fail(story, 7, corrected=5)
    fail(story, 2, page=OTHER)
    for _ in range(5):
        play(story.ledger, ends="succeeded")
    found = advice(story.ledger)
    assert (found.known, found.failures, found.corrected, found.reach, found.gain) == (14, 9, 5, 7, 0.5)
    assert (found.examples, found.needed, found.obstacle) == (5, 5, "")
    assert found.sentence == (
        "train it: 50 % of its runs failed as 5 corrected runs did; its cost is unknown before a first training; "
        "the gate lacks 10 held-out failures"
    )


def test_with_too_few_examples_the_largest_group_without_a_correction_comes_next(story: Story) -> None:
    fail(story, 3, corrected=1)
    [first, *_] = fail(story, 4, page=OTHER)
    found = advice(story.ledger)
    assert found.obstacle == "1 usable example, 5 are needed"
    assert found.sentence == (
        "43 % of its runs failed as 1 corrected run did, but 1 usable example, 5 are needed; "
        f"correct failures like run {first.hex[:8]} first, 4 of one kind"
    )


def test_failures_without_a_correction_have_nothing_to_learn_from_yet(story: Story) -> None:
    [first, *_] = fail(story, 3)
    found = advice(story.ledger)
    assert (found.gain, found.low_ratings, found.examples) == (0.0, 3, None)
    assert found.sentence == (
        "nothing to learn yet: 3 failures in 3 runs, none like a new correction; "
        f"correct failures like run {first.hex[:8]} first, 3 of one kind"
    )


def test_what_the_last_training_learnt_is_no_gain_of_another_one(story: Story) -> None:
    fail(story, 6, corrected=6)
    story.train(story.ask())
    found = advice(story.ledger)
    assert (found.known, found.low_ratings, found.corrected, found.reach) == (0, 0, 0, 0)
    [again] = fail(story, 1)
    found = advice(story.ledger)
    assert (found.known, found.failures, found.corrected, found.gain) == (1, 1, 0, 0.0)
    correct(story.ledger, again)
    assert advice(story.ledger).gain == 1.0


def test_new_corrections_of_runs_from_before_the_last_training_are_named(story: Story) -> None:
    runs = fail(story, 8, corrected=6)
    story.train(story.ask())
    correct(story.ledger, runs[-1])
    found = advice(story.ledger)
    assert (found.corrected, found.gain) == (1, None)
    assert (
        found.sentence == "nothing to gain: no known runs since its last training; new corrections are of 1 other run"
    )


def test_a_declined_training_has_learnt_nothing(story: Story) -> None:
    fail(story, 2, corrected=1)
    training, context = story.ask(), story.ledger.context("grokputer")
    up_to = story.ledger.position
    story.ledger.write(TrainingJob, training, lambda job: job.decline("too little", 1, 5, up_to, context))
    process_new_events(story.ledger)
    assert advice(story.ledger).corrected == 1


def test_the_cost_is_estimated_from_the_last_training_of_the_recipe(story: Story) -> None:
    fail(story, 6, corrected=6)
    story.assess(story.prove(story.train(story.ask())), "promote")
    fail(story, 6, corrected=6)
    found = advice(story.ledger)
    assert found.duration_s is not None and found.duration_s > 0
    assert found.price is not None and found.price.endswith(" EUR")
    assert found.sentence.startswith("train it: 100 % of its runs failed as 6 corrected runs did; about ")


def test_an_open_cycle_is_an_obstacle(story: Story) -> None:
    fail(story, 6, corrected=6)
    story.ask()
    assert advice(story.ledger).obstacle == "a cycle of it is under way"


def test_a_model_on_an_endpoint_is_an_obstacle(story: Story) -> None:
    change(story.ledger, "model.backend", "openai")
    fail(story, 6, corrected=6)
    assert advice(story.ledger).obstacle == "the model runs on an endpoint and cannot be trained here"


def test_a_model_of_the_role_s_own_on_an_endpoint_is_an_obstacle(story: Story) -> None:
    change(story.ledger, "action.model.endpoint", "http://there/v1")
    fail(story, 6, corrected=6)
    assert (advice(story.ledger).obstacle or "").startswith(
        "the model of role action runs at http://there/v1, not here"
    )


def test_a_correction_that_was_withdrawn_is_not_at_hand(story: Story) -> None:
    [run, *_] = fail(story, 6, corrected=6)
    context = story.ledger.context("ada")
    story.ledger.write(TaskRun, run, lambda played: played.withdraw_correction("", context))
    assert advice(story.ledger).corrected == 5


def test_failures_of_an_unknown_role_are_named_and_count_for_none(story: Story) -> None:
    play(story.ledger, answers=[PRESS, PRESS], roles=["action", "recovery"], ends="succeeded", stars=1)
    found = advice(story.ledger)
    assert (found.failures, found.unattributed) == (0, 1)
    assert found.sentence.endswith("1 failure without a role at fault")


def test_the_role_that_gains_most_comes_first_and_one_that_cannot_train_after_it(story: Story) -> None:
    fail(story, 6, corrected=5)
    for _ in range(6):
        play(story.ledger, ends="succeeded")
    fail(story, 6, corrected=5, role="ocr")
    fail(story, 6, corrected=4, role="decomposition")
    assert [each.role for each in view_failures(story.ledger).advice] == ["ocr", "action", "decomposition", "recovery"]


def test_a_dataset_is_built_once_at_a_moment_whatever_runs_are_chosen(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(story, 6, corrected=5)
    built: list[str] = []

    def count_and_build(
        events: Sequence[Event], content: Callable[[str], str | None], role: str, *more: Any
    ) -> Dataset:
        built.append(role)
        return build_dataset(events, content, role, *more)

    monkeypatch.setattr(reading_advice, "build_dataset", count_and_build)
    whole = advice(story.ledger)
    view_failures(story.ledger, RunFilter(adapter="base"), last=3)
    assert built.count("action") == 1 and whole.corrected == 5
    fail(story, 1, corrected=1)
    assert advice(story.ledger).corrected == 6 and built.count("action") == 2
