"""Variations of a lesson, made by a teacher: a question in other words, whose answer stays; a task from other seeds.

A task's variation counts only when the teacher did it in the environment. A variation of a question is of the same instance
as the question, and of a task no seed is taken that could ever be held out, so the held-out split stays whole.
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
from ...adapters.serving.reply import is_unicode
from ...domain.aggregates.example_set import ExampleSet, example_set_id
from ...domain.aggregates.run import LARGEST_SEED
from ...domain.page.messages import Page
from ...domain.page.prompt import observe
from ...domain.ports import Environment, Teacher
from ...domain.settings.recipe import LARGEST_HELD_OUT_SHARE
from ..agent.episode import is_success, play
from ..feedback.corrections import TEACHER_TOKENS, ask_teacher
from ..store.ledger import Ledger

ATTEMPTS = 2
"""Other seeds that are tried for each variation wanted; chosen."""

REPHRASE = (
    "Write the following question in {count} other ways. Each must mean exactly the same, so that the same answer is right. "
    "Answer with a JSON list of strings and nothing else.\n\nQuestion: {question}"
)


def vary_run(ledger: Ledger, run: PastRun, environment: Environment, teacher: Teacher, count: int, actor: str) -> int:
    """Record ``count`` variations of the corrected run's lesson, or as many as come out; how many examples they are.

    A run that was varied before stays as it is, and so does one whose task cannot be done again and judged. Raises
    ``ModelError`` when the teacher does not answer.
    """
    if run.variations or run.correction is None:
        return 0
    is_question = run.started.is_question
    if not (is_question or run.started.is_repeatable):
        return 0
    made = _rephrase(ledger, run, teacher, count) if is_question else _other_seeds(run, environment, teacher, count)
    if not made:
        return 0
    dataset = dataset_hash(made)
    fields = {
        "role": run.started.role,
        "examples": ledger.put(encode_examples(made).decode(), "what the teacher said"),
        "dataset": dataset,
        "count": len(made),
        "run": run.id,
        "teacher": teacher.model,
        "is_verified": not is_question,
    }
    context = ledger.context(actor, run.correction.reference)
    ledger.write(
        ExampleSet, example_set_id(run.started.role, dataset), lambda examples: examples.synthesize(context, **fields)
    )
    return len(made)


def _rephrase(ledger: Ledger, run: PastRun, teacher: Teacher, count: int) -> list[Example]:
    assert run.correction is not None
    question, kept = ledger.get_content(run.started.task), ledger.get_content(run.correction.correction)
    if question is None or kept is None:
        return []
    answer = json.loads(kept)[-1]["completion"]
    request = REPHRASE.format(count=count, question=question)
    said = teacher.complete([{"role": "user", "content": request}], max_tokens=TEACHER_TOKENS, temperature=0.7).text
    others = {words(text): text.strip() for text in _read_list(said) if text.strip()}
    others.pop(words(question), None)
    return [
        _example(run, run.instance, observe(Page(text, (), is_question=True), []), answer, 0)
        for text in list(others.values())[:count]
    ]


def _read_list(said: str) -> list[str]:
    """The strings of the JSON list in what the teacher said, whatever it said around it."""
    found = re.search(r"\[.*\]", said, re.DOTALL)
    try:
        listed = json.loads(found.group()) if found else []
    except (ValueError, RecursionError):
        return []
    return [text for text in listed if isinstance(text, str) and is_unicode(text)]


def _other_seeds(run: PastRun, environment: Environment, teacher: Teacher, count: int) -> list[Example]:
    made: list[Example] = []
    done = 0
    max_steps = int(run.started.policy.get("run.max_steps", 12))
    for seed in _seeds(run, count * ATTEMPTS):
        if done == count:
            break
        actor = ask_teacher(teacher, seed=seed)
        steps = list(play(environment, environment.reset(run.started.task, seed), actor, max_steps))
        if steps and is_success(steps[-1].page):
            done += 1
            instance = _instance(run, seed)
            made += [_example(run, instance, it.messages, it.answer, number) for number, it in enumerate(steps)]
    return made


def _seeds(run: PastRun, count: int) -> Iterator[int]:
    """``count`` other seeds, always the same for the same run, none of which is held out at any share."""
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
