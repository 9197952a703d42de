"""Proof, before any traffic, that an adapter is applied: served, it equals what its trainer left, and differs from the base.

The trainer records the logits of base and trained model for fixed prompts, from the model that it trained. The served
model gets the same prompts. The difference between the two bases is rounding (training and serving multiply 4-bit
weights by different kernels); it limits the allowed difference between trained and served adapter. The prompts are
invented: no user's text travels with an adapter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ...domain.errors import DamagedWeights
from ...domain.page.messages import Message, Page
from ...domain.page.prompt import observe
from ...domain.ports import Proof

FILE = "reference.json"
"""File of an adapter's reference, beside its weights."""
TOP = 64
"""Logits recorded per prompt and model; chosen."""
ROUNDING = 1 / 256
"""Differences of logits up to this share of their spread count as rounding: the precision of bf16."""
SLACK = 3.0
"""Served and trained adapter may differ by this many times the difference of the bases; chosen."""
NEARER = 0.5
"""Served and trained adapter may differ by this share of the difference between served adapter and base; chosen: a
wrong adapter is farther off."""


Ask = Callable[[Sequence[Message], Sequence[int], str | None], Sequence[float]]
"""The log-probabilities or logits of these tokens as the first of the answer, with the adapter or, for None, the base."""


class Inspectable(Protocol):
    """A model that exposes next-token logits; a ``ScoringModel`` is one."""

    def next_logits(self, messages: Sequence[Message], *, adapter: str | None = None) -> list[float]:
        """The logits of the answer's first token: one per token of the vocabulary."""
        ...


@dataclass(frozen=True)
class ReferenceAnswer:
    """What the trainer recorded for one prompt: the logits of some tokens, for the base and with the adapter."""

    tokens: tuple[int, ...]
    base: tuple[float, ...]
    trained: tuple[float, ...]


@dataclass(frozen=True)
class Reference:
    """The trainer's answers to ``PROMPTS``, and the fingerprint of its base."""

    base: str
    answers: tuple[ReferenceAnswer, ...]

    def to_json(self) -> dict[str, Any]:
        """The reference as plain JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Reference:
        """The reference from the output of ``to_json``."""
        answers = (ReferenceAnswer(tuple(a["tokens"]), tuple(a["base"]), tuple(a["trained"])) for a in data["answers"])
        return Reference(data["base"], tuple(answers))


def record(base: Sequence[Sequence[float]], trained: Sequence[Sequence[float]], fingerprint: str) -> Reference:
    """The reference from the trainer's full logits for each of ``PROMPTS``: the likeliest tokens of either model."""
    answers = []
    for of_base, of_trained in zip(base, trained, strict=True):
        tokens = sorted({*_top(of_base), *_top(of_trained)})
        answers.append(
            ReferenceAnswer(tuple(tokens), tuple(of_base[t] for t in tokens), tuple(of_trained[t] for t in tokens))
        )
    return Reference(fingerprint, tuple(answers))


def prove_applied(model: Inspectable, adapter: str, reference: Reference) -> Proof:
    """The comparison of the served adapter with the served base and with its trainer's record."""

    def ask(messages: Sequence[Message], tokens: Sequence[int], adapter: str | None) -> Sequence[float]:
        logits = model.next_logits(messages, adapter=adapter)
        return [logits[token] for token in tokens]

    return _compare(ask, adapter, reference, lambda values: values)


def prove_by_logprobs(ask: Ask, adapter: str, reference: Reference) -> Proof:
    """As ``prove_applied``, of a server that tells log-probabilities alone.

    These are logits less a number that is the same for all tokens of an answer. So the means of both are left out.
    """
    return _compare(ask, adapter, reference, _center)


def _compare(
    ask: Ask, adapter: str, reference: Reference, level: Callable[[Sequence[float]], Sequence[float]]
) -> Proof:
    base: list[float] = []
    served: list[float] = []
    of_base: list[float] = []
    of_trained: list[float] = []
    for messages, answer in zip(PROMPTS, reference.answers, strict=True):
        base += level(ask(messages, answer.tokens, None))
        served += level(ask(messages, answer.tokens, adapter))
        of_base += level(answer.base)
        of_trained += level(answer.trained)
    effect, error, base_error = _rms(served, base), _rms(served, of_trained), _rms(base, of_base)
    rounding = max(SLACK * base_error, ROUNDING * _spread(of_base))
    return Proof(
        adapter,
        differs=effect > rounding,
        matches=error <= rounding and error <= NEARER * effect,
        effect=effect,
        error=error,
        base_error=base_error,
        max_abs_difference=max(abs(a - b) for a, b in zip(served, of_trained, strict=True)),
        prompts=len(PROMPTS),
    )


def read_reference(directory: Path) -> Reference:
    """The reference beside an adapter's weights. Raises ``DamagedWeights`` when it is missing or unreadable."""
    file = directory / FILE
    try:
        return Reference.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedWeights(
            f"weights in {directory} have no readable {FILE} ({error}); train the adapter again"
        ) from error


def _top(logits: Sequence[float]) -> list[int]:
    return sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:TOP]


def _rms(a: Sequence[float], b: Sequence[float]) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a))


def _center(values: Sequence[float]) -> Sequence[float]:
    mean = sum(values) / len(values)
    return [value - mean for value in values]


def _spread(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _prompt(task: str, *lines: str) -> tuple[Message, ...]:
    return tuple(observe(Page(task, tuple(lines)), []))


PROMPTS: tuple[tuple[Message, ...], ...] = (
    _prompt("Click on the OK button.", "button:Cancel[1]", "button:OK[2]"),
    _prompt("Enter Ada into the field and press Submit.", "input.text[1]", "button:Submit[2]"),
    _prompt("Choose blue from the list.", "select:red[1]", "option:red[2]", "option:blue[3]", "button:Submit[4]"),
    _prompt("Open the second tab.", "a:Tab 1[1]", "a:Tab 2[2]", "a:Tab 3[3]", "p:Nothing to see here.[4]"),
)
"""The prompts of trainer and server. Never changed: recorded references are compared by position."""
