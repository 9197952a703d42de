"""Where examples come from, each source by its name.

A run gives what corrected it, what it did itself, and what a teacher made of it; a set from outside is content of the log.
Content that was erased gives nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...domain.events import ExamplesImported, TaskFailed
from ...domain.rules.roles import effective_answers
from ...domain.settings.recipe import Recipe
from ...domain.vocabulary import OWN_FAULTS
from .examples import Example
from .selection import name_prompt, words
from .training_runs import Content, PastRun

LESSONS = ("correction", "reviewer", "retry", "teacher", "rated")
"""The sources there is something to learn from; the others keep what is known."""

_SOURCE_OF_CORRECTION = {"human": "correction"}


def corrected_examples(run: PastRun, content: Content, recipe: Recipe) -> list[Example]:
    """The steps of the run's correction that the role would make.

    An answer that the run gave to the very same prompt is the rejected one. A teacher's answer that no environment tried
    counts only where the recipe says so.
    """
    correction = run.correction
    if correction is None or (
        correction.source == "teacher" and not correction.is_verified and not recipe.teacher_answers
    ):
        return []
    kept = content(correction.correction)
    if kept is None:
        return []
    source = _SOURCE_OF_CORRECTION.get(correction.source, correction.source)
    given = {name_prompt(example): example.completion for example in own_examples(run, content, source)}
    found = []
    for number, row in enumerate(json.loads(kept)):
        if row.get("role", run.started.role) != run.role:
            continue
        example = _example(run, source, row, number)
        answer = given.get(name_prompt(example), "")
        found.append(replace(example, rejected=answer if words(answer) != words(example.completion) else ""))
    return found


def varied_examples(run: PastRun, content: Content) -> list[Example]:
    """What a teacher made of the run: the same lesson in other words, or the same task from other seeds."""
    examples = [example for variation in run.variations for example in _read(content(variation.examples))]
    return [example for example in examples if example.role == run.role]


def own_examples(run: PastRun, content: Content, source: str, label: str = "target") -> list[Example]:
    """The steps that the role made in the run; those that could not be carried out only as bad ones."""
    found = []
    for step in run.steps:
        prompt, answer = content(step.prompt), content(step.answer)
        if prompt is not None and answer and (label == "bad" or not step.error):
            row = {"messages": json.loads(prompt), "completion": answer}
            found.append(replace(_example(run, source, row, step.step - 1), label=label))
    return found


def replayed_examples(run: PastRun, content: Content) -> list[Example]:
    """What the role is to do in the run's place: its steps, and where one could not be carried out, what was done instead.

    Without that a role that is always helped never learns to do without help.
    """
    found, own = [], {step.step for step in run.steps}
    for step, done in zip(run.way, effective_answers((it.answer, bool(it.error)) for it in run.way), strict=True):
        if step.step not in own or done is None:
            continue
        prompt, answer = content(step.prompt), content(done)
        if prompt is not None and answer:
            found.append(_example(run, "replay", {"messages": json.loads(prompt), "completion": answer}, step.step - 1))
    return found


def is_good(run: PastRun, good_stars: int) -> bool:
    """Whether the run succeeded and was rated well."""
    return run.ended is not None and not isinstance(run.ended, TaskFailed) and (run.stars or 0) >= good_stars


def is_bad(run: PastRun, below_stars: int) -> bool:
    """Whether the run was rated badly, and not for a fault of the system."""
    lost = isinstance(run.ended, TaskFailed) and run.ended.reason not in OWN_FAULTS
    return run.stars is not None and run.stars < below_stars and not lost


def imported_examples(imports: Iterable[ExamplesImported], content: Content) -> list[Example]:
    """The examples of sets from outside, set after set."""
    return [example for it in imports for example in _read(content(it.examples))]


def _example(run: PastRun, source: str, row: dict[str, Any], step: int) -> Example:
    return Example(tuple(row["messages"]), row["completion"], source, run.role, run.id, step, instance=run.instance)


def _read(lines: str | None) -> list[Example]:
    return [Example.from_json(json.loads(line)) for line in (lines or "").split("\n") if line]
