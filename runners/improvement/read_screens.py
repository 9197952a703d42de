"""The gate of role ``ocr``: held-out screens are read by both arms, and their lines compared with the right ones.

Each screen is answered alone, by the words in its recorded prompt: no episode is needed. An arm without an adapter reads as
runs do without one, by ``lay_out``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Literal, TypedDict

from ...domain.page.reading import compare_lines, read_lines, read_words
from ...domain.page.words import lay_out
from ...domain.ports import Model
from ..agent.runner import LONGEST_READING

if TYPE_CHECKING:
    from ...adapters.data.examples import Example
    from ...adapters.data.held_out import HeldOut


class ReadRow(TypedDict):
    """The share of right lines of both arms on the screens of one instance, 0 to 1, as it is recorded.

    A line whose text is right and whose kind is not counts half. Else an adapter that finds one kind would be better than the
    program, which tells none, although it loses all the other lines.
    """

    outcome: str
    by: Literal["lines"]
    instance: str
    is_fresh: bool
    adapter: float
    parent: float


def read_screens(
    model: Model, adapter: str, parent: str | None, chosen: Sequence[HeldOut], prepare: Callable[[str], None]
) -> Iterator[ReadRow]:
    """One row for each instance. Raises ``ModelError``, and ``DamagedWeights`` from ``prepare``."""
    for held in chosen:
        yield {
            "outcome": held.outcome,
            "by": "lines",
            "instance": held.instance,
            "is_fresh": False,
            "adapter": _share(model, adapter, held, prepare),
            "parent": _share(model, parent, held, prepare),
        }


def _share(model: Model, adapter: str | None, held: HeldOut, prepare: Callable[[str], None]) -> float:
    if adapter is not None:
        prepare(adapter)
    return fmean(_share_of(model, adapter, example) for example in held.examples)


def _share_of(model: Model, adapter: str | None, example: Example) -> float:
    words = read_words(example.messages)
    layout = lay_out(words)
    if adapter is not None:
        answer = model.complete(example.messages, adapter=adapter, max_tokens=LONGEST_READING)
        layout = read_lines(answer.text, words) or layout
    right = example.completion.split("\n")
    return fmean(compare_lines(right, layout.lines, by_text=by_text).share for by_text in (False, True))
