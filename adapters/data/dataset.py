"""The dataset of a training: the examples from recorded runs and imported sets, and their mixture.

Targets are corrections (of a person, a demonstration, a verified retry, a teacher), imported examples, and good runs,
which are replayed against forgetting. Inefficient successes are left out. A low rating gives no target: it says that an
answer was wrong, not which one is right. Runs of held-out instances are never trained on: the adapter is judged by
them.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...domain.events import Event, ExamplesImported
from ...domain.settings.recipe import Recipe
from . import training_runs as past_runs
from .augmentation import rename
from .examples import Example, dataset_hash
from .held_out import HeldOut, Outcome, find_held_out, in_turn, is_held_out, judge_outcome
from .inefficient_successes import Detours
from .preferences import bad_examples
from .selection import Selection, name_prompt
from .sources import (
    LESSONS,
    corrected_examples,
    imported_examples,
    is_good,
    own_examples,
    replayed_examples,
    varied_examples,
)
from .training_runs import Content, PastRun, collect_runs, learning_from

__all__ = ["GOOD_STARS", "TOPICS", "Dataset", "HeldOut", "build_dataset", "is_held_out"]

TOPICS = (*past_runs.TOPICS, ExamplesImported.TOPIC)
"""The events that a dataset is built from."""

GOOD_STARS = 4
"""A successful run with at least this many stars is replayed; chosen: the same as the threshold for learning from a run."""


@dataclass(frozen=True)
class Dataset:
    """Examples in training order, with their origin."""

    examples: Sequence[Example]
    held_out: Sequence[HeldOut] = ()
    """Runs of held-out instances, newest first and evenly over tasks."""
    imports: Sequence[ExamplesImported] = ()
    """The imported sets that its ``public`` examples come from."""

    @cached_property
    def by_source(self) -> Mapping[str, int]:
        """Number of examples by source."""
        return dict(Counter(example.source for example in self.examples))

    @cached_property
    def by_task(self) -> Mapping[str, int]:
        """Number of examples by task, such as ``miniwob/click-color``; ``chat`` and ``public`` are one each."""
        return dict(Counter(example.instance.split("#")[0] for example in self.examples))

    @cached_property
    def by_label(self) -> Mapping[str, int]:
        """Number of targets, and of answers that were rated good and bad."""
        return dict(Counter(example.label for example in self.examples))

    @property
    def runs(self) -> int:
        """Number of runs with at least one example."""
        return len({example.run_id for example in self.examples if example.run_id})

    @property
    def lessons(self) -> int:
        """Number of examples with something new to learn: all but replayed and public ones."""
        return sum(self.by_source.get(source, 0) for source in LESSONS)

    def missing_for_gate(self, minimum: int) -> int:
        """Held-out failures that a gate lacks to judge by; 0 where it can make new pages of their tasks."""
        failed = [held for held in self.held_out if held.outcome == "failed" and (held.is_repeatable or held.examples)]
        return 0 if any(held.is_repeatable for held in failed) else max(0, minimum - len(failed))

    @cached_property
    def hash(self) -> str:
        """``sha256:<hex>`` of the dataset file."""
        return dataset_hash(self.examples)

    def manifest(self) -> str:
        """JSON: the dataset's hash, its counts, the origin of each example, in order, and the held-out instances.

        An example's hash is that of its line in the dataset file.
        """
        examples = [
            {
                "source": example.source,
                "run": example.run_id,
                "step": example.step,
                "instance": example.instance,
                "hash": dataset_hash([example]),
            }
            for example in self.examples
        ]
        held_out = [
            {"instance": instance.instance, "run": instance.run_id, "outcome": instance.outcome}
            for instance in self.held_out
        ]
        imports = [
            {"name": imported.name, "hash": imported.dataset, "license": imported.license, "examples": imported.count}
            for imported in self.imports
        ]
        document = {
            "dataset": self.hash,
            "by_source": self.by_source,
            "examples": examples,
            "held_out": held_out,
            "imports": imports,
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def build_dataset(events: Iterable[Event], content: Content, role: str, below_stars: int, recipe: Recipe) -> Dataset:
    """The dataset of a role; a function of events, content and recipe alone.

    Replay is drawn evenly over tasks, so that a frequent task does not displace the others; imported examples are drawn
    at random. Where the recipe learns from rated answers (KTO), as many good ones as bad ones are added.
    """
    events = list(events)
    every_run = collect_runs(events, role, content)
    held_out_instances = find_held_out(every_run, events, recipe)
    runs = [run for run in every_run if run.instance not in held_out_instances]
    held_out = _hold_out([run for run in every_run if run.instance in held_out_instances], content, below_stars, recipe)
    draw = random.Random(recipe.seed)
    selection, detours = Selection(), Detours([] if recipe.keep_inefficient else runs, content)
    lessons = selection.take(_lessons(runs, detours, content, below_stars, recipe), recipe.max_duplicates)
    lessons += _judged(runs, content, below_stars, recipe, selection, draw)
    good = [run for run in runs if is_good(run, GOOD_STARS) and not detours.took(run)]
    wanted = _fill(len(lessons), recipe.replay_share)
    replayed = _draw_evenly(
        good, lambda run: replayed_examples(run, content), wanted, selection, draw, recipe.max_duplicates
    )
    imports = [event for event in events if isinstance(event, ExamplesImported) and event.role == role]
    wanted = _fill(len(lessons) + len(replayed), recipe.public_share)
    public = _draw_public(imports, content, wanted, selection, held_out, draw, is_judged=recipe.kto_weight > 0)
    examples = selection.settle([*lessons, *replayed, *public])
    targets = [example for example in examples if example.label == "target"]
    examples += selection.take(rename(targets, recipe.renamings, recipe.seed))
    random.Random(recipe.seed).shuffle(examples)
    return Dataset(examples, held_out, imports if public else ())


def _lessons(
    runs: Sequence[PastRun], detours: Detours, content: Content, below_stars: int, recipe: Recipe
) -> list[Example]:
    examples: list[Example] = []
    for run in runs:
        if run.stars is None or run.stars < below_stars or _teaches_reading(run):
            with learning_from(run):
                examples += [] if detours.teaches(run) else corrected_examples(run, content, recipe)
                examples += varied_examples(run, content)
    return examples


def _teaches_reading(run: PastRun) -> bool:
    """Whether the run's correction is of its readings. It is right whatever the stars of the run, which may have succeeded."""
    return run.is_of_readings and run.correction is not None


def _judged(
    runs: Sequence[PastRun],
    content: Content,
    below_stars: int,
    recipe: Recipe,
    selection: Selection,
    draw: random.Random,
) -> list[Example]:
    """Rated answers as they were given: the steps at fault of bad runs, and as many steps of good runs."""
    if not recipe.kto_weight:
        return []
    bad = selection.take(bad_examples(runs, content, below_stars, recipe), recipe.max_duplicates)
    good = [run for run in runs if is_good(run, GOOD_STARS)]
    return [
        *bad,
        *_draw_evenly(
            good,
            lambda run: own_examples(run, content, "rated", "good"),
            len(bad),
            selection,
            draw,
            recipe.max_duplicates,
        ),
    ]


def _draw_evenly(
    runs: Sequence[PastRun],
    examples_of: Callable[[PastRun], list[Example]],
    wanted: int,
    selection: Selection,
    draw: random.Random,
    copies: int,
) -> list[Example]:
    """``wanted`` examples of the runs, each at most ``copies`` times, drawn from the tasks in turn."""
    queues: dict[str, list[PastRun]] = {}
    for run in runs:
        queues.setdefault(run.family, []).append(run)
    for queue in queues.values():
        draw.shuffle(queue)
    found: list[Example] = []
    while len(found) < wanted and any(queues.values()):
        for family in sorted(queues):
            if queues[family]:
                run = queues[family].pop()
                with learning_from(run):
                    found += selection.take(examples_of(run), copies)
    return found[:wanted]


def _draw_public(
    imports: Sequence[ExamplesImported],
    content: Content,
    wanted: int,
    selection: Selection,
    held_out: Sequence[HeldOut],
    draw: random.Random,
    *,
    is_judged: bool,
) -> list[Example]:
    """``wanted`` imported examples, without those whose prompt is held out.

    Rated answers are drawn only where ``is_judged``: where the recipe learns from them.
    """
    if not wanted or not imports:
        return []
    held_out_prompts = {name_prompt(example) for held in held_out for example in held.examples}
    learnt = (example for example in imported_examples(imports, content) if is_judged or example.label == "target")
    pool = selection.take(example for example in learnt if name_prompt(example) not in held_out_prompts)
    return draw.sample(pool, min(wanted, len(pool)))


def _fill(others: int, share: float) -> int:
    """How many examples make up this share of the whole, beside ``others`` other ones."""
    return round(others * share / (1 - share))


def _hold_out_readings(run: PastRun, content: Content, recipe: Recipe) -> list[tuple[str, HeldOut]]:
    """The run's screens with their right lines, to be read again without an episode: failed where one was not read right."""
    if run.started.arm == "pinned":
        return []
    with learning_from(run):
        answers = corrected_examples(run, content, recipe)
    if not answers:
        return []
    outcome: Outcome = "failed" if any(answer.rejected for answer in answers) else "worked"
    started = run.started
    fields = (run.id, started.environment, started.task, started.seed, outcome, tuple(answers), run.instance)
    return [(run.family, HeldOut(*fields, started.role))]


def _hold_out(runs: Sequence[PastRun], content: Content, below_stars: int, recipe: Recipe) -> list[HeldOut]:
    held_out = []
    for run in runs:
        if run.is_of_readings:
            held_out += _hold_out_readings(run, content, recipe)
            continue
        outcome = judge_outcome(run, below_stars, GOOD_STARS)
        if outcome is None:
            continue
        is_failed = outcome == "failed"
        with learning_from(run):
            answers = corrected_examples(run, content, recipe) if is_failed else own_examples(run, content, "replay")
        started = run.started
        fields = (run.id, started.environment, started.task, started.seed, outcome, tuple(answers), run.instance)
        planned, inputs = run.is_planned, started.inputs
        held = HeldOut(*fields, started.role, is_repeatable=started.is_repeatable, inputs=inputs, is_planned=planned)
        held_out.append((run.family, held))
    return in_turn(held_out)
