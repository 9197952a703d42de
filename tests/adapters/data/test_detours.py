"""Detours: own successes that took longer than it was shown to take, and what is taught in their place."""

from __future__ import annotations

import pytest
from past import Past

from grokputer.adapters.data.dataset import Dataset

SHOWN = ["TYPE a", "CLICK ok"]


@pytest.fixture
def story() -> Past:
    return Past()


def taught(dataset: Dataset, source: str) -> int:
    """Runs that the source's examples come from."""
    return len({it.run_id for it in dataset.examples if it.source == source})


def test_an_own_success_in_another_try_is_learnt_from_unless_it_took_longer_than_was_shown(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=SHOWN, corrected_from=1)
    story.run(fails=True, stars=1, corrected=["CLICK lucky", "CLICK ok"], corrected_from=1, source="retry")
    story.run(
        fails=True, stars=1, corrected=["CLICK here", "CLICK there", "CLICK ok"], corrected_from=1, source="retry"
    )
    dataset = story.dataset()
    assert dict(dataset.by_source) == {"correction": 2, "retry": 2}
    assert "CLICK here" not in {it.completion for it in dataset.examples}


def test_a_good_run_is_replayed_unless_it_took_longer_than_was_shown(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=SHOWN, corrected_from=1)
    story.run(stars=5, steps=2)
    story.run(stars=5, steps=3)
    assert taught(story.dataset(replay_share=0.9), "replay") == 1


def test_a_correction_that_goes_on_from_a_step_showed_a_way_that_has_the_steps_before_it(story: Past) -> None:
    story.run(fails=True, stars=1, steps=4, corrected=SHOWN, corrected_from=3)
    story.run(stars=5, steps=4)
    story.run(stars=5, steps=5)
    assert taught(story.dataset(replay_share=0.9), "replay") == 1


@pytest.mark.parametrize("source", ["retry", "teacher"])
def test_where_no_person_and_no_reviewer_has_shown_a_task_nothing_is_a_detour(story: Past, source: str) -> None:
    story.run(fails=True, stars=1, corrected=SHOWN, corrected_from=1, source=source)
    story.run("click-link", fails=True, stars=1, corrected=["CLICK a"], corrected_from=1, source="reviewer")
    story.run(stars=5, steps=9)
    assert taught(story.dataset(replay_share=0.9), "replay") == 1


def test_a_demonstration_of_unknown_length_sets_no_bound(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=SHOWN)  # begins on a page that the run never saw
    story.run(stars=5, steps=9)
    assert taught(story.dataset(replay_share=0.9), "replay") == 1


def test_learning_from_detours_can_be_switched_on(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=SHOWN, corrected_from=1)
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(9)], corrected_from=1, source="retry")
    assert dict(story.dataset(keep_inefficient=True).by_source) == {"correction": 2, "retry": 9}
