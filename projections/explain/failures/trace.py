"""The trace of a failure: page and action of the step that went wrong, as words that can be compared.

Numbers become ``#``, and what an action typed is left out: both differ between instances of one task. Words that differ
between the failures of one family are removed later, where all failures are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ....domain.page.action import ALL_VERBS, parse_action
from ....domain.page.line import Line, read
from ....domain.page.messages import Page
from ....domain.page.observation import Observation, read_observation

MOST_WORDS = 300
"""Different words of a page that are compared; chosen: more than a page of 64 short lines has."""

MOST_SAID = 12
"""First words of an action or an error that are compared; chosen."""

MOST_ANSWERED = 2
"""First words of an answer that are compared; chosen: what an answer begins with tells its kind, and the rest its subject."""

SHORT = 5
"""Most words of a short answer; chosen."""

LONGEST_WORD = 40
"""Characters of a word that are compared; chosen."""

ANSWER, CALL, NO_STEP, UNREADABLE = "ANSWER", "CALL", "NO STEP", "NO ACTION"
"""In place of a verb: an answer in words, a call of a function, a run without steps, and what is no action of the page."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|(?:[^\W\u3040-\u30ff\u3400-\u9fff]|#)+")
"""A word; in Chinese and Japanese, which have no spaces, one character."""

_DIGITS = re.compile(r"\d+")

_FIELDS = re.compile(r"textarea|input(?!\.(?:checkbox|radio|range|color))")
"""The kinds of lines whose value a person types."""


@dataclass(frozen=True)
class Trace:
    """The page and the action of the step that went wrong."""

    verb: str
    """The action's verb, or one of the words in capitals above."""
    target: str = ""
    """The kind of the action's element, the program of a command, the function that was called, or the length of an answer."""
    said: tuple[str, ...] = ()
    """The words of the action, in order: its element's, the command's, or those that the answer begins with."""
    error: tuple[str, ...] = ()
    """The words of the environment's error, in order."""
    shape: frozenset[str] = frozenset()
    """The kinds of the page's lines, and which fields are empty."""
    words: frozenset[str] = frozenset()
    """The words of the page or of the question."""

    def without(self, words: frozenset[str]) -> Trace:
        """The trace without these words."""
        said = tuple(word for word in self.said if word not in words)
        return replace(self, said=said, words=self.words - words)

    @property
    def page_marks(self) -> frozenset[str]:
        """What the likeness of two pages is measured by."""
        return self.shape | self.words

    @property
    def action_marks(self) -> frozenset[str]:
        """What the likeness of two actions is measured by."""
        marks = {f"does {self.verb}", f"at {self.target}", *self.said, *(f"error {word}" for word in self.error)}
        return frozenset(marks)


def words_of(text: str) -> list[str]:
    """The words of the text in order, in lower case, with ``#`` for digits."""
    return [word[:LONGEST_WORD] for word in _WORD.findall(_DIGITS.sub("#", text.lower()))]


def trace_step(
    messages: Iterable[Mapping[str, Any]], answer: str, calls: Sequence[Mapping[str, Any]], error: str
) -> Trace:
    """The trace of a step: its prompt, its answer in words and in calls, and the environment's error, empty without one."""
    seen = read_observation(messages)
    page = Page("", seen.lines)
    lines = read(page) if seen.is_page else []
    words = islice(dict.fromkeys(word for line in _texts(seen, lines) for word in words_of(line)), MOST_WORDS)
    verb, target, said = _read_action(answer, calls, seen)
    return Trace(
        verb,
        target,
        tuple(said[:MOST_SAID]),
        tuple(words_of(error)[:MOST_SAID]),
        frozenset(mark for line in lines for mark in _shape(line)),
        frozenset(words),
    )


def trace_without_step(reason: str) -> Trace:
    """The trace of a run that failed before its first step."""
    return Trace(NO_STEP, reason)


def _texts(seen: Observation, lines: Sequence[Line]) -> list[str]:
    """The texts of a page's elements, with their colours and sizes but without typed values; or the lines of a text."""
    return [f"{line.kind.partition(' ')[2]} {line.text}" for line in lines] if seen.is_page else list(seen.lines)


def _shape(line: Line) -> list[str]:
    kind = _kind(line)
    if not _FIELDS.match(kind):
        return [f"<{kind}>"]
    return [f"<{kind}>", f"<{kind}> {'filled' if line.value else 'empty'}"]


def _kind(line: Line) -> str:
    return _DIGITS.sub("#", line.kind.partition(" ")[0])[:LONGEST_WORD]


def _read_action(answer: str, calls: Sequence[Mapping[str, Any]], seen: Observation) -> tuple[str, str, list[str]]:
    """The verb, its target and the words of the action."""
    if calls:
        names = [str(call["function"]["name"]) for call in calls]
        return CALL, ", ".join(dict.fromkeys(names)), words_of(answer)
    if not seen.is_page:
        said = words_of(answer)
        return ANSWER, "short" if len(said) <= SHORT else "long", said[:MOST_ANSWERED]
    action = parse_action(answer, ALL_VERBS)
    if action is None:
        return UNREADABLE, "", words_of(answer)
    if action.verb == "RUN":
        program, *others = action.text.split()
        return action.verb, program[:LONGEST_WORD], [word for other in others for word in words_of(other)]
    written = re.match(r".*?\[\d+\]", answer.strip().removeprefix(action.verb), re.DOTALL)
    elements = read(Page("", (written[0],))) if written else []
    return (action.verb, _kind(elements[0]), words_of(elements[0].text)) if elements else (action.verb, "", [])
