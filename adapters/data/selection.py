"""Selection of examples: no duplicates beyond a limit, and no target that contradicts a more trusted one.

Differences in white space are ignored.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from ...domain.page.tools import ToolCall, name_calls
from .examples import Example

SOURCES = ("correction", "reviewer", "retry", "teacher", "public", "replay", "renamed")
"""The sources of targets, the most trusted first: a person's correction, the reviewer's demonstration, a success of a
retry, a teacher model, an imported set, a good run that is replayed, and renamed copies of all these. An answer that
was only rated (``rated``) is not a target and has no place here."""

PromptAnswer = tuple[str, str]
"""A prompt and an answer, white space normalised."""


class Selection:
    """The examples selected so far, as far as later ones depend on them."""

    def __init__(self) -> None:
        self._ranks: dict[str, int] = {}
        self._taken: Counter[tuple[PromptAnswer, str]] = Counter()
        self._praised: set[PromptAnswer] = set()

    def take(self, examples: Iterable[Example], copies: int = 1) -> list[Example]:
        """Select the examples that do not exceed ``copies`` equal ones, the most trusted first, and return them.

        Of equal answers to one prompt, the most trusted source's is selected, and one with a rejected answer before one
        without. A target is dropped where a more trusted source has another target for the same prompt.
        """
        ordered = sorted(examples, key=lambda example: (_rank(example), not example.is_pair))
        return [example for example in ordered if self._is_wanted(example, copies)]

    def settle(self, examples: Iterable[Example]) -> list[Example]:
        """The examples without bad answers that a selected example has as its target or labels good."""
        return [
            example for example in examples if example.label != "bad" or _prompt_answer(example) not in self._praised
        ]

    def _is_wanted(self, example: Example, copies: int) -> bool:
        pair = _prompt_answer(example)
        if self._taken[pair, example.label] >= copies:
            return False
        if example.label == "target" and self._ranks.setdefault(pair[0], _rank(example)) < _rank(example):
            return False
        self._taken[pair, example.label] += 1
        if example.label != "bad":
            self._praised.add(pair)
        return True


def _rank(example: Example) -> int:
    return SOURCES.index(example.source) if example.source in SOURCES else len(SOURCES)


def _prompt_answer(example: Example) -> PromptAnswer:
    return name_prompt(example), name_answer(example.completion, example.tool_calls)


def name_prompt(example: Example) -> str:
    """The example's prompt as a key; prompts that differ only in white space, or in ids of calls, have the same key."""
    turns = [
        [message["role"], name_answer(message["content"], message.get("tool_calls", ()))]
        for message in example.messages
    ]
    return json.dumps([*turns, example.tools] if example.tools else turns)


def name_answer(text: str, calls: Sequence[ToolCall]) -> str:
    """The answer as a key, as ``name_prompt`` has it; without calls its words."""
    return f"{words(text)}\0{name_calls(calls)}" if calls else words(text)


def words(text: str) -> str:
    """The text with single spaces between words."""
    return " ".join(text.split())
