"""Answers in progress: the tokens so far, how each next one is chosen, and when an answer has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .guessing import Guesser

if TYPE_CHECKING:
    from torch import Tensor

    from ...vision.processor import SeenPrompt

Choose = Callable[["Tensor"], int]
"""A function from the logits (vocab,) to the next token."""


@dataclass(frozen=True)
class Prompt:
    """A prompt, the most tokens of its answer, and how its tokens are chosen."""

    tokens: Sequence[int]
    limit: int
    choose: Choose
    seen: SeenPrompt | None = None
    """The prompt with its pictures, where it has some; ``tokens`` are the same."""


@dataclass(frozen=True)
class Written:
    """The tokens of an answer, without the stop token, and its duration from the first pass of its own."""

    tokens: list[int]
    took_s: float


class OpenAnswer:
    """One answer in progress."""

    def __init__(self, prompt: Prompt, stop: frozenset[int]) -> None:
        self.prompt = prompt
        self.stop = stop
        self.guesser = Guesser(prompt.tokens)
        self.guesses: list[int] = []
        self.is_done = False
        self.began = time.perf_counter()
        self.took_s = 0.0

    @property
    def tokens(self) -> list[int]:
        """The prompt and the tokens written so far."""
        return self.guesser.tokens

    @property
    def written(self) -> list[int]:
        """The tokens written so far."""
        return self.tokens[len(self.prompt.tokens) :]

    def start(self) -> None:
        """Take note that its prompt is read now."""
        self.began = time.perf_counter()

    def guess(self, most: int) -> int:
        """Guess up to ``most`` tokens, and return how many."""
        room = self.prompt.limit - len(self.written) - 1  # a pass writes one token more than its right guesses
        self.guesses = self.guesser.guess(min(most, room)) if min(most, room) > 0 else []
        return len(self.guesses)

    def next_block(self, width: int) -> list[int]:
        """The tokens of the next pass: the newest one and up to ``width`` guesses."""
        self.guesses = self.guesses[:width]
        return [self.tokens[-1], *self.guesses]

    def read(self, logits: Tensor) -> int:
        """Append the next tokens, from logits (1 + guesses or more, vocab), while the guesses are right.

        Returns how many tokens of the block belong to the text.
        """
        right = 0
        for i in range(1 + len(self.guesses)):
            token = self.prompt.choose(logits[i])
            self.is_done = token in self.stop
            if not self.is_done:
                self.guesser.append(token)
                self.is_done = len(self.written) >= self.prompt.limit
            is_right = i < len(self.guesses) and token == self.guesses[i]
            right += is_right
            if self.is_done or not is_right:
                break
        if self.guesses:
            self.guesser.learn(len(self.guesses), right)
        self.guesses = []
        self.took_s = time.perf_counter() - self.began
        return i + 1

    def end(self) -> Written:
        """The whole answer."""
        return Written(self.written, self.took_s)


def greedy(logits: Tensor) -> int:
    """The most likely token."""
    return int(logits.argmax())


def sampler(temperature: float, seed: int) -> Choose:
    """A function that draws tokens at the temperature, the same ones for the same seed.

    A guess is kept only where the model's own distribution draws it, so guessing does not change the distribution.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    return lambda logits: int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))
