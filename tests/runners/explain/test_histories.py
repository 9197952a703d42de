"""Histories that are kept for pages: equal to one that is folded at once, and without names that were erased."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokputer.projections.explain.history import History
from grokputer.runners.archive.erasure import Target
from grokputer.runners.explain import histories
from grokputer.runners.explain.explanation import explain, read_history
from grokputer.runners.explain.histories import following
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.erasures import forget
from grokputer.runners.use_cases.rollouts import promote
from story import Story


def facts(history: History) -> tuple[object, ...]:
    return history.ratings_given, history.means, history.marks, history.looks, history.verdicts, history.family


def test_a_history_that_is_followed_on_equals_one_that_is_folded_at_once(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    for number in range(3):
        story.rate(story.run(session=f"s{number}"), 4)
        explained = explain(story.ledger, load_state(story.ledger), "lora-v1")
        with following(story.ledger, explained.role, explained.rollout) as history:
            assert facts(history) == facts(read_history(story.ledger, explained))


def test_the_looks_at_a_canary_are_the_same_from_its_start_on(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    rollout = story.prove(story.train(story.ask())).hex
    for number in range(12):
        story.run(succeeds=number % 3 != 0, session=f"s{number}")
    first = load_state(story.ledger).rollouts.of(rollout).position
    with (
        following(story.ledger, "action", rollout) as whole,
        following(story.ledger, "action", rollout, first=first) as late,
    ):
        assert (late.looks, late.looks_recorded, late.verdicts) == (whole.looks, whole.looks_recorded, whole.verdicts)
        assert len(late.looks) > 3 and not late.ratings_given


def test_of_many_looks_some_are_kept_with_the_first_and_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    rollout = story.prove(story.train(story.ask())).hex
    for number in range(20):
        story.run(succeeds=number % 3 != 0, session=f"s{number}")
    with following(story.ledger, "action", rollout) as history:
        all_looks = history.looks[:]
    monkeypatch.setattr(histories, "MOST_LOOKS", 4)
    with following(story.ledger, "action", rollout, first=2) as history:
        positions = [look.position for look in history.looks]
    assert 4 <= len(positions) <= 8 < len(all_looks)
    assert (positions[0], positions[-1]) == (all_looks[0].position, all_looks[-1].position)


def test_a_name_that_was_erased_is_in_no_history_that_was_kept(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    story.prove(story.train(story.ask()))
    promote(story.ledger, "lora-v2", reason="mallory agreed", actor="mallory")
    with following(story.ledger, "action") as history:
        assert any("by mallory" in mark.text for mark in history.marks)
    forget(story.ledger, Target(person="mallory"), reason="left", actor="eve")
    with following(story.ledger, "action") as history:
        assert not any("mallory" in mark.text for mark in history.marks)


def test_another_log_in_the_same_place_begins_again(tmp_path: Path) -> None:
    for ratings in (3, 1):
        story = Story(tmp_path / "events.db")
        for _ in range(ratings):
            story.rate(story.run(), 4)
        with following(story.ledger, "action") as history:
            assert len(history.ratings_given) == ratings
        story.ledger.close()
        for file in tmp_path.glob("events.db*"):
            file.unlink()
