"""Runs as they may have happened, told without a log: what a dataset is made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from given import NOON, OFFERED
from grokputer.adapters.data.dataset import Dataset, build_dataset
from grokputer.adapters.data.examples import Example, dataset_hash
from grokputer.domain.aggregates.base import Context, derive_id
from grokputer.domain.aggregates.example_set import ExampleSet
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.events import Event
from grokputer.domain.settings.recipe import Recipe
from grokputer.domain.settings.settings import Policy

CONTEXT = Context(NOON, "ada")


class Past:
    """The events of some runs of the role ``action``, and the content they left."""

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
        corrected_from: int | None = None,
        source: str = "human",
        steps: int = 2,
        role: str = "action",
        error: str = "",
        error_at: int | None = None,
        seed: int | None = None,
        environment: str = "miniwob",
        arm: str = "stable",
        reason: str = "wrong",
        page: str = "",
        is_verified: bool = True,
        at_fault: int | None = None,
        inputs: Sequence[str] = (),
    ) -> UUID:
        run = TaskRun(derive_id("run", len(self.events)))
        run.start(
            CONTEXT, role=role, arm=arm, adapter=None, rollout=None, environment=environment, task=task,
            capabilities=OFFERED[environment], seed=len(self.events) if seed is None else seed, base="embedded",
            session=None, policy={}, inputs=inputs,
        )  # fmt: skip
        for number in range(steps):
            prompt = self.put(json.dumps([{"role": "user", "content": page or f"{task} {run.id} step {number}"}]))
            answer = self.put(f"CLICK {number}")
            said = error if error_at in (None, number + 1) else ""
            run.take_step(
                CONTEXT, prompt=prompt, answer=answer, error=said, model_ms=1, environment_ms=1, prompt_tokens=1,
                completion_tokens=1,
            )  # fmt: skip
        if fails:
            run.fail(reason, "", 10, -1.0, Policy(), CONTEXT)
        else:
            run.succeed(10, 1.0, Policy(), CONTEXT)
        if stars is not None:
            run.rate(stars, "human", [], None, CONTEXT, step=at_fault)
        if corrected:
            pages = [
                [{"role": "user", "content": page or f"{task} {run.id} page {number}"}]
                for number in range(len(corrected))
            ]
            if corrected_from is not None:
                pages[0] = [{"role": "user", "content": f"{task} {run.id} step {corrected_from - 1}"}]
            rows = [{"messages": page, "completion": text} for page, text in zip(pages, corrected, strict=True)]
            run.correct(source, self.put(json.dumps(rows)), len(rows), is_verified, CONTEXT)
        self.events += run.collect_events()
        return run.id

    def add_set(self, examples: Sequence[Example], made_of: UUID | None = None) -> None:
        """Import the examples from outside, or record them as a teacher's of the run."""
        lines = "".join(json.dumps(it.to_json()) + "\n" for it in examples)
        fields: dict[str, Any] = {
            "role": "action", "examples": self.put(lines), "dataset": dataset_hash(examples), "count": len(examples),
        }  # fmt: skip
        set_ = ExampleSet(derive_id("set", len(self.events)))
        if made_of is None:
            set_.import_(CONTEXT, **fields, name="set.jsonl", form="alpaca", left_out=0, license="MIT", reasons={})
        else:
            set_.synthesize(CONTEXT, **fields, run=made_of.hex, teacher="big", is_verified=True)
        self.events += set_.collect_events()

    def request_training(self, **recipe: Any) -> None:
        """Ask for a training by this recipe; figures that are not given are missing, as in an earlier version's."""
        job = TrainingJob(derive_id("training", len(self.events)))
        job.request(
            CONTEXT, role="action", base="embedded", revision=None, parent=None, recipe=recipe, minimum_examples=1,
            below_stars=4, retries=0,
        )  # fmt: skip
        self.events += job.collect_events()

    def dataset(self, replay_share: float = 0.0, seed: int = 0, held_out_share: float = 0.0, **more: Any) -> Dataset:
        recipe = Recipe(replay_share=replay_share, seed=seed, held_out_share=held_out_share, **more)
        return build_dataset(self.events, self.content.get, "action", 4, recipe)
