"""Writing answers token by token: a batch of prompts with a key-value cache, several tokens per pass where they can be guessed.

Most actions repeat a line of the page, so what followed the same words in the prompt is guessed to follow again, checked in
one pass, and kept as far as it is what the model would have written (prompt lookup, a form of speculative decoding,
arXiv 2211.17192). The answer is the same as without; it comes in a fraction of the passes.
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
"""Tokens of the longest suffix that is looked up; chosen."""

Choose = Callable[["Tensor"], int]
"""Picks the next token from its logits (vocab,)."""


def decode(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    choose: Sequence[Choose],
    stop: frozenset[int],
) -> list[list[int]]:
    """The tokens that answer each prompt, without the stop token, at most ``limits[i]`` of them.

    For models with attention layers alone. Rejected guesses stay in the cache, masked; a layer that sees a window of the
    newest tokens would count them as part of it, so for models with such layers nothing is guessed.
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
        writing = answers
        while going_on := [row for row, answer in enumerate(writing) if not answer.is_done]:
            if len(going_on) <= len(writing) / 2:
                # One that runs on would else carry all the others along to its end.
                cache.batch_select_indices(torch.tensor(going_on, device=model.device))
                writing, mask = [writing[row] for row in going_on], mask[going_on]
            blocks = [answer.next_block() for answer in writing]
            width = max(map(len, blocks))
            ids = torch.tensor([block + [0] * (width - len(block)) for block in blocks])
            positions = torch.tensor([[answer.length - 1] for answer in writing]) + torch.arange(width)
            unread = torch.tensor([[int(i < len(block)) for i in range(width)] for block in blocks])
            logits = _forward(model, cache, ids, torch.cat([mask, unread], -1), positions, last=width)
            kept = [answer.read(row) for answer, row in zip(writing, logits, strict=True)]
            mask = torch.cat([mask, torch.tensor([[int(i < count) for i in range(width)] for count in kept])], -1)
    return [answer.written for answer in answers]


def greedy(logits: Tensor) -> int:
    """The most likely token."""
    return int(logits.argmax())


def sampler(temperature: float, seed: int) -> Choose:
    """Draws tokens at a temperature, the same ones for the same seed."""
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
    """One answer being written: the prompt, what was written, and the guesses that wait to be checked."""

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
        """The tokens of the next pass: the newest one and the guesses; none when the answer is done."""
        if self.is_done:
            return []
        room = self.limit - len(self.written) - 1  # a pass writes one token more than it has right guesses
        self.guesses = _lookup(self.tokens, min(self.guess, room))
        return [self.tokens[-1], *self.guesses]

    def read(self, logits: Tensor) -> int:
        """Write the next tokens, from logits (1 + guesses or more, vocab), while the guesses hold.

        Returns how many tokens of the block belong to the text.
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
    """Up to ``count`` tokens that followed the latest earlier place with the same suffix, the longest suffix first."""
    for size in range(SUFFIX, 0, -1):
        suffix = tokens[-size:]
        for start in range(len(tokens) - size - 1, -1, -1):
            if tokens[start + size - 1] == suffix[-1] and tokens[start : start + size] == suffix:
                return tokens[start + size : start + size + count]
    return []
