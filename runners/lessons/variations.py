"""Variations of a correction by a teacher: a question in other words with the same answer, or a task from other seeds.

A task's variation counts only when the teacher succeeded in the environment. A varied question belongs to the instance
of the original. A varied task never uses a seed that could be held out. So the held-out split stays intact.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from ...adapters.data.examples import Example, dataset_hash, encode_examples
from ...adapters.data.held_out import is_held_out
from ...adapters.data.selection import words
from ...adapters.data.training_runs import PastRun
from ...domain.aggregates.example_set import ExampleSet, example_set_id
from ...domain.aggregates.run import LARGEST_SEED
from ...domain.page.messages import Page
from ...domain.page.prompt import observe
from ...domain.ports import Environment, Teacher
from ...domain.rules.coordination import recorded_bounds
from ...domain.settings.recipe import LARGEST_HELD_OUT_SHARE
from ...domain.text import is_unicode
from ..agent.episode import is_success, play
from ..agent.inputs import read_inputs
from ..agent.preface import make_preface, roles_of
from ..feedback.corrections import TEACHER_TOKENS, ask_teacher
from ..store.ledger import Ledger

ATTEMPTS = 2
"""Seeds that are tried for each variation wanted; chosen."""

REPHRASE = (
    "Write the following question in {count} other ways. Each must mean exactly the same, so that the same answer is right. "
    "Answer with a JSON list of strings and nothing else.\n\nQuestion: {question}"
)


def vary_run(ledger: Ledger, run: PastRun, environment: Environment, teacher: Teacher, count: int, actor: str) -> int:
    """Record up to ``count`` variations of the corrected run; the number of examples.

    A run that was varied before is skipped, and so is one whose task cannot be repeated and judged, and one with tools,
    whose question is not the last message. Raises
    ``ModelError`` when the teacher does not answer.
    """
    if run.variations or run.correction is None or any(step.tools or step.tool_calls for step in run.steps):
        return 0
    is_question = run.started.is_question
    if not (is_question or run.started.is_repeatable):
        return 0
    variations = (
        _rephrase(ledger, run, teacher, count)
        if is_question
        else _other_seeds(ledger, run, environment, teacher, count)
    )
    if not variations:
        return 0
    dataset = dataset_hash(variations)
    fields = {
        "role": run.started.role,
        "examples": ledger.put(encode_examples(variations).decode(), "the teacher's answer"),
        "dataset": dataset,
        "count": len(variations),
        "run": run.id,
        "teacher": teacher.model,
        "is_verified": not is_question,
    }
    context = ledger.context(actor, run.correction.reference)
    ledger.write(
        ExampleSet, example_set_id(run.started.role, dataset), lambda examples: examples.synthesize(context, **fields)
    )
    return len(variations)


def _rephrase(ledger: Ledger, run: PastRun, teacher: Teacher, count: int) -> list[Example]:
    assert run.correction is not None
    question, correction = ledger.get_content(run.started.task), ledger.get_content(run.correction.correction)
    if question is None or correction is None:
        return []
    corrected = json.loads(correction)[-1]
    before, answer = corrected["messages"][:-1], corrected["completion"]
    inputs = read_inputs(ledger, run.started)
    if inputs is None:
        return []
    request = REPHRASE.format(count=count, question=question)
    reply = teacher.complete([{"role": "user", "content": request}], max_tokens=TEACHER_TOKENS, temperature=0.7).text
    others = {words(text): text.strip() for text in _read_list(reply) if text.strip()}
    others.pop(words(question), None)
    return [
        _example(run, run.instance, observe(Page(text, (), is_question=True, inputs=inputs), [], before), answer, 0)
        for text in list(others.values())[:count]
    ]


def _read_list(reply: str) -> list[str]:
    """The strings of the JSON list in the teacher's reply; other text around the list is ignored."""
    match = re.search(r"\[.*\]", reply, re.DOTALL)
    try:
        listed = json.loads(match.group()) if match else []
    except (ValueError, RecursionError):
        return []
    return [text for text in listed if isinstance(text, str) and is_unicode(text)]


def _other_seeds(ledger: Ledger, run: PastRun, environment: Environment, teacher: Teacher, count: int) -> list[Example]:
    examples: list[Example] = []
    successes = 0
    max_steps = int(run.started.policy.get("run.max_steps", 12))
    preface = make_preface(ledger.get_content, run.started.policy, roles_of(run.started))
    bounds = recorded_bounds(run.started.policy)
    inputs = read_inputs(ledger, run.started)
    if inputs is None:
        return []
    for seed in _seeds(run, count * ATTEMPTS):
        if successes == count:
            break
        actor = ask_teacher(teacher, seed=seed, media=inputs)
        page = environment.reset(run.started.task, seed)
        role = run.started.role
        steps = list(play(environment, page, actor, max_steps, role, preface, bounds, inputs=inputs))
        if steps and is_success(steps[-1].page):
            successes += 1
            instance = _instance(run, seed)
            examples += [
                _example(run, instance, step.messages, step.answer, number)
                for number, step in enumerate(steps)
                if bounds is None or step.role == run.started.role
            ]
    return examples


def _seeds(run: PastRun, count: int) -> Iterator[int]:
    """``count`` other seeds, always the same for the same run; none of them can be held out at any share."""
    number = found = 0
    while found < count:
        digest = hashlib.sha256(f"{run.id}/{number}".encode()).digest()
        seed = int.from_bytes(digest[:8], "big") % (LARGEST_SEED + 1)
        number += 1
        if not is_held_out(_instance(run, seed), LARGEST_HELD_OUT_SHARE):
            found += 1
            yield seed


def _instance(run: PastRun, seed: int) -> str:
    return f"{run.started.environment}/{run.started.task}#{seed}"


def _example(run: PastRun, instance: str, messages: object, answer: str, step: int) -> Example:
    return Example(tuple(messages), answer, "teacher", run.started.role, run.id, step, instance=instance)  # type: ignore[arg-type]
