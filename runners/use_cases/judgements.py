"""A judge model's grades: of a run, now; the prompt that it is asked with; and its agreement with people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotPossible
from ...domain.events import TaskAnswered, TaskGraded, TaskRated
from ...domain.page.grading import write_grading_prompt
from ...domain.page.messages import Message
from ...domain.vocabulary import Arm
from ...projections.explain.agreement import TOPICS, JudgeAgreement, collect_agreement
from ..feedback.judge import criteria_of, grade_run, grading_prompt, has_answer, hash_criteria, make_judge, name_judge
from ..improvement.process_manager import process_new_events
from ..store.states import load_state
from ..store.texts.ahead import RUNS, LogAhead
from .lookups import require_run

if TYPE_CHECKING:
    from ..store.ledger import Ledger
    from ..store.log import Log
    from ..wiring.services import Services


EXAMPLE: tuple[Message, ...] = ({"role": "user", "content": "What is 2 + 2?"},)
"""The conversation of the example that is shown without a run."""


@dataclass(frozen=True)
class Graded:
    """A judge model's grade of a run."""

    run: UUID
    stars: int
    """1 to 5."""
    reason: str | None
    """One line; None where the judge gave none, and where it was erased."""
    judge: str
    """Its model name and its endpoint, with an ``@`` between them."""
    criteria: str
    """The hash of the criteria's text."""
    is_new: bool
    """False where this judge had graded the run by these criteria before: then it was not asked again."""


@dataclass(frozen=True)
class GradingPrompt:
    """The messages that a judge is asked with, or was asked with."""

    messages: Sequence[Message]
    judge: str | None
    """None where the settings name no judge."""
    criteria: str
    """The hash of the criteria's text."""
    is_recorded: bool
    """Whether they are those of a recorded grade."""


def judge_run(ledger: Ledger, services: Services, id: UUID, *, actor: str) -> Graded:
    """Let the judge of the run's role grade it now. One judge grades a run by the same criteria once.

    Raises ``NotPossible`` where no judge is set and for a run that cannot be graded, ``ModelError`` where the judge does not
    answer in time, and ``NoVerdict``.
    """
    run = require_run(ledger, id)
    run.require_gradable()
    assert run.started is not None
    policy, role = process_new_events(ledger).policy, run.started.role
    model = services.judge(policy, role)
    if model is None:
        raise NotPossible("no judge is set; set judge.endpoint and judge.model")
    judge = make_judge(ledger, model, policy, role)
    before = len(run.grades)
    graded = grade_run(ledger, run, judge, actor)
    process_new_events(ledger)
    by = (judge.name, judge.criteria_hash)
    grade = next(each for each in graded.grades if (each.judge, each.criteria) == by)
    return _graded(ledger, grade, is_new=len(graded.grades) > before)


def _graded(log: Log, grade: TaskGraded, *, is_new: bool) -> Graded:
    reason = None if grade.reason is None else log.get_content(grade.reason)
    return Graded(grade.originator_id, grade.stars, reason, grade.judge, grade.criteria, is_new)


def view_prompt(log: Log, id: UUID | None, role: str) -> GradingPrompt:
    """The prompt of the run's newest grade; for a run without one, the prompt that it would be graded with.

    Without a run: the prompt of an example answer, by the criteria of the role. Raises ``NotPossible`` where the words were
    erased, and for a run that cannot be graded.
    """
    policy = load_state(log).policy
    if id is None:
        criteria = criteria_of(log, policy, role)
        messages = write_grading_prompt(criteria, EXAMPLE, "2 + 2 is 4.")
        return GradingPrompt(messages, name_judge(policy, role), hash_criteria(criteria), is_recorded=False)
    run = require_run(log, id)
    if run.grades:
        grade = run.grades[-1]
        text = log.get_content(grade.prompt)
        if text is None:
            raise NotPossible(f"the words of run {id.hex[:8]} were erased, and the prompt of its grade with them")
        return GradingPrompt(json.loads(text), grade.judge, grade.criteria, is_recorded=True)
    assert run.started is not None
    criteria = criteria_of(log, policy, run.started.role)
    messages = grading_prompt(log, run, criteria)
    return GradingPrompt(messages, name_judge(policy, run.started.role), hash_criteria(criteria), is_recorded=False)


def view_agreement(log: Log) -> list[JudgeAgreement]:
    """The agreement of each judge, with each text of criteria, with people's stars."""
    return collect_agreement(recorded.event for recorded in log.read(1, None, TOPICS))


def find_ungraded(log: Log, *, rated: bool, limit: int | None) -> list[UUID]:
    """The answers of the traffic that no judge has graded and whose words are there, the oldest first, at most ``limit``.

    With ``rated`` those that a person has rated, to measure agreement; else those that no person has.
    """
    kinds = (TaskAnswered, TaskRated, TaskGraded)
    answered: dict[UUID, None] = {}
    seen: dict[type, set[UUID]] = {TaskRated: set(), TaskGraded: set()}
    for _, event in log.read(1, None, [kind.TOPIC for kind in kinds]):
        if isinstance(event, TaskAnswered) and event.arm != Arm.PINNED:
            answered[event.originator_id] = None
        elif isinstance(event, TaskRated | TaskGraded):
            seen[type(event)].add(event.originator_id)
    wanted = (id for id in answered if id not in seen[TaskGraded] and (id in seen[TaskRated]) == rated)
    return list(islice(_with_answers(log, wanted), limit))


def _with_answers(log: Log, ids: Iterator[UUID]) -> Iterator[UUID]:
    while part := [*islice(ids, RUNS)]:
        ahead = LogAhead(log)
        ahead.foresee_all(part)
        yield from (id for id in part if has_answer(ahead, ahead.get(TaskRun, id)))
