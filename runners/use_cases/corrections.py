"""Correcting a run, and withdrawing a correction."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError, Hint, NotPossible
from ...domain.events import CorrectionWithdrawn
from ...domain.page.action import ALL_VERBS, parse_action
from ...domain.rules.coordination import recorded_bounds
from ...domain.rules.imported import RECORDED
from ...domain.rules.rating import LONGEST_CORRECTION
from ...domain.vocabulary import CorrectionSource, StepKind
from ...projections.wording.sentences import short_id
from ..agent.again import ask_again
from ..agent.runner import TaskRunner
from ..feedback.corrections import RETRY_TEMPERATURE, BadCorrection, correct_by_demonstration, correct_by_hand
from ..feedback.plans import ATTEMPTS, correct_plan, find_plan
from ..feedback.ratings import require_ended
from ..feedback.readings import correct_reading, is_reading
from ..feedback.trials import is_plan_step
from ..improvement.process_manager import process_new_events
from ..lessons.retries import RetryPolicy, correct_by_retries
from ..store.states import load_state
from ..wiring.services import Services
from .lookups import require_run

if TYPE_CHECKING:
    from ...domain.page.tools import ToolCall
    from ...domain.ports import Environment
    from ...projections.state.state import State
    from ..store.ledger import Ledger


@dataclass(frozen=True)
class Answer:
    """The right answer to a task in words: for the only step, or for the named step. Or the lines of a step that reads."""

    text: str
    step: int | None = None
    calls: tuple[ToolCall, ...] = ()
    """The right calls of functions, beside the text or, where it is empty, in its place."""


@dataclass(frozen=True)
class Actions:
    """The actions that do the task, in order; the run's own steps before step ``first`` are kept."""

    actions: tuple[str, ...]
    first: int = 1


@dataclass(frozen=True)
class Plan:
    """The right plan, a goal a line, in place of that in step ``step``, by default the run's first. The roles carry it out
    themselves, or the actions do."""

    text: str
    step: int | None = None
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Demonstration:
    """The scripted demonstration of the task, from step ``first`` on."""

    first: int = 1


@dataclass(frozen=True)
class Retries:
    """Attempts of the run's own model with sampling, at most ``attempts``; the first success is the correction."""

    attempts: int


Way = Answer | Actions | Plan | Demonstration | Retries
"""The method of a correction."""


@dataclass(frozen=True)
class Correction:
    """The correction that counts now."""

    run: UUID
    position: int
    """Log position of the newest correction; the same correction given twice is recorded once."""
    source: CorrectionSource
    steps: int
    is_verified: bool
    """Whether it was tried and did the task."""
    is_new: bool
    """False where the run had the given correction already, and nothing was recorded."""


@dataclass(frozen=True)
class Withdrawal:
    """A withdrawn correction, which no later dataset uses."""

    run: UUID
    position: int
    source: CorrectionSource
    """The source of the withdrawn correction."""
    corrected_by: CorrectionSource | None
    """The source of the latest correction that remains; None without one."""


def correct(
    ledger: Ledger,
    run: UUID,
    way: Way,
    *,
    actor: str,
    services: Services | None = None,
    known: State | None = None,
) -> Correction:
    """Record a correction. Actions are carried out first, and recorded only if they do the task.

    With ``services``, its open environments and model are used; ``known`` is a state that follows the log. Raises
    ``NotFound``, ``NotPossible``, ``BadCorrection`` for actions that do not do the task, and ``GrokputerError`` where neither
    demonstration nor retries did it; nothing is recorded then.
    """
    task_run = require_run(ledger, run)
    require_ended(task_run)
    _check_way(task_run, way)
    with nullcontext(services) if services is not None else Services(ledger, known or load_state(ledger)) as opened:
        corrected = _carry_out(ledger, task_run, way, opened, actor)
    process_new_events(ledger, known)
    if corrected is None:
        failed = f"no attempt of {way.attempts} did" if isinstance(way, Retries) else "the demonstration did not do"
        raise GrokputerError(f"{failed} the task of {short_id(run.hex)}; nothing was recorded")
    latest = corrected.corrections[-1]
    position = ledger.position_of(latest.reference)
    assert position is not None
    is_new = corrected.version > task_run.version
    return Correction(run, position, CorrectionSource(latest.source), latest.steps, latest.is_verified, is_new)


def read_lines(run: TaskRun, text: str, first: int | None) -> Actions | Plan:
    """What lines of text correct in a task on a page: actions from step ``first`` on, one a line, and, in a run with a plan,
    before them the goals of the right plan."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    is_planned = any(step.kind == StepKind.PLAN for step in run.steps)
    is_goal = (parse_action(line, ALL_VERBS) is None for line in lines)
    goals = list(takewhile(lambda line: next(is_goal), lines)) if is_planned else []
    if goals:
        step = first if first is not None and is_plan_step(run, first) else None
        return Plan("\n".join(goals), step, tuple(lines[len(goals) :]))
    return Actions(tuple(lines), first or 1)


def withdraw_correction(ledger: Ledger, run: UUID, *, reason: str = "", actor: str) -> Withdrawal:
    """Withdraw the run's latest correction: no later dataset uses it.

    An adapter that was trained on it stays as it is. Raises ``NotFound``, and ``NotPossible`` where no correction remains.
    """
    require_run(ledger, run)
    context, why = ledger.context(actor), ledger.put(reason, "the reason") if reason.strip() else ""
    task_run = ledger.write(TaskRun, run, lambda run: run.withdraw_correction(why, context))
    position = ledger.position_of_newest(task_run)
    process_new_events(ledger)
    withdrawn = ledger.at(position).event
    assert isinstance(withdrawn, CorrectionWithdrawn)
    left = withdrawn.corrected_by
    return Withdrawal(
        run, position, CorrectionSource(withdrawn.source), None if left is None else CorrectionSource(left)
    )


def check_length(correction: str) -> None:
    """Raise ``BadCorrection`` for one that is longer than is kept."""
    if len(correction) > LONGEST_CORRECTION:
        raise BadCorrection(f"the correction has {len(correction)} characters; it takes {LONGEST_CORRECTION}")


def _check_way(run: TaskRun, way: Way) -> None:
    """Raise ``NotPossible`` where a task of this kind needs another method, ``BadStep`` for an answer to a step that the run
    does not have, ``BadCorrection`` for what is too long."""
    assert run.started is not None
    if isinstance(way, Answer) and way.step is not None:
        run.require_step(way.step)
    if isinstance(way, Answer | Actions | Plan):
        words = "" if isinstance(way, Actions) else way.text
        check_length("".join([words, *(() if isinstance(way, Answer) else way.actions)]))
    if run.started.is_question and not isinstance(way, Answer):
        raise NotPossible(
            f"run {short_id(run.id.hex)} is a question; only an answer corrects it", hint=Hint.GIVE_ANSWER
        )
    if not run.started.is_question and isinstance(way, Answer) and not is_reading(run, way.step):
        raise NotPossible(
            f"run {short_id(run.id.hex)} is a task on a page; give the actions that do it", hint=Hint.GIVE_ACTIONS
        )


def _carry_out(ledger: Ledger, run: TaskRun, way: Way, services: Services, actor: str) -> TaskRun | None:
    assert run.started is not None
    if isinstance(way, Answer) and way.step is not None and is_reading(run, way.step):
        return correct_reading(ledger, run, way.step, way.text, actor)
    is_recorded = RECORDED in run.started.policy
    place = None if is_recorded else services.environment(run.started.environment)
    if isinstance(way, Answer):
        return correct_by_hand(ledger, run, place, [way.text], actor, first=way.step or 0, calls=way.calls)
    assert place is not None  # other tasks are of environments of this program
    if isinstance(way, Actions):
        return correct_by_hand(ledger, run, place, way.actions, actor, first=way.first)
    if isinstance(way, Plan):
        return _follow_plan(ledger, run, way, services, place, actor)
    if isinstance(way, Demonstration):
        return correct_by_demonstration(ledger, run, place, actor, first=way.first)
    return _retry(ledger, run, way, services, place, actor)


def _follow_plan(
    ledger: Ledger, run: TaskRun, way: Plan, services: Services, place: Environment, actor: str
) -> TaskRun:
    """Try the plan, with the person's actions or by the run's own roles."""
    step = find_plan(run, way.step)
    if way.actions:
        return correct_by_hand(ledger, run, place, [way.text, *way.actions], actor, first=step)
    runner = TaskRunner(ledger, services.model, services.prepare, services.base_label, actor, beside=services.beside)
    policy = services.state.policy
    tries = (ask_again(runner, run, policy, RETRY_TEMPERATURE if number else 0.0, number) for number in range(ATTEMPTS))
    return correct_plan(ledger, run, place, way.text, step, tries, actor)


def _retry(
    ledger: Ledger, run: TaskRun, way: Retries, services: Services, place: Environment, actor: str
) -> TaskRun | None:
    assert run.started is not None
    services.prepare(run.started.adapter)
    training = services.state.policy.training(run.started.role)
    others = {assigned["role"]: assigned["adapter"] for assigned in run.started.others}
    for adapter in others.values() if recorded_bounds(run.started.policy) else ():
        services.prepare(adapter)
    sampling = RetryPolicy(
        run.started.adapter,
        way.attempts,
        training.retry_temperature,
        training.retry_exploration,
        run.started.role,
        others,
    )
    beside = services.beside
    return next(correct_by_retries(ledger, [(run, 1)], place, services.model, sampling, actor, beside=beside), None)
