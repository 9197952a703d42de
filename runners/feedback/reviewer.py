"""The reviewer, which replaces the person in demo and benchmark: it rates by the task's reward and corrects by demonstration.

The actor and source of its ratings and corrections are ``reviewer``. Another implementation can replace it
(``Reviewer``). The step that went wrong is the first one that differs from the script that corrects the run: up to
there both had the same pages. Of a run with a plan it is the plan, where that asks for something else than the script's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError, Hint, NotPossible, UnknownTask
from ...domain.events import TaskAnswered, TaskFailed, TaskSucceeded
from ...domain.page.action import parse_action
from ...domain.page.plan import read_plan
from ...domain.ports import Attempt, Environment, Reviewer, Script
from ...domain.rules.rating import check_stars
from ...domain.rules.roles import GOOD_STARS
from ...domain.vocabulary import StepKind
from ..agent.episode import Step
from ..agent.runner import acts_of
from ..store.ledger import Ledger
from .corrections import play_script, record_script
from .readings import first_misread

REVIEWER = "reviewer"

ISSUES = {"wrong": "wrong_action", "timeout": "timeout", "error": "system_error", "environment": "system_error"}
"""The issue recorded for each reason of a failure."""


class TaskReviewer:
    """Rates a success 5 and a failure 1, and corrects by the environment's demonstration where there is one."""

    def __init__(self, environment: Environment | None = None) -> None:
        self.environment = environment

    def rate(self, attempt: Attempt) -> int:
        """The stars by the task's own reward: 5 or 1."""
        return 5 if attempt.is_success else 1

    def correct(self, task: str, seed: int) -> Script | None:
        """The environment's demonstration; None where there is none."""
        try:
            return None if self.environment is None else self.environment.demonstrate(task)
        except UnknownTask:
            return None  # no demonstration of this task: only a rating


def load_reviewer(named: str) -> Reviewer:
    """The reviewer that ``module:object`` names, instantiated where it is a class. Raises ``GrokputerError``."""
    module, _, name = named.partition(":")
    if not module or not name:
        raise GrokputerError(f"{named!r} does not name a reviewer; give one as module:object, as in mine:Strict")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as ``python -m`` would
    try:
        loaded = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise GrokputerError(f"the reviewer {named} cannot be loaded: {error}") from error
    reviewer: Reviewer = loaded() if isinstance(loaded, type) else loaded
    for method in ("rate", "correct"):
        if not callable(getattr(reviewer, method, None)):
            raise GrokputerError(f"{named} is not a reviewer: it has no method {method!r}; it needs rate and correct")
    return reviewer


def review(
    ledger: Ledger,
    run: TaskRun,
    environment: Environment | None = None,
    *,
    corrects: bool = True,
    reviewer: Reviewer | None = None,
) -> TaskRun:
    """Rate the ended run; with an environment also correct it where the rating is low and the reviewer has a script.

    Only a reviewer that corrects knows which step went wrong, and names it in the rating: the first reading that is unlike the
    tree's lines, which the steps after it acted on, or else the first act that differs from the script.
    """
    ended, started = run.ended, run.started
    assert ended is not None and started is not None
    if not started.is_verified:
        subject = (
            "an answer in words" if started.is_question else f"a run of {started.environment}, which does not judge"
        )
        raise NotPossible(f"the reviewer cannot judge {subject}", hint=Hint.RATE)
    reviewer = reviewer or TaskReviewer(environment)
    stars = check_stars(reviewer.rate(_show(ledger, run)))
    context = ledger.context(REVIEWER, ended.reference)
    issues = [ISSUES.get(ended.reason, ended.reason)] if isinstance(ended, TaskFailed) else []
    step = None
    if corrects and stars < GOOD_STARS and environment is not None:
        step = _correct(ledger, run, environment, reviewer)
        step = first_misread(ledger, run) or step
    return ledger.write(TaskRun, run.id, lambda run: run.rate(stars, REVIEWER, issues, None, context, step=step))


def _correct(ledger: Ledger, run: TaskRun, environment: Environment, reviewer: Reviewer) -> int | None:
    """Correct the run where the reviewer's script does its task; return the first step that differs from the script."""
    assert run.started is not None
    script = reviewer.correct(run.started.task, run.started.seed)
    shown = play_script(ledger, run, environment, script) if script is not None else None
    if script is None or shown is None:
        return None
    record_script(ledger, run, environment, script, shown, REVIEWER)
    plans = [step.step for step in run.steps if step.kind == StepKind.PLAN]
    if plans:  # another order of actions may be as good: the run itself says what it failed by
        plan = run.steps[plans[-1] - 1]
        is_of_plan = isinstance(run.ended, TaskFailed) and run.ended.fault == run.role_of(plan)
        return plan.step if is_of_plan or _has_other_goals(ledger.get_content(plan.answer), shown) else None
    different = first_difference([ledger.get_content(act.answer) for act in run.acts], [step.answer for step in shown])
    return None if different is None else run.acts[different - 1].step


def _has_other_goals(plan: str | None, shown: Sequence[Step]) -> bool:
    """Whether the plan asks for something that the script's own plan does not."""
    [right, *_] = [step for step in shown if step.kind == StepKind.PLAN]
    known = {goal.words for goal in read_plan(right.answer) or ()}
    return any(goal.words not in known for goal in read_plan(plan or "") or ())


def first_difference(taken: Sequence[str | None], right: Sequence[str]) -> int | None:
    """The number of the first action that differs from the right one; None where there is none.

    After an erased answer nothing can be compared.
    """
    for number, answer in enumerate(taken, 1):
        if answer is None:
            return None
        if number > len(right) or _effect_of(answer) != _effect_of(right[number - 1]):
            return number
    return None


def _effect_of(answer: str) -> object:
    """The effect of the answer: the element's number counts, not the spelling of its line."""
    return parse_action(answer) or answer.strip()


def _show(ledger: Ledger, run: TaskRun) -> Attempt:
    started, ended = run.started, run.ended
    assert started is not None and ended is not None and not isinstance(ended, TaskAnswered)
    reason = ended.reason if isinstance(ended, TaskFailed) else ""
    actions = tuple(answer for _, answer in acts_of(ledger, run))
    return Attempt(started.task, started.seed, actions, isinstance(ended, TaskSucceeded), ended.reward, reason)
