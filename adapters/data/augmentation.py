"""Augmentation: the same page and task with other names, so that the model learns the procedure and not the words.

A word that the task shares with the page or the answer is replaced everywhere by another word of the dataset, of
similar shape. So is a word that the answer copies from the page. The answer stays right, because only names change. A
word that stands only in the task, or only on the page, is kept: it may carry meaning. So is a word that is part of
another word: the task may be about letters.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from .examples import Example

_TOKEN = re.compile(r"\\(?:u[0-9a-f]{4}|x[0-9a-f]{2}|.)|\w+", re.IGNORECASE)
"""An escape, such as the ``\\n`` of a new line, or a word."""
_NAME = re.compile(r"[^\W_]{3,}")
"""The words that can be replaced: three or more letters and digits."""
_PARTS = re.compile(r"(?P<head>[^:=\[\]]*)(?P<text>.*?)(?P<number>\[\d+\])(?P<typed>.*)", re.DOTALL)
"""The parts of a page line, or of an action on it: the element's kind, its text, its number, and the typed text."""


def rename(examples: Sequence[Example], times: int, seed: int) -> list[Example]:
    """``times`` versions of each example with other names; none of examples that have no name to replace."""
    shown = {word for example in examples for word in _replaceable(_shown(example)) if word.isalpha()}
    vocabulary = sorted(shown)
    draw = random.Random(seed)
    varied = []
    for example in examples:
        names, own = _names(example), _words(example)
        others = [word for word in vocabulary if word not in own]
        for _ in range(times if names else 0):
            if len(others) >= len(names):
                new = zip(names, draw.sample(others, len(names)), strict=True)
                varied.append(_rename(example, {name: _like(name, word, draw) for name, word in new}))
    return varied


def _shown(example: Example) -> str:
    """What the page shows: the texts of its elements, without kinds, colours and numbers."""
    return "\n".join(_text_of(line) for line in _lines(example) if not line.startswith(("task: ", "did: ", "do: ")))


def _lines(example: Example) -> list[str]:
    return example.messages[-1]["content"].split("\n")


def _text_of(line: str) -> str:
    match = _PARTS.fullmatch(line)
    return f"{match['text']} {match['typed']}" if match else ""


def _names(example: Example) -> list[str]:
    """The words to replace, in lower case, in order of appearance."""
    task = " ".join(line.removeprefix("task: ") for line in _lines(example) if line.startswith("task: "))
    if example.has_tools:
        return []
    task_words, page_words = (_replaceable(text) for text in (task, _shown(example)))
    answer = _PARTS.fullmatch(example.completion)
    answered, typed = (_replaceable(answer[part]) if answer else [] for part in ("text", "typed"))
    everything = _words(example)
    copied = [word for word in task_words if word in page_words or word in answered or word in typed]
    copied += [word for word in typed if word in page_words]
    kept = _kept(example)
    return [
        word
        for word in dict.fromkeys(copied)
        if word not in kept and not any(word in other for other in everything if word != other)
    ]


def _kept(example: Example) -> set[str]:
    """The words of actions and lines without an element, such as a program's name: they stay as they are."""
    lines = [*_lines(example), example.completion, example.rejected]
    kept = [
        line for line in lines if not line.startswith("task: ") and not _PARTS.fullmatch(line.removeprefix("did: "))
    ]
    return set(_replaceable(" ".join(kept)))


def _replaceable(text: str) -> list[str]:
    """The words of the text that can be replaced, in lower case."""
    return [word for word in _TOKEN.findall(text.lower()) if _NAME.fullmatch(word)]


def _words(example: Example) -> set[str]:
    """All the words of prompt and answer, in lower case, without ``_``."""
    tokens = _TOKEN.findall(f"{example.messages[-1]['content']} {example.completion}".lower())
    return {word for token in tokens if not token.startswith("\\") for word in token.split("_") if word}


def _like(name: str, word: str, draw: random.Random) -> str:
    """The word; for a name with digits, letters and digits drawn for the same places."""
    if name.isalpha():
        return word
    letters = {True: "123456789", False: "abcdefghijklmnopqrstuvwxyz"}
    return "".join(draw.choice(letters[letter.isdigit()]) for letter in name)


def _in_case_of(word: str, model: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


def _rename(example: Example, names: dict[str, str]) -> Example:
    def new(token: re.Match[str]) -> str:
        name = names.get(token[0].lower())
        return token[0] if name is None else _in_case_of(name, token[0])

    def renamed(text: str) -> str:
        return _TOKEN.sub(new, text)

    def line(text: str) -> str:
        if text.startswith("task: "):
            return renamed(text)
        found = _PARTS.fullmatch(text.removeprefix("did: "))
        if found is None:
            return text
        start = "did: " if text.startswith("did: ") else ""
        return f"{start}{found['head']}{renamed(found['text'])}{found['number']}{renamed(found['typed'])}"

    *before, last = example.messages
    content = "\n".join(line(each) for each in _lines(example))
    return replace(
        example,
        messages=(*before, {"role": last["role"], "content": content}),
        completion=line(example.completion),
        rejected=line(example.rejected),
        source="renamed",
    )
