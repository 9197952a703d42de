"""The corrective dataset: which recorded runs become training examples.

Targets are corrections (a person's, a demonstration's, a verified retry's) of runs not rated well, and good runs again
as replay against forgetting. Nothing else is a target: a low star says what was wrong, not what would have been right.
Runs of held-out instances teach nothing; they are what the adapter is judged by.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..domain.events import Event, TaskSucceeded
from .examples import Example, dataset_hash, deduplicate
from .held_out import HeldOut, find_held_out, in_turn, is_held_out, judge_outcome
from .past_runs import TOPICS, Content, PastRun, collect_runs
from .recipe import Recipe

__all__ = ["GOOD_STARS", "TOPICS", "Dataset", "HeldOut", "build_dataset", "is_held_out"]

GOOD_STARS = 4
"""Stars from which a successful run is worth repeating; chosen: the mirror of the threshold for learning from a run."""


@dataclass(frozen=True)
class Dataset:
    """Examples in training order, and how they came to be."""

    examples: Sequence[Example]
    by_source: Mapping[str, int]
    runs: int
    """Runs that at least one example comes from."""
    lessons: int
    """Examples that are not replay: what there is to learn."""
    held_out: Sequence[HeldOut] = ()
    """Runs of instances that are never trained on, newest first and evenly over tasks."""

    @property
    def hash(self) -> str:
        """``sha256:<hex>`` of the dataset file."""
        return dataset_hash(self.examples)

    def manifest(self) -> str:
        """JSON: for each example its source, its run and its step."""
        rows = [{"source": e.source, "run": e.run_id, "step": e.step} for e in self.examples]
        return json.dumps(rows, separators=(",", ":"))


def build_dataset(events: Iterable[Event], content: Content, role: str, below_stars: int, recipe: Recipe) -> Dataset:
    """The dataset of a role from its events, the same for the same events, content and recipe.

    ``recipe.replay_share`` is the replay's share of the whole. Replay is drawn evenly over tasks, so that a frequent
    one does not crowd out the rest. Runs whose content was erased are left out.
    """
    every_run = collect_runs(events, role, content)
    kept_back = find_held_out(every_run, recipe.held_out_share)
    runs = [run for run in every_run if run.instance not in kept_back]
    lessons: list[Example] = []
    for run in runs:
        if run.stars is None or run.stars < below_stars:
            lessons += _correction_examples(run, content)
    lessons = deduplicate(lessons)
    wanted = round(len(lessons) * recipe.replay_share / (1 - recipe.replay_share))
    known = {(json.dumps(e.messages), e.completion) for e in lessons}
    drawn = _replay(runs, content, wanted, recipe.seed)
    examples = [*lessons, *(e for e in drawn if (json.dumps(e.messages), e.completion) not in known)]
    random.Random(recipe.seed).shuffle(examples)
    by_source: dict[str, int] = {}
    for example in examples:
        by_source[example.source] = by_source.get(example.source, 0) + 1
    kept = [run for run in every_run if run.instance in kept_back]
    held_out = _hold_out(kept, content, below_stars)
    return Dataset(examples, by_source, len({e.run_id for e in examples}), len(lessons), held_out)


def _hold_out(runs: Sequence[PastRun], content: Content, below_stars: int) -> list[HeldOut]:
    found = []
    for run in runs:
        outcome = judge_outcome(run, below_stars, GOOD_STARS)
        if outcome is None:
            continue
        examples = _correction_examples(run, content) if outcome == "failed" else _step_examples(run, content)
        it = run.started
        kept = HeldOut(run.id, it.environment, it.task, it.seed, outcome, tuple(examples), run.instance)
        found.append((run.family, kept))
    return in_turn(found)


def _correction_examples(run: PastRun, content: Content) -> list[Example]:
    """The steps of the run's correction, none where there is none or it was erased."""
    kept = content(run.correction.correction) if run.correction is not None else None
    if run.correction is None or kept is None:
        return []
    source = "retry" if run.correction.source == "retry" else "correction"
    blank = _blank(run, source)
    return [
        replace(blank, messages=tuple(step["messages"]), completion=step["completion"], step=number)
        for number, step in enumerate(json.loads(kept))
    ]


def _replay(runs: Sequence[PastRun], content: Content, wanted: int, seed: int) -> list[Example]:
    """``wanted`` steps of good runs, drawn in turn from each task."""
    good: dict[str, list[PastRun]] = {}
    for run in runs:
        if isinstance(run.ended, TaskSucceeded) and run.stars is not None and run.stars >= GOOD_STARS:
            good.setdefault(run.family, []).append(run)
    draw = random.Random(seed)
    for queue in good.values():
        draw.shuffle(queue)
    examples: list[Example] = []
    while len(examples) < wanted and any(good.values()):
        for task in sorted(good):
            if good[task]:
                examples += _step_examples(good[task].pop(), content)
    return deduplicate(examples)[:wanted]


def _step_examples(run: PastRun, content: Content) -> list[Example]:
    """The run's own steps, without those that could not be carried out or were erased."""
    blank = _blank(run, "replay")
    examples = []
    for number, step in enumerate(run.steps):
        prompt, answer = content(step.prompt), content(step.answer)
        if prompt is not None and answer and not step.error:
            examples.append(replace(blank, messages=tuple(json.loads(prompt)), completion=answer, step=number))
    return examples


def _blank(run: PastRun, source: str) -> Example:
    return Example((), "", source, run.started.role, run.id, instance=run.instance)
