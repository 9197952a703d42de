"""Whether a model that an endpoint tuned answers there by its name, and otherwise than its base.

This is less than a proof. The endpoint shows neither weights nor logits, so nothing shows that the answers are those of
what it trained. It does find a name that stands for the base, or for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from ...domain.errors import GrokputerError
from ...domain.page.messages import Completion, Request
from ...domain.page.tools import ToolCall
from ...domain.ports import Model
from ..data.examples import Example
from ..serving.proof import PROMPTS

MOST_LESSONS = 12
"""Lessons that are asked; chosen: each is three answers."""
ANSWER_TOKENS = 64
"""Tokens of an answer, at most; chosen: the beginning shows whether two answers differ."""


@dataclass(frozen=True)
class Answers:
    """The figures of ``AdapterAnswered``."""

    prompts: int
    differ: int
    unsteady: int
    lessons: int
    learnt: int
    known: int


def compare_answers(
    model: Model,
    adapter: str,
    lessons: Iterable[Example],
    media: Callable[[Example], dict[str, str]],
    answer_tokens: int = ANSWER_TOKENS,
) -> Answers:
    """Ask adapter and base, greedily, and the base once more: an endpoint need not answer alike twice.

    ``lessons`` are examples with right answers, ``media`` gives what the marks of one stand for. Raises what the model raises
    where an answer is missing.
    """
    asked = [Request(messages, max_tokens=answer_tokens) for messages in PROMPTS]
    chosen = list(islice((example for example in lessons if example.label == "target"), MOST_LESSONS))
    asked += [Request(each.messages, max_tokens=answer_tokens, tools=each.tools, media=media(each)) for each in chosen]
    tuned, base, again = (_answers(model, asked, name) for name in (adapter, None, None))
    right = [_said(example.completion, example.tool_calls) for example in chosen]
    of_lessons = slice(len(PROMPTS), None)
    return Answers(
        prompts=len(asked),
        differ=_count(tuned, base, equal=False),
        unsteady=_count(base, again, equal=False),
        lessons=len(chosen),
        learnt=_count(tuned[of_lessons], right, equal=True),
        known=_count(base[of_lessons], right, equal=True),
    )


def _answers(model: Model, asked: Sequence[Request], adapter: str | None) -> list[object]:
    given = model.complete_many(
        [Request(each.messages, adapter, each.max_tokens, tools=each.tools, media=each.media) for each in asked]
    )
    return [_require(answer) for answer in given]


def _require(answer: Completion | GrokputerError) -> object:
    if isinstance(answer, GrokputerError):
        raise answer
    return _said(answer.text, answer.tool_calls)


def _said(text: str, calls: Sequence[ToolCall]) -> object:
    """What was said, so that two answers can be compared: the ids of calls say nothing."""
    return text.strip(), tuple((call["function"]["name"], call["function"]["arguments"]) for call in calls)


def _count(some: Sequence[object], others: Sequence[object], *, equal: bool) -> int:
    return sum((one == other) == equal for one, other in zip(some, others, strict=True))
