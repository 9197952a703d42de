"""The expected cost of a training, before it starts: steps, time and memory.

A machine's speed cannot be computed. So a few steps of the actual training are run on it (``probe.py``) and scaled up
here. Pure arithmetic: this module imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from ...domain.settings.recipe import Recipe
from .length_sampler import arrange
from .shared_beginning import MULTIPLE

TYPICAL_STEPS = 4
"""Optimiser steps that a probe times; chosen: a few seconds on the embedded model."""
WARMING_STEPS = 2
"""Most steps that warm up one batch width each; chosen."""


@dataclass(frozen=True)
class Estimate:
    """The expected cost of a training, and how it was measured (``basis``). None where it is unknown.

    ``examples`` are trained on; ``left_out`` are too long, or have turns that the model refuses. ``tokens`` are those
    of one epoch. ``duration_s`` and ``peak_memory_bytes`` are as in ``TrainingResult``.
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
    """The rows that a probe trains on, and the size of the whole training.

    ``order`` has ``untimed`` steps, which warm up and then take the longest rows, and after them the typical ones.
    ``step_tokens`` are the tokens of these steps, with padding; ``mean_tokens`` those of a mean step of the whole
    training.
    """

    order: tuple[int, ...]
    step_tokens: tuple[int, ...]
    untimed: int
    steps: int
    mean_tokens: float


@dataclass(frozen=True)
class Trial:
    """The seconds of a probe's steps as planned, fewer where time ran out, and of everything else.

    ``fixed_s`` is for libraries, base model, dataset, reference and one saved checkpoint, which alone took ``save_s``.
    """

    step_s: tuple[float, ...]
    fixed_s: float
    save_s: float


def batch_tokens(lengths: Sequence[int], *, is_padded: bool) -> int:
    """Tokens computed in one forward pass: each row as wide as the longest, unless rows are packed end to end."""
    return len(lengths) * math.ceil(max(lengths) / MULTIPLE) * MULTIPLE if is_padded else sum(lengths)


def plan_probe(lengths: Sequence[int], recipe: Recipe, typical: int = TYPICAL_STEPS) -> Plan:
    """The plan of a probe for rows of these lengths, which are trained on in the order of ``length_sampler.py``.

    The typical forward passes are evenly spaced among all those of one epoch, sorted by their tokens. So their mean is
    close to the epoch's; that of a few random ones is not.
    """
    rows = arrange(lengths, recipe.batch, recipe.seed, epoch=0)
    batches = [rows[start : start + recipe.batch] for start in range(0, len(rows), recipe.batch)]
    steps = recipe.steps(len(rows))

    def tokens(batch: Sequence[int]) -> int:
        return batch_tokens([lengths[row] for row in batch], is_padded=not recipe.packing)

    mean_tokens = recipe.epochs * sum(map(tokens, batches)) / steps
    # Full batches only, so that the order falls into exactly the planned batches.
    whole = sorted((batch for batch in batches if len(batch) == recipe.batch), key=tokens) or [
        _fill(rows, recipe.batch)
    ]
    drawn = typical * recipe.accumulation
    spread = [whole[(2 * i + 1) * len(whole) // (2 * drawn)] for i in range(drawn)]
    timed = [spread[step::typical] for step in range(typical)]
    # Each width is slow the first time, which matters more in a short probe than in the whole training.
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
    """Seconds of the whole training: the fixed part, and its steps at the median time per token of the typical ones.

    The median excludes disturbances by other processes. The longest rows only serve to measure peak memory. The extra
    time of the first steps counts once.
    """
    timed = list(zip(trial.step_s, plan.step_tokens, strict=False))[plan.untimed :]
    per_token = median(seconds / tokens for seconds, tokens in timed)
    warming = plan.untimed - 1
    warming_s = max(0.0, sum(trial.step_s[:warming]) - per_token * sum(plan.step_tokens[:warming]))
    checkpoints = math.ceil(plan.steps / recipe.checkpoint_steps)
    training_s = plan.steps * plan.mean_tokens * per_token
    return trial.fixed_s + warming_s + training_s + (checkpoints - 1) * trial.save_s


def scale(measured: Estimate, examples: int, recipe: Recipe, before: Recipe | None = None) -> Estimate:
    """The estimate for another number of similar examples, in proportion to the forward passes.

    ``before`` is the recipe that was measured, where it made other steps; None where it is the same.
    """
    share = examples / measured.examples

    def scaled(value: int | None) -> int | None:
        return None if value is None else round(value * share)

    steps = recipe.steps(examples)
    passes = steps * recipe.accumulation / (measured.steps * (before or recipe).accumulation)
    duration_s = None if measured.duration_s is None else measured.duration_s * passes
    return replace(
        measured, examples=examples, left_out=None, tokens=scaled(measured.tokens), steps=steps, duration_s=duration_s
    )


def _fill(rows: Sequence[int], count: int) -> list[int]:
    """``count`` rows, repeated where there are too few."""
    return [rows[i % len(rows)] for i in range(count)]
