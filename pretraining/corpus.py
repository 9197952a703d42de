"""The pretraining corpus: demonstrations of the base tasks, synthetic tasks, and repeated random tokens.

The stream is a pure function of its seed: the same batches in the same order on every machine. Seeds below
``FIRST_SEED`` are never demonstrated, so that evaluation can use them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec

from ..domain.page.messages import Page
from ..domain.page.prompt import observe
from ..runners.environments.miniwob.demonstrations import demonstrate
from ..runners.environments.miniwob.environment import BASE_TASKS, MiniWob
from .questions import Questions, ask_questions
from .synthetic import Demonstration, demonstrate_synthetic

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

FIRST_SEED = 100_000
"""The first seed that is demonstrated."""
LONGEST = 448
"""Longest sample in tokens; longer ones are left out; chosen: one in thirty."""
POOL = 512
"""Samples that are drawn together and sorted by length, so that batches have little padding; chosen."""
QUESTIONS_SHARE = 0.5
"""Share of pages with several questions among the synthetic samples; chosen."""
STEPS_OF_ONE = 2
"""Steps of one synthetic task in the corpus: its pages resemble each other, so more of them teach less; chosen."""
TAIL_WEIGHT = 0.1
"""Loss weight of the task's second mention: it repeats the first, so copying it is learnt without further cost. Chosen."""
STEPS = 12
"""Actions after which a demonstration counts as failed."""


@dataclass(frozen=True)
class Sample:
    """Token ids, and the loss weight of each: 1 in an answer, less where a task is repeated, 0 on the page."""

    ids: list[int]
    weights: list[float]


@dataclass(frozen=True)
class Batch:
    """``ids`` (batch, seq), padded on the right, and ``weights`` (batch, seq), the loss weight of each token."""

    ids: Tensor
    weights: Tensor


def record_demonstrations(episodes: int, first_seed: int = FIRST_SEED) -> list[Demonstration]:
    """The steps of ``episodes`` successful demonstrations of each base task, played in the browser."""
    demonstrations: list[Demonstration] = []
    with MiniWob() as computer:
        for task in BASE_TASKS:
            for seed in range(first_seed, first_seed + episodes):
                demonstrations += _episode(computer, task, seed)
    return demonstrations


def _episode(computer: MiniWob, task: str, seed: int) -> list[Demonstration]:
    policy, page = demonstrate(task), computer.reset(task, seed)
    history: list[str] = []
    steps: list[Demonstration] = []
    while not page.is_done and len(steps) < STEPS:
        action = policy(page, history)
        steps.append(Demonstration(page, tuple(history), action))
        page = computer.act(action)
        history.append(action)
    return steps if page.reward == 1 else []


def save_demonstrations(path: Path, demonstrations: Sequence[Demonstration]) -> None:
    """Write the demonstrations as JSON Lines."""
    rows = (json.dumps(asdict(each), ensure_ascii=False) for each in demonstrations)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def load_demonstrations(path: Path) -> list[Demonstration]:
    """The demonstrations that ``save_demonstrations`` wrote."""
    return [msgspec.json.decode(line, type=Demonstration) for line in path.read_bytes().splitlines()]


def prompt(demonstration: Demonstration) -> str:
    """The prompt as the chat template renders it: the user's text alone."""
    return observe(demonstration.page, demonstration.history)[-1]["content"]


def encode(tokenizer: PreTrainedTokenizerBase, demonstrations: Sequence[Demonstration]) -> list[Sample]:
    """The samples of the demonstrations, without the ones that are too long."""
    prompts = [prompt(each) for each in demonstrations]
    cuts = [text.rindex("\ntask: ") for text in prompts]
    pieces = [piece for text, cut in zip(prompts, cuts, strict=True) for piece in (text[:cut], text[cut:])]
    tokens: list[list[int]] = tokenizer(pieces + [each.action for each in demonstrations])["input_ids"]
    samples = []
    for i in range(len(prompts)):
        head, tail, answer = tokens[2 * i], tokens[2 * i + 1], tokens[len(pieces) + i]
        ids = [*head, *tail, *answer, int(tokenizer.eos_token_id)]
        weights = [0.0] * len(head) + [TAIL_WEIGHT] * len(tail) + [1.0] * (len(answer) + 1)
        samples.append(Sample(ids, weights))
    return [sample for sample in samples if len(sample.ids) <= LONGEST]


def encode_questions(tokenizer: PreTrainedTokenizerBase, pages: Sequence[Questions]) -> list[Sample]:
    """One sample per page, with as many of its questions as fit."""
    samples = []
    for page in pages:
        if not page.asked:
            continue
        first = observe(Page(page.asked[0][0], page.lines), [])[-1]["content"]
        cut = first.rindex("\ntask: ")
        tails = [first[cut:], *(f"\ntask: {task}\ndo: " for task, _ in page.asked[1:])]
        head, *rest = tokenizer([first[:cut], *tails, *(action for _, action in page.asked)])["input_ids"]
        ids, weights = list(head), [0.0] * len(head)
        for number, (tail, answer) in enumerate(zip(rest[: len(tails)], rest[len(tails) :], strict=True)):
            if len(ids) + len(tail) + len(answer) >= LONGEST:
                break
            ids += [*tail, *answer, int(tokenizer.eos_token_id)]
            weights += [0.0 if number else TAIL_WEIGHT] * len(tail) + [1.0] * (len(answer) + 1)
        if len(ids) > len(head):
            samples.append(Sample(ids, weights))
    return samples


def repetition(rng: Random, tokenizer: PreTrainedTokenizerBase) -> Sample:
    """Random tokens, twice: only copying predicts the second half."""
    once = [rng.randrange(2, len(tokenizer)) for _ in range(rng.randint(4, 24))]
    weights = [0.0] * (len(once) + 1) + [1.0] * len(once)
    return Sample([*once, *once, int(tokenizer.eos_token_id)], weights)


def batches(
    tokenizer: PreTrainedTokenizerBase,
    demonstrated: Sequence[Sample],
    seed: int,
    tokens: int,
    warmup_pools: int,
    first_pool: int = 0,
    base_share: float = 0.35,
    part: tuple[int, int] = (0, 1),
) -> Iterator[tuple[int, Batch]]:
    """An endless stream of batches of about ``tokens`` tokens, each with the number of its pool, from ``first_pool`` on.

    Over the first ``warmup_pools`` pools the share of repetitions falls from 30 % to 2 %, and synthetic tasks grow from
    the simplest to full size. ``base_share`` of the rest are demonstrations of base tasks. ``part`` is (number, count):
    this process among those that train together.
    """
    pool = first_pool
    while True:
        rng = Random(f"{seed}:{pool}" if part[1] == 1 else f"{seed}:{pool}:{part[0]}")
        progress = min(1.0, pool / max(warmup_pools, 1))
        samples: list[Sample] = [repetition(rng, tokenizer) for _ in range(round(POOL * (0.3 - 0.28 * progress)))]
        samples += rng.sample(demonstrated, min(len(demonstrated), round((POOL - len(samples)) * base_share)))
        left = POOL - len(samples)
        pages = [ask_questions(rng, progress) for _ in range(round(left * QUESTIONS_SHARE))]
        synthetic: list[Demonstration] = []
        while len(synthetic) < left - len(pages):
            steps = list(demonstrate_synthetic(rng, progress))
            synthetic += rng.sample(steps, min(len(steps), STEPS_OF_ONE))
        samples += encode(tokenizer, synthetic) + encode_questions(tokenizer, pages)
        samples.sort(key=lambda sample: len(sample.ids))
        cut = list(_cut(samples, tokens))
        rng.shuffle(cut)
        yield from ((pool, collate(each, int(tokenizer.pad_token_id))) for each in cut)
        pool += 1


def _cut(samples: Sequence[Sample], tokens: int) -> Iterator[list[Sample]]:
    batch: list[Sample] = []
    for sample in samples:
        if batch and (len(batch) + 1) * _width(sample) > tokens:
            yield batch
            batch = []
        batch.append(sample)
    yield batch


def _width(sample: Sample) -> int:
    return -(-len(sample.ids) // 16) * 16


def collate(samples: Sequence[Sample], pad: int) -> Batch:
    """The samples as one batch."""
    import torch

    width = max(map(_width, samples))
    ids = torch.full((len(samples), width), pad)
    weights = torch.zeros(len(samples), width)
    for row, sample in enumerate(samples):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        weights[row, : len(sample.ids)] = torch.tensor(sample.weights)
    return Batch(ids, weights)
