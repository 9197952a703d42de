"""Why rows are left out, counted by reason, with the places of the first rows of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

Reason = Literal[
    "unknown form", "ambiguous", "no question", "no answer", "not text", "not Unicode", "turns", "tools", "weight 0",
    "label", "repeated", "cells", "damaged", "picture",
]  # fmt: skip
"""A closed list of stable words; the log stores them with their counts."""

SHOWN = 3
"""Rows of each reason that a message lists; chosen."""
LONGEST = 120
"""Characters of a row's own text that a message quotes; chosen."""
LONGEST_PATH = 4096
"""Characters of a path that a message quotes: Linux's own limit."""


class LeftOut(Exception):
    """A row without a usable example: the reason, and one line of details for the person who imports."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Tally:
    """Counts of the rows left out."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, reason: Reason, place: str, detail: str) -> None:
        """Count a row at a place such as ``set.jsonl:4``."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        first = self._first.setdefault(reason, [])
        if len(first) < SHOWN:
            first.append(f"{place}: {detail}")

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows by reason, in order of first occurrence."""
        return dict(self._counts)

    @property
    def first(self) -> Mapping[str, tuple[str, ...]]:
        """By reason, up to ``SHOWN`` lines of place and details."""
        return {reason: tuple(lines) for reason, lines in self._first.items()}


def quote(text: object, longest: int = LONGEST) -> str:
    """Foreign text for a message: cut to ``longest`` characters, without unprintable ones."""
    shown = str(text) if str(text) and str(text).isprintable() else repr(str(text))
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def explain(error: Exception) -> str:
    """A library's error message on one line."""
    return quote(" ".join(str(error).split()))


def quote_all(texts: Iterable[object]) -> str:
    """Several foreign texts for a message, joined by commas."""
    return quote(", ".join(map(str, texts)))
