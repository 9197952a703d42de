"""Correcting a plan: the right goals of a long task, carried out by the roles themselves before they count."""

from __future__ import annotations

from collections.abc import Iterable

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotPossible
from ...domain.page.plan import LONGEST_GOAL, MOST_GOALS, parse_plan, write_plan
from ...domain.ports import Environment
from ...domain.rules.coordination import PlanBounds, recorded_bounds
from ...domain.vocabulary import StepKind
from ..agent.episode import Actor, is_success, repeat_answers
from ..store.ledger import Ledger
from .corrected_steps import record_lessons
from .corrections import BadCorrection
from .trials import is_plan_step, try_again

ATTEMPTS = 3
"""Times that a plan is tried, the first one without chance; chosen: as one plan may be right and a step still go wrong."""


def correct_plan(
    ledger: Ledger,
    run: TaskRun,
    environment: Environment,
    written: str,
    step: int | None,
    tries: Iterable[Actor],
    actor: str,
) -> TaskRun:
    """Record a person's plan in place of that in the step, once one of ``tries`` does the task by it.

    Without a step it is the run's first plan. The run's own steps before it are kept, and no other plan is made. Raises
    ``NotPossible`` for a run or a step without a plan, and ``BadCorrection`` for a text that is no plan, and for one by which
    the task is not done.
    """
    number = find_plan(run, step)
    goals = parse_plan(written)
    if goals is None:
        raise BadCorrection(
            f"the plan cannot be read; give 1 to {MOST_GOALS} goals, one a line, each in words, not as an "
            f"action, of up to {LONGEST_GOAL} characters, and after => what the page shows once it is reached"
        )
    assert run.started is not None
    recorded = recorded_bounds(run.started.policy)
    assert recorded is not None
    earlier = sum(taken.kind == StepKind.PLAN for taken in run.steps if taken.step < number)
    first = 1 + sum(taken.kind != StepKind.READ for taken in run.steps if taken.step < number)
    bounds, reached, played = PlanBounds(earlier + 1, recorded.max_checks), 0, 0
    for then in tries:
        answer = repeat_answers([write_plan(goals)], then, first=first)
        steps = try_again(ledger, run, environment, answer, number, bounds=bounds)
        if steps and is_success(steps[-1].page):
            return record_lessons(ledger, run, steps, "human", actor)
        reached, played = max(reached, max((taken.goal for taken in steps), default=0)), played + 1
    raise BadCorrection(
        f"by this plan the task was not done in {played} attempts, which came as far as goal {reached} of {len(goals)}; no "
        "correction was recorded; give the actions too, with --action"
    )


def find_plan(run: TaskRun, step: int | None) -> int:
    """The number of the step with the plan. Raises ``NotPossible`` without one."""
    plans = [taken.step for taken in run.steps if taken.kind == StepKind.PLAN]
    if not plans:
        raise NotPossible(f"run {run.id.hex[:8]} made no plan; correct its actions")
    if step is not None and not is_plan_step(run, step):
        run.require_step(step)
        made = f"steps {', '.join(map(str, plans))}" if len(plans) > 1 else f"step {plans[0]}"
        raise NotPossible(f"step {step} of run {run.id.hex[:8]} is no plan; its plans are {made}")
    return step or plans[0]
