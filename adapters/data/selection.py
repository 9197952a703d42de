"""Which examples go into a dataset beside each other: none too often, and no word against a more trusted one.

What differs by white space alone is the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from .examples import Example

SOURCES = ("correction", "reviewer", "retry", "teacher", "public", "replay", "renamed")
"""Who says what is right, the most trusted first: a person, the reviewer's demonstration, an own success on another try, a
teacher model, a set from outside, a good run again, and any of these
with other names. What was only judged (``rated``) is no target and has no place here."""

Said = tuple[str, str]
"""A prompt and an answer."""


class Selection:
    """The examples taken so far, as far as later ones are held against them."""

    def __init__(self) -> None:
        self._ranks: dict[str, int] = {}
        self._taken: Counter[tuple[Said, str]] = Counter()
        self._praised: set[Said] = set()

    def take(self, examples: Iterable[Example], copies: int = 1) -> list[Example]:
        """Take those that have not been said ``copies`` times yet, the most trusted first, and return them.

        Of equal answers to one prompt the most trusted source's is taken, and one that knows a rejected answer before one
        that does not. A target for a prompt to which a more trusted source has given a target is left.
        """
        ordered = sorted(examples, key=lambda it: (_rank(it), not it.rejected))
        return [example for example in ordered if self._is_wanted(example, copies)]

    def settle(self, examples: Iterable[Example]) -> list[Example]:
        """The examples without those that call an answer bad which another one taken gives or calls good."""
        return [it for it in examples if it.label != "bad" or _said(it) not in self._praised]

    def _is_wanted(self, example: Example, copies: int) -> bool:
        said = _said(example)
        if self._taken[said, example.label] >= copies:
            return False
        if example.label == "target" and self._ranks.setdefault(said[0], _rank(example)) < _rank(example):
            return False
        self._taken[said, example.label] += 1
        if example.label != "bad":
            self._praised.add(said)
        return True


def _rank(example: Example) -> int:
    return SOURCES.index(example.source) if example.source in SOURCES else len(SOURCES)


def _said(example: Example) -> Said:
    return name_prompt(example), words(example.completion)


def name_prompt(example: Example) -> str:
    """The example's prompt, the same for prompts that differ by white space alone."""
    return json.dumps([[message["role"], words(message["content"])] for message in example.messages])


def words(text: str) -> str:
    """The text with one blank between words."""
    return " ".join(text.split())
