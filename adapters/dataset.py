"""The corrective dataset: which recorded runs become training examples.

Targets are corrections (a person's, a demonstration's, a verified retry's) of runs not rated well, and good runs again
as replay against forgetting. Nothing else is a target: a low star says what was wrong, not what would have been right.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..domain.events import Event, StepTaken, TaskCorrected, TaskRated, TaskStarted, TaskSucceeded
from .examples import Example, dataset_hash, deduplicate

TOPICS = tuple(cls.TOPIC for cls in (TaskStarted, StepTaken, TaskSucceeded, TaskRated, TaskCorrected))
"""The facts a dataset is made from."""

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

    @property
    def hash(self) -> str:
        """``sha256:<hex>`` of the dataset file."""
        return dataset_hash(self.examples)

    def manifest(self) -> str:
        """JSON: for each example its source, its run and its step."""
        rows = [{"source": e.source, "run": e.run_id, "step": e.step} for e in self.examples]
        return json.dumps(rows, separators=(",", ":"))


@dataclass
class _Run:
    id: str
    environment: str
    task: str
    role: str
    steps: list[StepTaken]
    succeeded: bool = False
    stars: int | None = None
    correction: TaskCorrected | None = None


def build_dataset(
    events: Iterable[Event],
    content: Callable[[str], str | None],
    role: str,
    below_stars: int,
    replay_share: float,
    seed: int,
) -> Dataset:
    """The dataset of a role from its events, the same for the same events and seed.

    ``replay_share`` is the replay's share of the whole, in [0, 1). Replay is drawn evenly over tasks, so that a frequent
    one does not crowd out the rest. Runs whose content was erased are left out.
    """
    runs = _collect(events, role)
    lessons: list[Example] = []
    for run in runs:
        if run.correction is not None and (run.stars is None or run.stars < below_stars):
            lessons += _correction_examples(run, content)
    lessons = deduplicate(lessons)
    wanted = round(len(lessons) * replay_share / (1 - replay_share))
    known = {(json.dumps(e.messages), e.completion) for e in lessons}
    replayed = [e for e in _replay(runs, content, wanted, seed) if (json.dumps(e.messages), e.completion) not in known]
    examples = [*lessons, *replayed]
    random.Random(seed).shuffle(examples)
    by_source: dict[str, int] = {}
    for example in examples:
        by_source[example.source] = by_source.get(example.source, 0) + 1
    return Dataset(examples, by_source, len({e.run_id for e in examples}), len(lessons))


def _collect(events: Iterable[Event], role: str) -> list[_Run]:
    runs: dict[str, _Run] = {}
    for event in events:
        key = event.originator_id.hex
        if isinstance(event, TaskStarted) and event.role == role:
            runs[key] = _Run(key, event.environment, event.task, event.role, [])
        run = runs.get(key)
        if run is None:
            continue
        match event:
            case StepTaken():
                run.steps.append(event)
            case TaskSucceeded():
                run.succeeded = True
            case TaskRated():
                run.stars = event.stars
            case TaskCorrected():
                run.correction = _better(run.correction, event)
    return list(runs.values())


def _better(known: TaskCorrected | None, new: TaskCorrected) -> TaskCorrected:
    """A person's word outranks a demonstration's or a retry's; among equals the latest counts."""
    return known if known is not None and known.source == "human" and new.source != "human" else new


def _correction_examples(run: _Run, content: Callable[[str], str | None]) -> list[Example]:
    assert run.correction is not None
    kept = content(run.correction.correction)
    if kept is None:
        return []
    source = "retry" if run.correction.source == "retry" else "correction"
    return [
        Example(tuple(step["messages"]), step["completion"], source, run.role, run.id, number)
        for number, step in enumerate(json.loads(kept))
    ]


def _replay(runs: Sequence[_Run], content: Callable[[str], str | None], wanted: int, seed: int) -> list[Example]:
    """``wanted`` steps of good runs, drawn in turn from each task."""
    good: dict[str, list[_Run]] = {}
    for run in runs:
        if run.succeeded and run.stars is not None and run.stars >= GOOD_STARS:
            good.setdefault(run.task if run.environment != "chat" else "chat", []).append(run)
    draw = random.Random(seed)
    for queue in good.values():
        draw.shuffle(queue)
    examples: list[Example] = []
    while len(examples) < wanted and any(good.values()):
        for task in sorted(good):
            if good[task]:
                examples += _step_examples(good[task].pop(), content)
    return deduplicate(examples)[:wanted]


def _step_examples(run: _Run, content: Callable[[str], str | None]) -> list[Example]:
    blank = Example((), "", "replay", run.role, run.id)
    examples = []
    for number, step in enumerate(run.steps):
        prompt, answer = content(step.prompt), content(step.answer)
        if prompt is not None and answer and not step.error:
            examples.append(replace(blank, messages=tuple(json.loads(prompt)), completion=answer, step=number))
    return examples
