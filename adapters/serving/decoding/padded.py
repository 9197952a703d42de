"""Decoding with the library's own cache: a batch of prompts, padded, for models that ``attention.py`` does not take.

Such are models with sliding windows, and those with an attention of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .answers import OpenAnswer, Prompt, Written
from .guessing import GPU_PASS_TOKENS, MOST, PASS_TOKENS, best_width

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def write_padded(
    model: PreTrainedModel,
    prompts: Sequence[Prompt],
    stop: frozenset[int],
    on_written: Callable[[Sequence[int]], None] = lambda written: None,
) -> list[Written]:
    """The answer to each prompt, in their order, all in one batch.

    ``on_written`` gets the first answer's tokens so far, after each pass; an error that it raises ends all answers.

    For models with attention layers only. Rejected guesses stay in the cache, masked. A layer with a sliding window
    would count them as part of its window, so nothing is guessed for models with such layers.
    """
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    cost = PASS_TOKENS if model.device.type == "cpu" else GPU_PASS_TOKENS
    most = 0 if any(cache.is_sliding) else MOST
    answers = [OpenAnswer(prompt, stop) for prompt in prompts]
    texts = [prompt.tokens for prompt in prompts]
    width = max(map(len, texts))
    ids = torch.tensor([[0] * (width - len(text)) + list(text) for text in texts])
    mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        logits = _forward(model, cache, ids, mask, positions, last=1)  # (batch, 1, vocab)
        for answer, row in zip(answers, logits, strict=True):
            answer.read(row)
        on_written(answers[0].written)
        writing = answers
        while active := [row for row, answer in enumerate(writing) if not answer.is_done]:
            if len(active) <= len(writing) / 2:
                # Drop finished rows, so that a long answer does not compute all rows to its end.
                cache.batch_select_indices(torch.tensor(active, device=model.device))
                writing, mask = [writing[row] for row in active], mask[active]
            guesses = best_width([(0 if a.is_done else a.guess(most), a.guesser.chance) for a in writing], cost)
            blocks = [[] if answer.is_done else answer.next_block(guesses) for answer in writing]
            width = max(map(len, blocks))
            ids = torch.tensor([block + [0] * (width - len(block)) for block in blocks])
            positions = torch.tensor([[len(answer.tokens) - 1] for answer in writing]) + torch.arange(width)
            unread = torch.tensor([[int(i < len(block)) for i in range(width)] for block in blocks])
            logits = _forward(model, cache, ids, torch.cat([mask, unread], -1), positions, last=width)
            accepted = [0 if a.is_done else a.read(row) for a, row in zip(writing, logits, strict=True)]
            on_written(answers[0].written)
            mask = torch.cat([mask, torch.tensor([[int(i < count) for i in range(width)] for count in accepted])], -1)
    return [answer.end() for answer in answers]


def _forward(
    model: PreTrainedModel, cache: object, ids: Tensor, mask: Tensor, positions: Tensor, *, last: int
) -> Tensor:
    """The logits of the last tokens, in fp32 on the CPU (batch, last, vocab)."""
    output = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        position_ids=positions.to(model.device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=last,
    )
    logits: Tensor = output.logits.float().cpu()
    return logits
