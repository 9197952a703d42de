"""The dataset of a training: which recorded runs and imported sets become its examples, and in what mixture.

Targets are corrections (a person's, a demonstration's, a verified retry's, a teacher's), sets from outside, and good runs
again as replay against forgetting; of own successes those that are no detours. Nothing else is a target: a low star says what
was wrong, not what would have been right. Runs of held-out instances teach nothing; they are what the adapter is judged by.
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
from .held_out import HeldOut, find_held_out, in_turn, is_held_out, judge_outcome
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
"""The facts a dataset is made from."""

GOOD_STARS = 4
"""Stars from which a successful run is worth repeating; chosen: the mirror of the threshold for learning from a run."""


@dataclass(frozen=True)
class Dataset:
    """Examples in training order, and how they came to be."""

    examples: Sequence[Example]
    held_out: Sequence[HeldOut] = ()
    """Runs of instances that are never trained on, newest first and evenly over tasks."""
    imports: Sequence[ExamplesImported] = ()
    """The sets from outside that its ``public`` examples were drawn from."""

    @cached_property
    def by_source(self) -> Mapping[str, int]:
        """How many examples each source gave."""
        return dict(Counter(example.source for example in self.examples))

    @cached_property
    def by_task(self) -> Mapping[str, int]:
        """How many examples each task gave, as ``miniwob/click-color``; ``chat`` and ``public`` are one each."""
        return dict(Counter(example.instance.split("#")[0] for example in self.examples))

    @cached_property
    def by_label(self) -> Mapping[str, int]:
        """How many targets there are, and how many answers that were judged good and bad."""
        return dict(Counter(example.label for example in self.examples))

    @property
    def runs(self) -> int:
        """Runs that at least one example comes from."""
        return len({example.run_id for example in self.examples if example.run_id})

    @property
    def lessons(self) -> int:
        """Examples there is something to learn from: all but replay and public ones."""
        return sum(self.by_source.get(source, 0) for source in LESSONS)

    @cached_property
    def hash(self) -> str:
        """``sha256:<hex>`` of the dataset file."""
        return dataset_hash(self.examples)

    def manifest(self) -> str:
        """JSON: the dataset's hash, its counts, where each example comes from, in order, and what is held out.

        An example's hash is that of its line in the dataset file.
        """
        examples = [
            {
                "source": it.source,
                "run": it.run_id,
                "step": it.step,
                "instance": it.instance,
                "hash": dataset_hash([it]),
            }
            for it in self.examples
        ]
        held_out = [{"instance": it.instance, "run": it.run_id, "outcome": it.outcome} for it in self.held_out]
        imports = [
            {"name": it.name, "hash": it.dataset, "license": it.license, "examples": it.count} for it in self.imports
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
    """The dataset of a role from its events, the same for the same events, content and recipe.

    Replay is drawn evenly over tasks, so that a frequent one does not crowd out the rest; sets from outside are drawn at
    random. Answers that were only rated come in where the recipe learns from judged answers, as many good as bad.
    """
    events = list(events)
    every_run = collect_runs(events, role, content)
    kept_back = find_held_out(every_run, recipe.held_out_share)
    runs = [run for run in every_run if run.instance not in kept_back]
    held_out = _hold_out([run for run in every_run if run.instance in kept_back], content, below_stars, recipe)
    draw = random.Random(recipe.seed)
    selection, detours = Selection(), Detours([] if recipe.keep_inefficient else runs, content)
    lessons = selection.take(_lessons(runs, detours, content, below_stars, recipe), recipe.max_duplicates)
    lessons += _judged(runs, content, below_stars, recipe, selection, draw)
    good = [run for run in runs if is_good(run, GOOD_STARS) and not detours.took(run)]
    wanted = _fill(len(lessons), recipe.replay_share)
    replayed = _draw_evenly(
        good, lambda run: replayed_examples(run, content), wanted, selection, draw, recipe.max_duplicates
    )
    imports = [it for it in events if isinstance(it, ExamplesImported) and it.role == role]
    wanted = _fill(len(lessons) + len(replayed), recipe.public_share)
    public = _draw_public(imports, content, wanted, selection, held_out, draw, is_judged=recipe.kto_weight > 0)
    examples = selection.settle([*lessons, *replayed, *public])
    targets = [it for it in examples if it.label == "target"]
    examples += selection.take(rename(targets, recipe.renamings, recipe.seed))
    random.Random(recipe.seed).shuffle(examples)
    return Dataset(examples, held_out, imports if public else ())


def _lessons(
    runs: Sequence[PastRun], detours: Detours, content: Content, below_stars: int, recipe: Recipe
) -> list[Example]:
    found: list[Example] = []
    for run in runs:
        if run.stars is None or run.stars < below_stars:
            with learning_from(run):
                found += [] if detours.teaches(run) else corrected_examples(run, content, recipe)
                found += varied_examples(run, content)
    return found


def _judged(
    runs: Sequence[PastRun],
    content: Content,
    below_stars: int,
    recipe: Recipe,
    selection: Selection,
    draw: random.Random,
) -> list[Example]:
    """What was rated, as it was done: the steps at fault in what was bad, and as many steps of what was good."""
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
    """``wanted`` examples of the runs, none more than ``copies`` times, drawn in turn from each task."""
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
    """``wanted`` examples from outside, without any that asks what a held-out question asks.

    Answers that are judged good or bad are drawn only where ``is_judged``: where the recipe learns from them.
    """
    if not wanted or not imports:
        return []
    asked = {name_prompt(example) for it in held_out for example in it.examples}
    learnt = (it for it in imported_examples(imports, content) if is_judged or it.label == "target")
    pool = selection.take(it for it in learnt if name_prompt(it) not in asked)
    return draw.sample(pool, min(wanted, len(pool)))


def _fill(others: int, share: float) -> int:
    """How many make up the share of the whole, beside so many others."""
    return round(others * share / (1 - share))


def _hold_out(runs: Sequence[PastRun], content: Content, below_stars: int, recipe: Recipe) -> list[HeldOut]:
    found = []
    for run in runs:
        outcome = judge_outcome(run, below_stars, GOOD_STARS)
        if outcome is None:
            continue
        is_failed = outcome == "failed"
        with learning_from(run):
            answers = corrected_examples(run, content, recipe) if is_failed else own_examples(run, content, "replay")
        it = run.started
        about = (run.id, it.environment, it.task, it.seed, outcome, tuple(answers), run.instance, it.role)
        kept = HeldOut(*about, is_repeatable=it.is_repeatable)
        found.append((run.family, kept))
    return in_turn(found)
