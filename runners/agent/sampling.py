"""The model's answers: many prompts in a batch, and another answer where a run would only repeat itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...domain.errors import GrokputerError
from ...domain.page.messages import Completion, Request
from ...domain.ports import Model
from .episode import Episode

FIRST_TEMPERATURE = 0.8
HOTTER = 0.1
HOTTEST = 1.5
"""Temperature of the first further sample, increase of each next one, and maximum. Source: measured on adapters of the
learning benchmark, eight samples each; with 1.3 to 2.4 fewer were right."""

SEED_STEP = 1_000_003
"""Difference between the seeds of two samples for the same step; chosen: more than the range of any task's seeds."""

Asked = tuple[Episode, Request, int]
"""The episode, its request, and the number of allowed further samples."""


def answer_by_role(model_of: Callable[[str], Model], asked: Sequence[Asked]) -> list[Completion | GrokputerError]:
    """As ``answer_episodes``, each answer by the model of the role whose turn it is."""
    by_model: dict[int, tuple[Model, list[int]]] = {}
    for number, (episode, _, _) in enumerate(asked):
        model = model_of(episode.turn)
        by_model.setdefault(id(model), (model, []))[1].append(number)
    answers: dict[int, Completion | GrokputerError] = {}
    for model, numbers in by_model.values():
        answers |= zip(numbers, answer_episodes(model, [asked[number] for number in numbers]), strict=True)
    return [answers[number] for number in range(len(asked))]


def answer_episodes(model: Model, asked: Sequence[Asked]) -> list[Completion | GrokputerError]:
    """The answer to each request, or its error.

    An answer that the episode already gave on such a page had no effect, and a greedy model would repeat it for ever.
    So another answer is sampled, at rising temperature, until one is new or the samples are used up.
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
                given_up.add(number)  # keep the first answer
            else:
                answers[number] = _after(answers[number], other)
    return answers


def _is_repeated(episode: Episode, answer: Completion | GrokputerError) -> bool:
    return isinstance(answer, Completion) and episode.would_repeat(answer.text)


def _hotter(request: Request, draw: int) -> Request:
    temperature = max(request.temperature, min(FIRST_TEMPERATURE + HOTTER * (draw - 1), HOTTEST))
    return replace(request, temperature=temperature, seed=request.seed + draw * SEED_STEP)


def _after(before: Completion | GrokputerError, other: Completion) -> Completion:
    """The other answer, with the cost of both."""
    assert isinstance(before, Completion)
    return Completion(
        other.text,
        _sum(before.prompt_tokens, other.prompt_tokens),
        _sum(before.completion_tokens, other.completion_tokens),
        before.duration_ms + other.duration_ms,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    """The sum of two token counts; None where one is unknown."""
    return None if one is None or other is None else one + other
