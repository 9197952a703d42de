"""What a training will take, told before it: steps, time and memory.

How fast a machine computes is in no formula, so a few steps of the very training are tried on it (``probe.py``), and here
they are scaled up. Pure arithmetic: nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from ...domain.settings.recipe import Recipe
from .batches import MULTIPLE
from .length_sampler import arrange

TYPICAL_STEPS = 4
"""Optimiser steps that a probe times; chosen: a few seconds on the embedded model."""
WARMING_STEPS = 2
"""Steps at most that meet each width of a batch for the first time; chosen."""


@dataclass(frozen=True)
class Estimate:
    """What a training is expected to take, and what that is known from (``basis``). None is what cannot be told.

    ``examples`` are trained on, ``left_out`` are too long or of turns that the model does not take. ``tokens`` are those of one
    epoch. ``duration_s`` and ``peak_memory_bytes`` mean what they mean in ``TrainingResult``.
    """

    examples: int
    left_out: int | None
    tokens: int | None
    steps: int
    duration_s: float | None
    peak_memory_bytes: int | None
    device: str | None
    basis: str

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """Which rows a probe trains on, and what the whole training is beside it.

    ``order`` has ``untimed`` steps, that warm up and then meet the longest rows, and the typical ones after them.
    ``step_tokens`` are theirs, padding included, and ``mean_tokens`` those of a step of the whole training.
    """

    order: tuple[int, ...]
    step_tokens: tuple[int, ...]
    untimed: int
    steps: int
    mean_tokens: float


@dataclass(frozen=True)
class Trial:
    """The seconds of a probe's steps as planned, fewer where time ran out, and of what it did beside them.

    ``fixed_s`` is for libraries, base model, dataset, reference and one saved checkpoint, which alone took ``save_s``.
    """

    step_s: tuple[float, ...]
    fixed_s: float
    save_s: float


def optimiser_steps(rows: int, recipe: Recipe) -> int:
    """Steps of the whole training: what the trainer makes of so many rows."""
    batches = math.ceil(rows / recipe.batch)
    return math.ceil(recipe.epochs * math.ceil(batches / recipe.accumulation))


def batch_tokens(lengths: Sequence[int], *, is_padded: bool) -> int:
    """Tokens computed for one forward pass: each row as wide as the longest needs, unless they lie end to end."""
    return len(lengths) * math.ceil(max(lengths) / MULTIPLE) * MULTIPLE if is_padded else sum(lengths)


def plan_probe(lengths: Sequence[int], recipe: Recipe, typical: int = TYPICAL_STEPS) -> Plan:
    """Plan a probe for rows of these lengths, which are trained on in the order of ``order.py``.

    Typical are forward passes at even distances among all those of one epoch, ordered by their tokens: their mean is the
    epoch's to within little, which a few random ones' is not.
    """
    rows = arrange(lengths, recipe.batch, recipe.seed, epoch=0)
    batches = [rows[start : start + recipe.batch] for start in range(0, len(rows), recipe.batch)]
    steps = optimiser_steps(len(rows), recipe)

    def tokens(batch: Sequence[int]) -> int:
        return batch_tokens([lengths[row] for row in batch], is_padded=not recipe.packing)

    mean_tokens = recipe.epochs * sum(map(tokens, batches)) / steps
    # Whole batches alone, so that the order falls into the very batches that were meant.
    whole = sorted((it for it in batches if len(it) == recipe.batch), key=tokens) or [_fill(rows, recipe.batch)]
    drawn = typical * recipe.accumulation
    spread = [whole[(2 * i + 1) * len(whole) // (2 * drawn)] for i in range(drawn)]
    timed = [spread[step::typical] for step in range(typical)]
    # Each width is slow the first time, in a short probe more often than in the whole training.
    of_each_width = list({tokens(batch): batch for batch in spread}.values())[: WARMING_STEPS * recipe.accumulation]
    warming = -(-len(of_each_width) // recipe.accumulation)
    first = [of_each_width[i % len(of_each_width)] for i in range(warming * recipe.accumulation)]
    longest = _fill(sorted(rows, key=lengths.__getitem__, reverse=True)[: recipe.batch], recipe.batch)
    planned = [*(first[step::warming] for step in range(warming)), [longest] * recipe.accumulation, *timed]
    return Plan(
        tuple(row for step in planned for batch in step for row in batch),
        tuple(sum(map(tokens, step)) for step in planned),
        warming + 1,
        steps,
        mean_tokens,
    )


def estimate_duration_s(plan: Plan, trial: Trial, recipe: Recipe) -> float:
    """The seconds of the whole training: what is done once, and its steps at the typical ones' median time for a token.

    The median, because whatever else the machine does for a moment is not of the training. The longest rows are there for the
    memory's peak alone. What the first steps took longer than their like is done once.
    """
    timed = list(zip(trial.step_s, plan.step_tokens, strict=False))[plan.untimed :]
    per_token = median(seconds / tokens for seconds, tokens in timed)
    warming = plan.untimed - 1
    warming_s = max(0.0, sum(trial.step_s[:warming]) - per_token * sum(plan.step_tokens[:warming]))
    checkpoints = math.ceil(plan.steps / recipe.checkpoint_steps)
    training_s = plan.steps * plan.mean_tokens * per_token
    return trial.fixed_s + warming_s + training_s + (checkpoints - 1) * trial.save_s


def scale(measured: Estimate, examples: int, recipe: Recipe) -> Estimate:
    """The estimate for another number of examples like the measured ones, under the same recipe: in proportion."""
    share = examples / measured.examples

    def scaled(value: int | None) -> int | None:
        return None if value is None else round(value * share)

    steps = optimiser_steps(examples, recipe)
    duration_s = None if measured.duration_s is None else measured.duration_s * steps / measured.steps
    return replace(
        measured, examples=examples, left_out=None, tokens=scaled(measured.tokens), steps=steps, duration_s=duration_s
    )


def _fill(rows: Sequence[int], count: int) -> list[int]:
    """So many rows, repeated where there are too few."""
    return [rows[i % len(rows)] for i in range(count)]
