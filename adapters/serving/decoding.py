"""Decoding: a batch of prompts with a key-value cache, and several tokens per pass where they can be guessed.

Most actions repeat a line of the page. So the tokens that followed the same words in the prompt are guessed, verified
in one pass, and kept as far as the model would have written them (prompt lookup, a form of speculative decoding, arXiv
2211.17192). The answer is unchanged, in a fraction of the passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

GUESS = 8
"""Tokens guessed per pass; chosen: a page line has about 5 to 12."""
SUFFIX = 3
"""Longest suffix, in tokens, that is looked up; chosen."""

Choose = Callable[["Tensor"], int]
"""A function from the logits (vocab,) to the next token."""


def decode(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    choose: Sequence[Choose],
    stop: frozenset[int],
    on_written: Callable[[Sequence[int]], None] = lambda written: None,
) -> list[list[int]]:
    """The tokens that answer each prompt, without the stop token, at most ``limits[i]`` of them.

    ``on_written`` gets the first answer's tokens so far, after each pass; an error that it raises ends all answers.

    For models with attention layers only. Rejected guesses stay in the cache, masked. A layer with a sliding window
    would count them as part of its window, so nothing is guessed for models with such layers.
    """
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    guess = 0 if any(cache.is_sliding) else GUESS
    answers = [
        _Answer(prompt, limit, pick, stop, guess) for prompt, limit, pick in zip(prompts, limits, choose, strict=True)
    ]
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
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
            blocks = [answer.next_block() for answer in writing]
            width = max(map(len, blocks))
            ids = torch.tensor([block + [0] * (width - len(block)) for block in blocks])
            positions = torch.tensor([[answer.length - 1] for answer in writing]) + torch.arange(width)
            unread = torch.tensor([[int(i < len(block)) for i in range(width)] for block in blocks])
            logits = _forward(model, cache, ids, torch.cat([mask, unread], -1), positions, last=width)
            accepted = [answer.read(row) for answer, row in zip(writing, logits, strict=True)]
            on_written(answers[0].written)
            mask = torch.cat([mask, torch.tensor([[int(i < count) for i in range(width)] for count in accepted])], -1)
    return [answer.written for answer in answers]


def greedy(logits: Tensor) -> int:
    """The most likely token."""
    return int(logits.argmax())


def sampler(temperature: float, seed: int) -> Choose:
    """A function that draws tokens at the temperature, the same ones for the same seed."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return lambda logits: int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))


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


class _Answer:
    """One answer in progress: the prompt, the tokens so far, and the guesses to verify."""

    def __init__(self, prompt: Sequence[int], limit: int, choose: Choose, stop: frozenset[int], guess: int) -> None:
        self.guess = guess
        self.prompt_length = len(prompt)
        self.tokens = list(prompt)
        self.limit = limit
        self.choose = choose
        self.stop = stop
        self.guesses: list[int] = []
        self.is_done = False

    @property
    def length(self) -> int:
        return len(self.tokens)

    @property
    def written(self) -> list[int]:
        return self.tokens[self.prompt_length :]

    def next_block(self) -> list[int]:
        """The tokens of the next pass: the newest one and the guesses; empty when the answer is done."""
        if self.is_done:
            return []
        room = self.limit - len(self.written) - 1  # a pass writes one token more than its right guesses
        self.guesses = _lookup(self.tokens, min(self.guess, room))
        return [self.tokens[-1], *self.guesses]

    def read(self, logits: Tensor) -> int:
        """Append the next tokens, from logits (1 + guesses or more, vocab), while the guesses are right.

        Returns how many tokens of the block belong to the answer.
        """
        if self.is_done:
            return 0
        for i in range(1 + len(self.guesses)):
            token = self.choose(logits[i])
            self.is_done = token in self.stop
            if not self.is_done:
                self.tokens.append(token)
                self.is_done = len(self.written) >= self.limit
            if self.is_done or i == len(self.guesses) or token != self.guesses[i]:
                break
        return i + 1


def _lookup(tokens: list[int], count: int) -> list[int]:
    """Up to ``count`` tokens after the latest earlier occurrence of the suffix, the longest suffix first."""
    for size in range(SUFFIX, 0, -1):
        suffix = tokens[-size:]
        for start in range(len(tokens) - size - 1, -1, -1):
            if tokens[start + size - 1] == suffix[-1] and tokens[start : start + size] == suffix:
                return tokens[start + size : start + size + count]
    return []
