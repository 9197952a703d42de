"""The same page and task with other names, so that a lesson is learnt as a way and not by heart.

A word that the task shares with the page or the answer is replaced everywhere by another word of the data set, of like shape,
and so is a word that the answer types out from the page. What was right stays right, because nothing but the names has
changed. What only the task says, or only the page, is kept: it may mean something. So is what is part of another word: the
task may be about letters.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from .examples import Example

_WORD = re.compile(r"\b[^\W_]{3,}\b")
"""What is replaced: runs of three letters and digits or more."""
_PARTS = re.compile(r"(?P<head>[^:=\[\]]*)(?P<text>.*?)(?P<number>\[\d+\])(?P<typed>.*)", re.DOTALL)
"""A page line or an action on one: what kind of element it is, what it shows, its number, and what is typed."""


def rename(examples: Sequence[Example], times: int, seed: int) -> list[Example]:
    """``times`` versions of each example with other names, none of those that have no name to replace."""
    shown = {word for example in examples for word in _WORD.findall(_shown(example).lower()) if word.isalpha()}
    vocabulary = sorted(shown)
    draw = random.Random(seed)
    varied = []
    for example in examples:
        names = _names(example)
        for _ in range(times if names else 0):
            others = [word for word in vocabulary if word not in _words(example)]
            if len(others) >= len(names):
                new = zip(names, draw.sample(others, len(names)), strict=True)
                varied.append(_rename(example, {name: _like(name, word, draw) for name, word in new}))
    return varied


def _shown(example: Example) -> str:
    """What the page shows: its texts, without the kinds, colours and numbers of its elements."""
    return "\n".join(_text_of(line) for line in _lines(example) if not line.startswith(("task: ", "did: ", "do: ")))


def _lines(example: Example) -> list[str]:
    return example.messages[-1]["content"].split("\n")


def _text_of(line: str) -> str:
    found = _PARTS.fullmatch(line)
    return f"{found['text']} {found['typed']}" if found else ""


def _names(example: Example) -> list[str]:
    """The words to replace, in lower case, in the order they appear."""
    task = " ".join(line.removeprefix("task: ") for line in _lines(example) if line.startswith("task: "))
    answer = _PARTS.fullmatch(example.completion)
    if answer is None:
        return []
    told, shown = (_WORD.findall(text.lower()) for text in (task, _shown(example)))
    answered, typed = (_WORD.findall(text.lower()) for text in (answer["text"], answer["typed"]))
    everything = _words(example)
    copied = [word for word in told if word in shown or word in answered or word in typed]
    copied += [word for word in typed if word in shown]
    return [word for word in dict.fromkeys(copied) if not any(word in other for other in everything if word != other)]


def _words(example: Example) -> set[str]:
    """All the words of prompt and answer, in lower case."""
    return set(re.findall(r"[^\W_]+", f"{example.messages[-1]['content']} {example.completion}".lower()))


def _like(name: str, word: str, draw: random.Random) -> str:
    """The word, or for a name with digits another with letters and digits in the same places."""
    if name.isalpha():
        return word
    letters = {True: "123456789", False: "abcdefghijklmnopqrstuvwxyz"}
    return "".join(draw.choice(letters[letter.isdigit()]) for letter in name)


def _in_case_of(word: str, model: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


def _rename(example: Example, names: dict[str, str]) -> Example:
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, names)) + r")\b", re.IGNORECASE)

    def renamed(text: str) -> str:
        return pattern.sub(lambda found: _in_case_of(names[found[0].lower()], found[0]), text)

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
