"""Judged answers: which steps of a run a low rating speaks of, and which it never does."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from past import Past

from grokputer.adapters.data.examples import Example
from grokputer.adapters.data.preferences import find_fault


@pytest.fixture
def story() -> Past:
    return Past()


def judged(story: Past, label: str = "bad", **more: float) -> list[Example]:
    examples = story.dataset(kto_weight=1.0, **more).examples  # type: ignore[arg-type]
    return sorted((it for it in examples if it.label == label), key=lambda it: (it.run_id, it.step))


def steps(*answers: str, pages: Iterable[str] = "abcdef") -> list[Example]:
    """An answer to each page in turn."""
    turns = enumerate(zip(pages, answers, strict=False))
    return [Example(({"role": "user", "content": page},), answer, "rated", step=n) for n, (page, answer) in turns]


def test_a_step_that_was_named_is_the_one_at_fault() -> None:
    assert [it.step for it in find_fault(steps("x", "y", "z"), [], 1)] == [1]


def test_without_a_name_it_is_the_first_step_that_parted_from_the_correction() -> None:
    assert [it.step for it in find_fault(steps("x", "y", "z"), steps("x", "other", "z  "), None)] == [1]


def test_where_nothing_tells_every_step_is_at_fault_but_those_that_the_correction_does_too() -> None:
    assert [it.step for it in find_fault(steps("x", "y", "z"), [], None)] == [0, 1, 2]
    elsewhere = steps("x", "right", pages=["a", "another page"])
    assert [it.step for it in find_fault(steps("x", "y", "z"), elsewhere, None)] == [1, 2]


def test_a_named_step_that_does_what_the_correction_does_is_not_at_fault() -> None:
    assert find_fault(steps("x", "y"), steps("x", "other"), 0) == []


def test_steps_of_badly_rated_runs_are_bad_and_as_many_of_well_rated_ones_are_good(story: Past) -> None:
    run = story.run(fails=True, stars=1)
    for _ in range(5):
        story.run(stars=5)
    assert [(it.run_id, it.step, it.source) for it in judged(story)] == [(run.hex, 0, "rated"), (run.hex, 1, "rated")]
    assert [it.source for it in judged(story, "good")] == ["rated", "rated"]
    dataset = story.dataset(kto_weight=1.0)
    assert dict(dataset.by_source) == {"rated": 4}
    assert dataset.lessons == 4


def test_a_rating_that_names_a_step_blames_it_alone(story: Past) -> None:
    story.run(fails=True, stars=1, steps=3, at_fault=2)
    assert [it.step for it in judged(story)] == [1]


def test_without_a_weight_for_it_nothing_is_judged(story: Past) -> None:
    story.run(fails=True, stars=1)
    story.run(stars=5)
    assert list(story.dataset().examples) == []


def test_what_was_right_elsewhere_is_not_bad(story: Past) -> None:
    story.run(fails=True, stars=1, steps=1, page="one page")
    story.run(stars=5, steps=1, page="one page")
    assert judged(story) == []


@pytest.mark.parametrize("reason", ["environment", "error"])
def test_a_run_that_was_lost_to_a_fault_judges_nothing(story: Past, reason: str) -> None:
    story.run(fails=True, stars=1, reason=reason)
    assert judged(story) == []


def test_what_could_not_be_carried_out_is_bad_and_never_good(story: Past) -> None:
    story.run(fails=True, stars=1, steps=1, error="no element [9]")
    story.run(stars=5, error="no element [9]")
    assert len(judged(story)) == 1
    assert judged(story, "good") == []


def test_held_out_instances_are_not_judged(story: Past) -> None:
    for number in range(60):
        story.run(fails=number % 2 == 0, stars=1 if number % 2 == 0 else 5)
    every = {it.instance for it in judged(story) + judged(story, "good")}
    kept = {it.instance for it in judged(story, held_out_share=0.3) + judged(story, "good", held_out_share=0.3)}
    assert kept < every
    held_out = {it.instance for it in story.dataset(kto_weight=1.0, held_out_share=0.3).held_out}
    assert held_out
    assert not held_out & kept
