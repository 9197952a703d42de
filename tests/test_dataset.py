"""The corrective dataset: what becomes a training target, and what never does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from given import NOON
from grokputer.adapters.dataset import Dataset, build_dataset
from grokputer.domain.aggregate import Context, derive_id
from grokputer.domain.events import Event
from grokputer.domain.run import TaskRun
from grokputer.domain.settings import Policy

CONTEXT = Context(NOON, "ada")


class Story:
    """Runs as they may have happened, and the content they left."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.content: dict[str, str] = {}

    def put(self, text: str) -> str:
        key = f"sha256:{len(self.content)}"
        self.content[key] = text
        return key

    def run(
        self,
        task: str = "enter-text",
        *,
        fails: bool = False,
        stars: int | None = None,
        corrected: Sequence[str] = (),
        source: str = "human",
        steps: int = 2,
        role: str = "action",
        error: str = "",
    ) -> UUID:
        run = TaskRun(derive_id("run", len(self.events)))
        run.start(
            CONTEXT, role=role, arm="stable", adapter=None, rollout=None, environment="miniwob", task=task, seed=1,
            base="embedded", session=None, policy={},
        )  # fmt: skip
        for number in range(steps):
            prompt = self.put(json.dumps([{"role": "user", "content": f"{task} {run.id} step {number}"}]))
            answer = self.put(f"CLICK {number}")
            run.take_step(
                CONTEXT, prompt=prompt, answer=answer, error=error, model_ms=1, environment_ms=1, prompt_tokens=1,
                completion_tokens=1,
            )  # fmt: skip
        if fails:
            run.fail("wrong", "", 10, -1.0, Policy(), CONTEXT)
        else:
            run.succeed(10, 1.0, Policy(), CONTEXT)
        if stars is not None:
            run.rate(stars, "human", [], None, CONTEXT)
        if corrected:
            pages = [
                [{"role": "user", "content": f"{task} {run.id} page {number}"}] for number in range(len(corrected))
            ]
            rows = [{"messages": page, "completion": text} for page, text in zip(pages, corrected, strict=True)]
            run.correct(source, self.put(json.dumps(rows)), len(rows), True, CONTEXT)
        self.events += run.collect_events()
        return run.id

    def dataset(self, replay_share: float = 0.0, seed: int = 0) -> Dataset:
        return build_dataset(self.events, self.content.get, "action", 4, replay_share, seed)


@pytest.fixture
def story() -> Story:
    return Story()


def completions(dataset: Dataset) -> list[str]:
    return sorted(example.completion for example in dataset.examples)


def test_a_low_star_alone_is_never_a_target(story: Story) -> None:
    story.run(fails=True, stars=1)
    assert completions(story.dataset()) == []


def test_a_correction_teaches_each_of_its_steps_and_names_its_run(story: Story) -> None:
    run = story.run(fails=True, stars=1, corrected=["TYPE a", "CLICK ok"])
    dataset = story.dataset()
    assert completions(dataset) == ["CLICK ok", "TYPE a"]
    assert {(e.run_id, e.step) for e in dataset.examples} == {(run.hex, 0), (run.hex, 1)}
    assert (dataset.runs, dataset.lessons, dict(dataset.by_source)) == (1, 2, {"correction": 2})


def test_a_correction_of_an_unrated_run_counts_and_of_a_well_rated_one_does_not(story: Story) -> None:
    story.run(fails=True, corrected=["CLICK unrated"])
    story.run(stars=5, corrected=["CLICK well rated"])
    assert completions(story.dataset()) == ["CLICK unrated"]


def test_a_verified_retry_is_a_source_of_its_own(story: Story) -> None:
    story.run(fails=True, stars=2, corrected=["CLICK again"], source="retry")
    assert dict(story.dataset().by_source) == {"retry": 1}


def test_good_runs_are_replayed_for_their_share_of_the_whole(story: Story) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(20)])
    for _ in range(30):
        story.run(stars=5)
    dataset = story.dataset(replay_share=1 / 3)
    assert dict(dataset.by_source) == {"correction": 20, "replay": 10}
    assert dataset.lessons == 20


def test_replay_is_drawn_from_every_task_alike(story: Story) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(12)])
    for _ in range(50):
        story.run("click-link", stars=5, steps=1)
    for _ in range(6):
        story.run("enter-text", stars=4, steps=1)
    replayed = [e for e in story.dataset(replay_share=0.5).examples if e.source == "replay"]
    tasks = [str(e.messages[0]["content"]).split()[0] for e in replayed]
    assert (tasks.count("click-link"), tasks.count("enter-text")) == (6, 6)


def test_neither_failures_nor_unrated_runs_nor_steps_that_went_wrong_are_replayed(story: Story) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK right"] * 1)
    story.run(fails=True, stars=5)
    story.run(stars=3)
    story.run()
    story.run(stars=5, error="no element [9]")
    assert dict(story.dataset(replay_share=0.5).by_source) == {"correction": 1}


def test_another_roles_runs_teach_nothing(story: Story) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK other"], role="ocr")
    assert completions(story.dataset()) == []


def test_a_persons_correction_outranks_a_demonstration_of_the_same_run(story: Story) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK human"])
    [corrected] = [event for event in story.events if event.TOPIC == "TaskCorrected"]
    rows = [{"messages": [{"role": "user", "content": "page"}], "completion": "CLICK script"}]
    later: dict[str, Any] = vars(corrected) | {"source": "reviewer", "correction": story.put(json.dumps(rows))}
    story.events.append(type(corrected)(**later))
    assert completions(story.dataset()) == ["CLICK human"]


def test_erased_content_leaves_its_examples_out(story: Story) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK gone"])
    story.run(fails=True, stars=1, corrected=["CLICK kept"])
    first = next(vars(event)["correction"] for event in story.events if event.TOPIC == "TaskCorrected")
    del story.content[first]
    assert completions(story.dataset()) == ["CLICK kept"]


def test_the_same_log_and_seed_give_the_same_bytes(story: Story) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK a", "CLICK b", "CLICK c"])
    for _ in range(5):
        story.run(stars=5)
    one, two, other = story.dataset(0.5), story.dataset(0.5), story.dataset(0.5, seed=1)
    assert one.hash == two.hash != other.hash
    assert len(json.loads(one.manifest())) == len(one.examples)
