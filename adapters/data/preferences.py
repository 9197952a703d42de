"""What ratings say of the steps that were taken: answers judged bad, for KTO. They are never targets.

A rating is of a whole run, and most steps of a failed run may have been right. So only the step at fault is judged bad, where
it is known; and what the correction does too is never.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...domain.settings.recipe import Recipe
from .examples import Example
from .selection import name_prompt, words
from .sources import corrected_examples, is_bad, own_examples
from .training_runs import Content, PastRun, learning_from


def bad_examples(runs: Iterable[PastRun], content: Content, below_stars: int, recipe: Recipe) -> list[Example]:
    """The steps at fault of the runs that were rated under ``below_stars``, unless another role was at fault."""
    found: list[Example] = []
    for run in runs:
        if is_bad(run, below_stars) and run.rating is not None and run.fault in (None, run.role):
            named = None if run.rating.step is None else run.rating.step - 1
            with learning_from(run):
                taken = own_examples(run, content, "rated", "bad")
                found += find_fault(taken, corrected_examples(run, content, recipe), named)
    return found


def find_fault(taken: Sequence[Example], corrected: Sequence[Example], named: int | None) -> list[Example]:
    """The steps at fault: the one that was ``named`` (from 0), else the first that parted from the correction, else all.

    A step that does what the correction does is at fault in none of these cases.
    """
    right = {name_prompt(example): words(example.completion) for example in corrected}
    wrong = [it for it in taken if words(it.completion) != right.get(name_prompt(it))]
    if named is not None:
        return [it for it in wrong if it.step == named]
    parted = [it for it in wrong if name_prompt(it) in right]
    return parted[:1] or wrong
