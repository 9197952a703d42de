"""Why a row is left out, counted by reason, with the places of the first rows of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

Reason = Literal[
    "unknown form", "ambiguous", "no question", "no answer", "not text", "not Unicode", "turns", "tools", "weight 0",
    "label", "repeated", "cells", "damaged",
]  # fmt: skip
"""A closed list of stable words; the log keeps them with their counts."""

SHOWN = 3
"""Rows of each reason that are named; chosen."""
LONGEST = 120
"""Characters of a row's own words that a message repeats; chosen."""
LONGEST_PATH = 4096
"""Characters of a path that a message repeats: Linux's own limit."""


class LeftOut(Exception):
    """A row that gives no example: the reason, and one line of details for the person who imports."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Tally:
    """The rows that were left out."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, reason: Reason, place: str, detail: str) -> None:
        """Count a row at the place, such as ``set.jsonl:4``."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        first = self._first.setdefault(reason, [])
        if len(first) < SHOWN:
            first.append(f"{place}: {detail}")

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows by reason, in the order in which the reasons were met."""
        return dict(self._counts)

    @property
    def first(self) -> Mapping[str, tuple[str, ...]]:
        """By reason, up to ``SHOWN`` lines of a place and details."""
        return {reason: tuple(lines) for reason, lines in self._first.items()}


def quote(text: object, longest: int = LONGEST) -> str:
    """Foreign words for a message: cut, and without any character that a terminal does not print."""
    shown = str(text) if str(text) and str(text).isprintable() else repr(str(text))
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def explain(error: Exception) -> str:
    """What a library says of a file, on one line."""
    return quote(" ".join(str(error).split()))


def quote_all(texts: Iterable[object]) -> str:
    """Foreign words with commas between, for a message."""
    return quote(", ".join(map(str, texts)))
