"""Beginnings of texts whose keys and values are kept: instructions that many prompts share, and earlier turns of a talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .key_values import KeyValues

MOST_BYTES = 256 * 2**20
"""Memory of all kept texts together; chosen: 11,000 tokens of SmolLM2."""
MOST = 32
"""Kept texts; chosen: each one is compared with each prompt."""
LEAST = 16
"""Tokens from which on it pays to keep or copy a beginning; chosen."""


@dataclass(eq=False)
class _Kept:
    tokens: list[int]
    key_values: KeyValues
    bytes: int


class Prefixes:
    """Kept texts by adapter (``of``), the latest used ones. Their keys and values are valid for that adapter alone."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: dict[str | None, list[_Kept]] = {}
        self._order: list[tuple[str | None, _Kept]] = []  # the least recently used first
        self.reused = 0
        """Tokens that were not computed again so far."""

    @property
    def bytes(self) -> int:
        """Memory of the kept texts."""
        return sum(kept.bytes for _, kept in self._order)

    def find(self, of: str | None, tokens: Sequence[int]) -> tuple[KeyValues, int] | None:
        """The keys and values of the longest kept beginning of the tokens, and its length; None where none is kept.

        The last token is never part of it, because its logits are needed.
        """
        best, length = None, LEAST - 1
        for kept in self._kept.get(of, ()):
            common = count_common(kept.tokens, tokens[:-1])
            if common > length:
                best, length = kept, common
        if best is None:
            return None
        self._order.remove((of, best))
        self._order.append((of, best))
        self.reused += length
        return best.key_values, length

    def keep(self, of: str | None, tokens: Sequence[int], key_values: KeyValues) -> None:
        """Keep a text. It replaces the beginnings of itself; the least recently used texts make room."""
        size = sum(tensor.nbytes for pair in key_values for tensor in pair)
        if len(tokens) < LEAST or size > self.most_bytes:
            return
        for old in list(self._kept.get(of, ())):
            common = count_common(old.tokens, tokens)
            if common == len(tokens):
                return
            if common == len(old.tokens):
                self._drop(of, old)
        kept = _Kept(list(tokens), key_values, size)
        self._kept.setdefault(of, []).append(kept)
        self._order.append((of, kept))
        while self.bytes > self.most_bytes or len(self._order) > MOST:
            self._drop(*self._order[0])

    def forget(self, of: str | None) -> None:
        """Forget the texts of an adapter."""
        for kept in list(self._kept.get(of, ())):
            self._drop(of, kept)

    def _drop(self, of: str | None, kept: _Kept) -> None:
        self._kept[of] = [other for other in self._kept[of] if other is not kept]
        self._order = [(name, other) for name, other in self._order if other is not kept]


def count_common(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of equal tokens at the beginning of both."""
    shorter = min(len(one), len(other))
    if list(one[:shorter]) == list(other[:shorter]):
        return shorter
    return next(i for i in range(shorter) if one[i] != other[i])
