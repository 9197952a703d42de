"""The sources of examples, each with its name.

A run gives examples of its corrections, of its own steps, and of a teacher's variations; imported sets are content of
the log. Erased content gives no examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...domain.events import ExamplesImported, StepTaken, TaskFailed
from ...domain.page.tools import read_stored
from ...domain.rules.roles import effective_answers
from ...domain.settings.recipe import Recipe
from ...domain.vocabulary import OWN_FAULTS, Finding, StepKind
from .examples import Example
from .selection import name_answer, name_prompt
from .training_runs import Content, PastRun

LESSONS = ("correction", "reviewer", "retry", "teacher", "rated")
"""The sources with something new to learn; the others preserve what is known."""

_SOURCE_OF_CORRECTION = {"human": "correction"}


def corrected_examples(run: PastRun, content: Content, recipe: Recipe) -> list[Example]:
    """The steps of the run's correction that belong to the role.

    The run's own answer to the same prompt becomes the rejected one. A teacher's answer that no environment verified
    counts only where the recipe allows it.
    """
    correction = run.correction
    if correction is None or (
        correction.source == "teacher" and not correction.is_verified and not recipe.teacher_answers
    ):
        return []
    text = content(correction.correction)
    if text is None:
        return []
    source = _SOURCE_OF_CORRECTION.get(correction.source, correction.source)
    given = {name_prompt(example): example for example in own_examples(run, content, source)}
    examples = []
    for number, row in enumerate(json.loads(text)):
        if row.get("role", run.started.role) != run.role:
            continue
        example = _example(run, source, row, number)
        examples.append(_with_rejected(example, given.get(name_prompt(example))))
    return examples


def _with_rejected(example: Example, given: Example | None) -> Example:
    """The example with the given answer to the same prompt as the rejected one, where it is another answer."""
    if given is None or _answer(given) == _answer(example):
        return example
    return replace(example, rejected=given.completion, rejected_calls=given.tool_calls)


def _answer(example: Example) -> str:
    return name_answer(example.completion, example.tool_calls)


def varied_examples(run: PastRun, content: Content) -> list[Example]:
    """A teacher's variations of the run: the same question in other words, or the same task from other seeds."""
    examples = [example for variation in run.variations for example in _read(content(variation.examples))]
    return [example for example in examples if example.role == run.role]


def own_examples(run: PastRun, content: Content, source: str, label: str = "target") -> list[Example]:
    """The role's own steps in the run; failed steps only where the label is bad."""
    examples = []
    for step in run.steps:
        row = _row(step, step, content) if label == "bad" or not run.has_failed(step) else None
        if row is not None:
            examples.append(replace(_example(run, source, row, step.step - 1), label=label))
    return examples


def replayed_examples(run: PastRun, content: Content) -> list[Example]:
    """The right steps of the role in this run: its own, and for a failed act the one that was eventually carried out.

    Without the second kind, a role that another role always helps would never learn to do without help.
    """
    examples = [
        _example(run, "replay", row, step.step - 1)
        for step in _right_thoughts(run)
        if (row := _row(step, step, content)) is not None
    ]
    own = {step.step for step in run.steps}
    for step, done in zip(run.way, effective_answers((step, run.has_failed(step)) for step in run.way), strict=True):
        row = None if step.step not in own or done is None else _row(step, done, content)
        if row is not None:
            examples.append(_example(run, "replay", row, step.step - 1))
    return examples


def _right_thoughts(run: PastRun) -> list[StepTaken]:
    """The role's steps in this good run that did not act, and are known to be right: its newest plan, which led to the end;
    a model's readings that agree with the tree; and checks that found their goal reached."""
    plans = [step for step in run.steps if step.kind == StepKind.PLAN and step.found != Finding.UNREADABLE]
    reads = [step for step in run.steps if step.kind == StepKind.READ and not step.found and _was_asked(step)]
    checks = [step for step in run.steps if step.kind == StepKind.CHECK and step.found == Finding.REACHED]
    return sorted([*plans[-1:], *reads, *checks], key=lambda step: step.step)


def _was_asked(reading: StepTaken) -> bool:
    """Whether a model made the lines, and not the program: those of the program are nothing to learn."""
    return reading.prompt_tokens is not None or bool(reading.model_ms)


def _row(step: StepTaken, answered: StepTaken, content: Content) -> dict[str, Any] | None:
    """The prompt of one step with the answer of another; None where a part was erased, or the answer is empty."""
    prompt, answer = content(step.prompt), content(answered.answer)
    tools, calls = read_stored(step.tools, content), read_stored(answered.tool_calls, content)
    if prompt is None or answer is None or tools is None or calls is None or not (answer or answered.tool_calls):
        return None
    return {
        "messages": json.loads(prompt),
        "completion": answer,
        "tools": tools,
        "tool_calls": calls,
    }


def is_good(run: PastRun, good_stars: int) -> bool:
    """Whether the run succeeded and is rated at least ``good_stars``."""
    return run.ended is not None and not isinstance(run.ended, TaskFailed) and (run.stars or 0) >= good_stars


def is_bad(run: PastRun, below_stars: int) -> bool:
    """Whether the run is rated under ``below_stars`` and was not lost to a fault of the system."""
    lost = isinstance(run.ended, TaskFailed) and run.ended.reason not in OWN_FAULTS
    return run.stars is not None and run.stars < below_stars and not lost


def imported_examples(imports: Iterable[ExamplesImported], content: Content) -> list[Example]:
    """The examples of imported sets, set after set."""
    return [example for imported in imports for example in _read(content(imported.examples))]


def _example(run: PastRun, source: str, row: dict[str, Any], step: int) -> Example:
    return Example(
        tuple(row["messages"]),
        row["completion"],
        source,
        run.role,
        run.id,
        step,
        instance=run.instance,
        tools=tuple(row.get("tools", ())),
        tool_calls=tuple(row.get("tool_calls", ())),
    )


def _read(lines: str | None) -> list[Example]:
    return [Example.from_json(json.loads(line)) for line in (lines or "").split("\n") if line]
