"""Guessed tokens: what followed the same words earlier in the text often follows them again (prompt lookup).

The model verifies guesses in the pass that it makes anyway, and keeps them as far as it would have written them. A pass
over more tokens takes longer, so the number of guesses follows from how often they were right and from how many answers share
the pass.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST = 8
"""Most tokens guessed per pass and answer; chosen: a page line has about 5 to 12."""
SUFFIX = 3
"""Longest suffix, in tokens, that is looked up; chosen."""
PASS_TOKENS = 32.0
"""What a pass costs beside its tokens, in tokens, on a CPU. Source: measured on one core, 1 to 144 tokens a pass: 24 with
SmolLM2 (46 ms, and 1.9 ms for each token), 80 with the embedded base."""
GPU_PASS_TOKENS = 256.0
"""The same on a GPU; chosen: there a pass of one token takes as long as one of many."""
RIGHT, WRONG = 2.0, 1.0
"""Right and wrong guesses that an answer begins with; chosen: a guess is tried at first, and twice when it fails."""


class Guesser:
    """The tokens of one text, what followed each suffix, and how often guesses were right."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        self.right, self.wrong = RIGHT, WRONG
        for token in tokens:
            self.append(token)

    def append(self, token: int) -> None:
        """Add the next token of the text."""
        place = len(self.tokens)
        for size in range(1, min(SUFFIX, place) + 1):
            self._after[tuple(self.tokens[place - size :])] = place
        self.tokens.append(token)

    def guess(self, count: int) -> list[int]:
        """Up to ``count`` tokens after the latest earlier occurrence of the suffix, the longest suffix first."""
        for size in range(SUFFIX, 0, -1):
            place = self._after.get(tuple(self.tokens[-size:])) if len(self.tokens) >= size else None
            if place is not None:
                return self.tokens[place : place + count]
        return []

    def learn(self, guessed: int, right: int) -> None:
        """Take note of how many of the guessed tokens were right."""
        self.right += right
        self.wrong += right < guessed

    @property
    def chance(self) -> float:
        """The chance that a guess is right."""
        return self.right / (self.right + self.wrong)


def best_width(guesses: Sequence[tuple[int, float]], pass_tokens: float = PASS_TOKENS) -> int:
    """How many guesses per answer write the most tokens in a time; 0 where none pay.

    ``guesses`` are, for each answer of the pass, the number of its guesses and the chance that one is right. All answers
    take part in the width of the widest.
    """
    best, speed = 0, 0.0
    expected = float(len(guesses))
    for width in range(max((count for count, _ in guesses), default=0) + 1):
        expected += sum(chance**width for count, chance in guesses if 0 < width <= count)
        if (now := expected / (pass_tokens + len(guesses) * (1 + width))) > speed:
            best, speed = width, now
    return best
