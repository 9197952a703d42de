"""A judge model's grade of an answer: it is asked within a time limit, its verdict is read strictly, and recorded once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from ...domain.aggregates.run import TaskRun
from ...domain.errors import ModelError, NotPossible
from ...domain.events.base import KEY
from ...domain.page.grading import CRITERIA, Grade, read_grade, write_grading_prompt
from ...domain.page.tools import read_stored, show_answer
from ...domain.settings.running import CRITERIA as CRITERIA_SETTING

if TYPE_CHECKING:
    from ...domain.page.messages import Message
    from ...domain.ports import Teacher
    from ...domain.settings.settings import Policy
    from ..store.ledger import Ledger
    from ..store.log import Log

JUDGE_TOKENS = 1024
"""Longest reply of a judge in tokens: some reason before they answer; chosen, as for a teacher."""

T = TypeVar("T")


@dataclass(frozen=True)
class Judge:
    """A judge model with its criteria, as the settings of a role name them."""

    model: Teacher
    name: str
    """Its model name and its endpoint, as a grade records them."""
    criteria: str
    """The text of the criteria."""
    timeout_s: float

    @property
    def criteria_hash(self) -> str:
        """The hash of the criteria's text, which a grade records."""
        return hash_criteria(self.criteria)

    def ask(self, messages: Sequence[Message]) -> Grade:
        """The judge's grade. Raises ``ModelError`` where it does not answer in time, and ``NoVerdict``."""
        reply = _within(
            self.timeout_s, lambda: self.model.complete(messages, max_tokens=JUDGE_TOKENS, temperature=0.0).text
        )
        if reply is None:
            raise ModelError(f"the judge {self.name} did not answer within {self.timeout_s:g} s (judge.timeout_s)")
        return read_grade(reply)


def hash_criteria(criteria: str) -> str:
    """The first 12 hex digits of the criteria's SHA-256."""
    return hashlib.sha256(criteria.encode()).hexdigest()[:12]


def name_judge(policy: Policy, role: str) -> str | None:
    """The judge of the role as a grade records it; None where the settings name none."""
    settings = policy.judge(role)
    return f"{settings.model}@{settings.endpoint}" if settings.endpoint and settings.model else None


def criteria_of(log: Log, policy: Policy, role: str) -> str:
    """The text of the role's criteria. Raises ``ModelError`` where it was erased."""
    value = policy.judge(role).criteria
    text = CRITERIA if value is None else log.get_content(value) if KEY.fullmatch(value) else value
    if text is None:
        raise ModelError(f"the text of {CRITERIA_SETTING} was erased; set it again, or unset it")
    return text


def make_judge(log: Log, model: Teacher, policy: Policy, role: str) -> Judge:
    """The role's judge with the criteria in force. Raises ``ModelError`` where their text was erased."""
    name = name_judge(policy, role)
    assert name is not None
    return Judge(model, name, criteria_of(log, policy, role), policy.judge(role).timeout_s)


def has_answer(log: Log, run: TaskRun) -> bool:
    """Whether the run has an answer whose words are there. A run without one is never graded."""
    if not run.steps:
        return False
    keys = (run.steps[-1].prompt, run.steps[-1].answer, run.steps[-1].tool_calls)
    return all(log.has_content(key) for key in keys if key is not None)


def grading_prompt(log: Log, run: TaskRun, criteria: str) -> list[Message]:
    """The messages that ask for a grade of the run's last answer.

    Raises ``NotPossible`` for a run that cannot be graded, and where its words were erased.
    """
    run.require_gradable()
    if not run.steps:
        raise NotPossible(f"run {run.id.hex[:8]} has no answer to grade")
    last = run.steps[-1]
    prompt, answer = log.get_content(last.prompt), log.get_content(last.answer)
    calls = read_stored(last.tool_calls, log.get_content)
    if prompt is None or answer is None or calls is None:
        lost = "were erased" if last.prompt else "were not kept (gateway.texts_percent)"
        raise NotPossible(f"the words of run {run.id.hex[:8]} {lost}; it cannot be graded")
    return write_grading_prompt(criteria, json.loads(prompt), show_answer(answer, calls))


def grade_run(ledger: Ledger, run: TaskRun, judge: Judge, actor: str) -> TaskRun:
    """Ask the judge for a grade of the run, and record it; the run after that. A run that it has graded stays as it is.

    Raises ``NotPossible`` as ``grading_prompt`` does, ``ModelError`` where the judge does not answer in time, and
    ``NoVerdict`` for a reply that is no verdict. Then nothing is recorded.
    """
    if run.is_graded(judge.name, judge.criteria_hash):
        return run
    messages = grading_prompt(ledger, run, judge.criteria)
    grade = judge.ask(messages)
    prompt = ledger.put(json.dumps(messages, ensure_ascii=False), "the judge's prompt")
    reason = ledger.put(grade.reason, "the judge's reason") if grade.reason else None
    assert run.ended is not None
    context = ledger.context(actor, run.ended.reference)

    def decide(run: TaskRun) -> None:
        grading_prompt(ledger, run, judge.criteria)  # the words may have been erased while the judge was asked
        run.grade(
            grade.stars, reason=reason, judge=judge.name, criteria=judge.criteria_hash, prompt=prompt, context=context
        )

    return ledger.write(TaskRun, run.id, decide)


def _within(limit_s: float, ask: Callable[[], T]) -> T | None:
    """The result of ``ask``, or None when it takes longer; then it ends alone, and its result is dropped.

    A library's own limits apply to single reads: a server that sends a byte a minute never meets them. Raises what ``ask``
    raises.
    """
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            results.put((ask(), None))
        except BaseException as error:
            results.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=limit_s)
    except Empty:
        return None
    if error is not None:
        raise error
    return result
