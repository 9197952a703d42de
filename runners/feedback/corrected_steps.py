"""What a correction teaches: its steps, each with the exact prompt of a run and the role that learns it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...domain.aggregates.run import TaskRun
from ...domain.page.messages import Message
from ...domain.page.tools import Tool, ToolCall
from ...domain.rules.roles import effective_answers
from ...domain.vocabulary import Finding, StepKind
from ..agent.episode import Step
from ..store.ledger import Ledger


@dataclass(frozen=True)
class CorrectedStep:
    """One step of a correction: the prompt, the right answer, and the role that learns it."""

    messages: list[Message]
    completion: str
    role: str
    is_instead: bool = False
    """Whether the original answer differed and could not be carried out."""
    tools: Sequence[Tool] = ()
    """The functions that were offered."""
    tool_calls: Sequence[ToolCall] = ()
    """The right calls."""
    kind: StepKind = StepKind.ACT

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        row = {"messages": self.messages, "completion": self.completion, "role": self.role}
        further = {"is_instead": self.is_instead, "tools": list(self.tools), "tool_calls": list(self.tool_calls)}
        thought = {} if self.kind == StepKind.ACT else {"kind": str(self.kind)}
        return row | {name: value for name, value in further.items() if value} | thought


def lessons_of(steps: Sequence[Step]) -> list[CorrectedStep]:
    """The corrected steps: the acts, where one that failed gets the answer that was eventually carried out there; the last
    plan; and the checks that found their goals reached."""
    acts = [step for step in steps if step.kind == StepKind.ACT]
    has_failed = {id(step): bool(step.page.error) or _is_refused(step, steps) for step in acts}
    done = effective_answers((step.answer, has_failed[id(step)]) for step in acts)
    lessons = {
        id(step): CorrectedStep(step.messages, answer, step.role, is_instead=has_failed[id(step)])
        for step, answer in zip(acts, done, strict=True)
        if answer is not None
    }
    plans = [step for step in steps if step.kind == StepKind.PLAN and step.found != Finding.UNREADABLE]
    checks = [step for step in steps if step.kind == StepKind.CHECK and step.found == Finding.REACHED]
    for step in (*plans[-1:], *checks):
        lessons[id(step)] = CorrectedStep(step.messages, step.answer, step.role, kind=step.kind)
    return [lessons[id(step)] for step in steps if id(step) in lessons]


def _is_refused(act: Step, steps: Sequence[Step]) -> bool:
    """Whether the next step is a check that found the goal not reached, which the act had said to be."""
    following = next((after for before, after in pairwise(steps) if before is act), None)
    return following is not None and following.kind == StepKind.CHECK and following.found == Finding.NOT_REACHED


def record_steps(
    ledger: Ledger, run: TaskRun, lessons: Sequence[CorrectedStep], source: str, is_verified: bool, actor: str
) -> TaskRun:
    """Record the steps as the run's correction; see ``record_rows``."""
    rows = [lesson.to_json() for lesson in lessons]
    steps = sum(lesson.kind == StepKind.ACT and not lesson.is_instead for lesson in lessons)
    return record_rows(ledger, run, rows, steps, source, is_verified=is_verified, actor=actor)


def record_rows(
    ledger: Ledger,
    run: TaskRun,
    rows: Sequence[dict[str, Any]],
    steps: int,
    source: str,
    *,
    is_verified: bool,
    actor: str,
) -> TaskRun:
    """Record the stored form of steps, ``steps`` of which act, as the run's correction. Idempotent."""
    rows = list(rows)
    own = ledger.put(json.dumps(rows, ensure_ascii=False), "the correction")
    caused_by = run.ended.reference if run.ended is not None else None
    context = ledger.context(actor, caused_by)

    def decide(run: TaskRun) -> None:
        """On the run as it is now: the same correction may have come meanwhile. Keys are salted, so its text is compared."""
        keys = (correction.correction for correction in run.corrections)
        known = next((key for key in keys if _read(ledger.get_content(key)) == rows), own)
        run.correct(source, known, steps, is_verified, context)

    return ledger.write(TaskRun, run.id, decide)


def _read(correction: str | None) -> Any:
    return None if correction is None else json.loads(correction)


def record_lessons(ledger: Ledger, run: TaskRun, steps: Sequence[Step], source: str, actor: str) -> TaskRun:
    """Record successful steps as the run's correction: verified where the environment judges."""
    assert run.started is not None
    return record_steps(ledger, run, lessons_of(steps), source, run.started.is_verified, actor)
