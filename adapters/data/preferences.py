"""Answers that ratings judge bad, for KTO. They are never targets.

A rating is about a whole run, and most steps of a failed run may have been right. So only the step at fault is judged
bad, where it is known. A step that agrees with the correction is never judged bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...domain.settings.recipe import Recipe
from .examples import Example
from .selection import name_answer, name_prompt
from .sources import corrected_examples, is_bad, own_examples
from .training_runs import Content, PastRun, learning_from


def bad_examples(runs: Iterable[PastRun], content: Content, below_stars: int, recipe: Recipe) -> list[Example]:
    """The steps at fault in the runs rated under ``below_stars``, unless another role was at fault."""
    bad: list[Example] = []
    for run in runs:
        if is_bad(run, below_stars) and run.rating is not None and run.fault in (None, run.role):
            named = None if run.rating.step is None else run.rating.step - 1
            with learning_from(run):
                own = own_examples(run, content, "rated", "bad")
                bad += find_fault(own, corrected_examples(run, content, recipe), named)
    return bad


def find_fault(taken: Sequence[Example], corrected: Sequence[Example], named: int | None) -> list[Example]:
    """The steps at fault: the ``named`` one (from 0), else the first that differs from the correction, else all.

    A step that agrees with the correction is never among them.
    """
    right = {name_prompt(example): _answer(example) for example in corrected}
    wrong = [example for example in taken if _answer(example) != right.get(name_prompt(example))]
    if named is not None:
        return [example for example in wrong if example.step == named]
    diverging = [answer for answer in wrong if name_prompt(answer) in right]
    return diverging[:1] or wrong


def _answer(example: Example) -> str:
    return name_answer(example.completion, example.tool_calls)
