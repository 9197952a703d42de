"""The corrective dataset: what becomes a training target, and what never does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from past import Past

from grokputer.adapters.dataset import Dataset


@pytest.fixture
def story() -> Past:
    return Past()


def completions(dataset: Dataset) -> list[str]:
    return sorted(example.completion for example in dataset.examples)


def test_a_low_star_alone_is_never_a_target(story: Past) -> None:
    story.run(fails=True, stars=1)
    assert completions(story.dataset()) == []


def test_a_correction_teaches_each_of_its_steps_and_names_its_run(story: Past) -> None:
    run = story.run(fails=True, stars=1, corrected=["TYPE a", "CLICK ok"])
    dataset = story.dataset()
    assert completions(dataset) == ["CLICK ok", "TYPE a"]
    assert {(e.run_id, e.step) for e in dataset.examples} == {(run.hex, 0), (run.hex, 1)}
    assert (dataset.runs, dataset.lessons, dict(dataset.by_source)) == (1, 2, {"correction": 2})


def test_a_correction_of_an_unrated_run_counts_and_of_a_well_rated_one_does_not(story: Past) -> None:
    story.run(fails=True, corrected=["CLICK unrated"])
    story.run(stars=5, corrected=["CLICK well rated"])
    assert completions(story.dataset()) == ["CLICK unrated"]


def test_a_verified_retry_is_a_source_of_its_own(story: Past) -> None:
    story.run(fails=True, stars=2, corrected=["CLICK again"], source="retry")
    assert dict(story.dataset().by_source) == {"retry": 1}


def test_good_runs_are_replayed_for_their_share_of_the_whole(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(20)])
    for _ in range(30):
        story.run(stars=5)
    dataset = story.dataset(replay_share=1 / 3)
    assert dict(dataset.by_source) == {"correction": 20, "replay": 10}
    assert dataset.lessons == 20


def test_replay_is_drawn_from_every_task_alike(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(12)])
    for _ in range(50):
        story.run("click-link", stars=5, steps=1)
    for _ in range(6):
        story.run("enter-text", stars=4, steps=1)
    replayed = [e for e in story.dataset(replay_share=0.5).examples if e.source == "replay"]
    tasks = [str(e.messages[0]["content"]).split()[0] for e in replayed]
    assert (tasks.count("click-link"), tasks.count("enter-text")) == (6, 6)


def test_neither_failures_nor_unrated_runs_nor_steps_that_went_wrong_are_replayed(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK right"] * 1)
    story.run(fails=True, stars=5)
    story.run(stars=3)
    story.run()
    story.run(stars=5, error="no element [9]")
    assert dict(story.dataset(replay_share=0.5).by_source) == {"correction": 1}


def test_another_roles_runs_teach_nothing(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK other"], role="ocr")
    assert completions(story.dataset()) == []


def test_a_persons_correction_outranks_a_demonstration_of_the_same_run(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK human"])
    [corrected] = [event for event in story.events if event.TOPIC == "TaskCorrected"]
    rows = [{"messages": [{"role": "user", "content": "page"}], "completion": "CLICK script"}]
    later: dict[str, Any] = vars(corrected) | {"source": "reviewer", "correction": story.put(json.dumps(rows))}
    story.events.append(type(corrected)(**later))
    assert completions(story.dataset()) == ["CLICK human"]


def test_erased_content_leaves_its_examples_out(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK gone"])
    story.run(fails=True, stars=1, corrected=["CLICK kept"])
    first = next(vars(event)["correction"] for event in story.events if event.TOPIC == "TaskCorrected")
    del story.content[first]
    assert completions(story.dataset()) == ["CLICK kept"]


def test_the_same_log_and_seed_give_the_same_bytes(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK a", "CLICK b", "CLICK c"])
    for _ in range(5):
        story.run(stars=5)
    one, two, other = story.dataset(0.5), story.dataset(0.5), story.dataset(0.5, seed=1)
    assert one.hash == two.hash != other.hash
    assert len(json.loads(one.manifest())) == len(one.examples)
