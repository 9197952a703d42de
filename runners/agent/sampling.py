"""What the model answers: many questions at a time, and something else where a run would only repeat itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...domain.errors import GrokputerError
from ...domain.page.messages import Completion, Request
from ...domain.ports import Model
from .episode import Episode

FIRST_TEMPERATURE = 0.8
HOTTER = 0.1
HOTTEST = 1.5
"""The temperature of the first draw for another answer, how much hotter each further one is, and of the hottest. Source:
measured on adapters of the learning benchmark, eight draws each; at 1.3 to 2.4 fewer were right."""

APART = 1_000_003
"""Between the seeds of two draws for the same step; chosen: more than any task's seeds lie apart."""

Asked = tuple[Episode, Request, int]
"""Who asks, what, and how many draws for another answer there may be."""


def answer_episodes(model: Model, asked: Sequence[Asked]) -> list[Completion | GrokputerError]:
    """The answer to each, or its error.

    One that the episode has given on such a page before led nowhere then, and would for ever: a greedy model does not think
    again. In its place another is drawn, hotter each time, until one is new or the draws are used up.
    """
    answers, given_up = model.complete_many([request for _, request, _ in asked]), set[int]()
    for draw in range(1, max((resamples for _, _, resamples in asked), default=0) + 1):
        stuck = [
            number
            for number, (episode, _, resamples) in enumerate(asked)
            if draw <= resamples and number not in given_up and _is_repeated(episode, answers[number])
        ]
        if not stuck:
            break
        others = model.complete_many([_hotter(asked[number][1], draw) for number in stuck])
        for number, other in zip(stuck, others, strict=True):
            if isinstance(other, GrokputerError):
                given_up.add(number)  # What it has answered stands.
            else:
                answers[number] = _after(answers[number], other)
    return answers


def _is_repeated(episode: Episode, answer: Completion | GrokputerError) -> bool:
    return isinstance(answer, Completion) and episode.would_repeat(answer.text)


def _hotter(request: Request, draw: int) -> Request:
    temperature = max(request.temperature, min(FIRST_TEMPERATURE + HOTTER * (draw - 1), HOTTEST))
    return replace(request, temperature=temperature, seed=request.seed + draw * APART)


def _after(before: Completion | GrokputerError, other: Completion) -> Completion:
    """The other answer, at the cost of both."""
    assert isinstance(before, Completion)
    return Completion(
        other.text,
        _sum(before.prompt_tokens, other.prompt_tokens),
        _sum(before.completion_tokens, other.completion_tokens),
        before.duration_ms + other.duration_ms,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    """The tokens of both, None where those of one are unknown."""
    return None if one is None or other is None else one + other
