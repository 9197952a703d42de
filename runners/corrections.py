"""Corrections: what should have been done, carried out in the environment before it counts.

A correction is kept as the steps it teaches, each with the very prompt a run would have seen. One that cannot be tried,
because its task is a question in words, is a person's word and is recorded as unverified.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..domain.errors import GrokputerError, NotPossible
from ..domain.ports import Completion, Environment, Message, Model, Page, Script
from ..domain.prompt import observe
from ..domain.run import TaskRun
from .demonstrations import demonstrate
from .episode import Actor, Step, ask_model, follow_script, is_success, play, repeat_actions
from .ledger import Ledger
from .tasks import task_of

TRYING_AGAIN = 0.8
"""Sampling temperature of another try at the same task; chosen."""

TEACHER_TOKENS = 1024
"""Longest answer of a teacher, tokens: some think aloud before they answer; chosen."""


class BadCorrection(GrokputerError):
    """A correction that does not do the task."""


def correct_by_hand(
    ledger: Ledger, run: TaskRun, environment: Environment, written: Sequence[str], actor: str
) -> TaskRun:
    """Record a person's correction: the actions that do the task, or the answer that should have been given.

    Raises ``BadCorrection`` when the actions, tried in the environment, do not succeed.
    """
    if not written or not all(text.strip() for text in written):
        raise BadCorrection("a correction must not be empty; give the answer, or each action in its order")
    started = run.started
    assert started is not None
    if started.environment == "chat":
        if len(written) > 1:
            raise BadCorrection(f"a question has one answer, not {len(written)}; give it as one text in quotes")
        task = task_of(ledger, started)
        if task is None:
            raise NotPossible(f"the task of run {run.id.hex} was erased; it cannot be corrected")
        page = environment.reset(task.task, task.seed)
        return _record(ledger, run, [(observe(page, []), written[0])], "human", False, actor)
    steps = _try(ledger, run, environment, repeat_actions(written), len(written))
    if not steps or not is_success(steps[-1].page):
        raise BadCorrection(f"these actions do not do the task: {_explain(steps, len(written))}; nothing was recorded")
    return _record(ledger, run, _pairs(steps), "human", True, actor)


def correct_by_demonstration(
    ledger: Ledger, run: TaskRun, environment: Environment, actor: str, script: Script | None = None
) -> TaskRun | None:
    """Record the reviewer's script, or our demonstration, as a correction; None when it does not succeed either."""
    started = run.started
    assert started is not None
    script = script or demonstrate(started.task)
    steps = _try(ledger, run, environment, follow_script(script), _max_steps(run))
    if not steps or not is_success(steps[-1].page):
        return None
    return _record(ledger, run, _pairs(steps), "reviewer", True, actor)


def correct_by_retry(
    ledger: Ledger,
    run: TaskRun,
    environment: Environment,
    model: Model,
    adapter: str | None,
    retries: int,
    actor: str,
    temperature: float = TRYING_AGAIN,
) -> TaskRun | None:
    """Run the failed task again with sampling, at most ``retries`` times, and record the first success as correction."""
    attempts = (ask_model(model, adapter, 256, temperature, seed=1000 * attempt) for attempt in range(1, retries + 1))
    return _record_success(ledger, run, environment, attempts, "retry", actor)


def correct_by_teacher(
    ledger: Ledger, run: TaskRun, environment: Environment, teacher: Model, tries: int, actor: str
) -> TaskRun | None:
    """Let a better model do the failed task, at most ``tries`` times, and record its first success as correction.

    A question in words is answered once, and the answer recorded as unverified: nobody can try it. Raises ``ModelError``
    when the teacher does not answer.
    """
    started = run.started
    assert started is not None
    if started.environment == "chat":
        steps = _try(ledger, run, environment, ask_teacher(teacher), 1)
        is_answer = bool(steps) and is_success(steps[-1].page)
        return _record(ledger, run, _pairs(steps), "teacher", False, actor) if is_answer and tries else None
    attempts = (ask_teacher(teacher, TRYING_AGAIN if attempt else 0.0, seed=1000 * attempt) for attempt in range(tries))
    return _record_success(ledger, run, environment, attempts, "teacher", actor)


def ask_teacher(teacher: Model, temperature: float = 0.0, seed: int = 0) -> Actor:
    """An actor that is the teacher. Blanks around its answer are its manners and no part of it."""
    ask = ask_model(teacher, None, TEACHER_TOKENS, temperature, seed)

    def act(page: Page, history: Sequence[str], messages: Sequence[Message]) -> Completion:
        completion = ask(page, history, messages)
        return replace(completion, text=completion.text.strip())

    return act


def _record_success(
    ledger: Ledger, run: TaskRun, environment: Environment, attempts: Iterable[Actor], source: str, actor: str
) -> TaskRun | None:
    """Record the first attempt that does the task as the run's correction, None when none does."""
    for attempt in attempts:
        steps = _try(ledger, run, environment, attempt, _max_steps(run))
        if steps and is_success(steps[-1].page):
            return _record(ledger, run, _pairs(steps), source, True, actor)
    return None


def _try(ledger: Ledger, run: TaskRun, environment: Environment, actor: Actor, max_steps: int) -> list[Step]:
    assert run.started is not None
    task = task_of(ledger, run.started)
    if task is None:
        raise NotPossible(f"the task of run {run.id.hex} was erased; it cannot be corrected")
    return list(play(environment, environment.reset(task.task, task.seed), actor, max_steps))


def _max_steps(run: TaskRun) -> int:
    assert run.started is not None
    return int(run.started.policy.get("run.max_steps", 12))


def _pairs(steps: Sequence[Step]) -> list[tuple[object, str]]:
    return [(step.messages, step.answer) for step in steps]


def _record(
    ledger: Ledger, run: TaskRun, pairs: Sequence[tuple[object, str]], source: str, is_verified: bool, actor: str
) -> TaskRun:
    text = json.dumps([{"messages": messages, "completion": answer} for messages, answer in pairs])
    # Keys are salted, so the same correction is known by its text.
    known = (it.correction for it in run.corrections if ledger.get_content(it.correction) == text)
    key = next(known, None) or ledger.put(text)
    caused_by = run.ended.reference if run.ended is not None else None
    context = ledger.context(actor, caused_by)
    return ledger.write(TaskRun, run.id, lambda it: it.correct(source, key, len(pairs), is_verified, context))


def _explain(steps: Sequence[Step], wanted: int) -> str:
    for number, step in enumerate(steps, 1):
        if step.page.error:
            return f"action {number}, {step.answer[:60]!r}: {step.page.error}"
    if steps and steps[-1].page.is_done:
        return f"after action {len(steps)} of {wanted} the task ended with reward {steps[-1].page.reward:g}"
    return f"after all {wanted} the task is not done"
