"""Trying a run's task again: in a new episode that is asked as the run was, after the run's own steps up to one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotPossible
from ...domain.page.media import keys_in_messages
from ...domain.page.messages import Completion, Message
from ...domain.page.plan import plan_of_one
from ...domain.ports import Environment
from ...domain.rules.coordination import PlanBounds, recorded_bounds
from ...domain.vocabulary import Finding, StepKind
from ..agent.episode import Actor, Episode, Step, play, repeat_answers
from ..agent.preface import recorded_preface
from ..agent.runner import task_of
from ..agent.sight import sight_again
from ..store.ledger import Ledger


def try_again(
    ledger: Ledger,
    run: TaskRun,
    environment: Environment,
    actor: Actor,
    first: int = 1,
    max_acts: int | None = None,
    bounds: PlanBounds | None = None,
) -> list[Step]:
    """The actor's steps in a new episode of the run's task, after the run's own answers before step ``first``.

    At most ``max_acts`` of them act, by default as many as the run had. ``bounds`` bound its plans in place of the run's own.
    Raises ``NotPossible`` for a step that the run does not have, and for erased words.
    """
    own = answers_before(ledger, run, first)
    assert run.started is not None
    task = task_of(ledger, run.started)
    if task is None:
        raise NotPossible(f"the task of run {run.id.hex} was erased; it cannot be corrected")
    preface, bounds = recorded_preface(ledger, run), bounds or recorded_bounds(run.started.policy)
    page = environment.reset(task.task, task.seed)
    most = sum(act.step < first for act in run.acts) + (longest_episode(run) if max_acts is None else max_acts)
    shown = _shown_in(ledger, run) if task.inputs else ()
    sight, inputs = sight_again(run.started.policy), {key: url for key, url in task.inputs.items() if key in shown}
    if run.started.is_question and (lines := lines_read(ledger, run)):
        page, sight = replace(page, lines=lines), None
    actor = repeat_answers(own, actor)
    steps = play(environment, page, actor, most, task.role, preface, bounds, sight, inputs)
    return list(steps)[len(own) :]


def _shown_in(ledger: Ledger, run: TaskRun) -> list[str]:
    """The content keys of the pictures and sounds that the run's last prompt showed: not of those that were read or heard for
    its model."""
    prompts = [step.prompt for step in run.steps if step.kind != StepKind.READ]
    prompt = ledger.get_content(prompts[-1]) if prompts else None
    return [] if prompt is None else keys_in_messages(json.loads(prompt))


def lines_read(ledger: Ledger, run: TaskRun) -> tuple[str, ...]:
    """The lines that the run read on the pictures of its question; none where it read nothing, or they were erased."""
    reading = next((step for step in run.steps if step.kind == StepKind.READ), None)
    answer = None if reading is None else ledger.get_content(reading.answer)
    return tuple((answer or "").splitlines())


def answers_before(ledger: Ledger, run: TaskRun, first: int) -> list[str]:
    """The run's answers before the step: its actions, plans and checks. Raises ``NotPossible`` for a step it does not have, and
    for erased answers."""
    if first > 1:
        run.require_step(first)
    repeated = [step for step in run.steps if step.step < first and step.kind != StepKind.READ]
    answers = [ledger.get_content(step.answer) for step in repeated]
    present = [answer for answer in answers if answer is not None]
    if len(present) < len(answers):
        raise NotPossible(f"steps before step {first} of run {run.id.hex} were erased; correct it from its beginning")
    return present


def longest_episode(run: TaskRun) -> int:
    """Steps after which the run failed with a timeout."""
    assert run.started is not None
    return int(run.started.policy.get("run.max_steps", 12))


def act_by_hand(plan: str | None, actions: Sequence[str]) -> Actor:
    """An actor that gives the actions in their order; where the episode plans, with this plan, and each check finds its goal
    reached."""
    left = list(actions)

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        if episode.kind == StepKind.PLAN:
            return Completion(plan or plan_of_one(episode.page.task), None, None, 0)
        return Completion("yes" if episode.kind == StepKind.CHECK else left.pop(0), None, None, 0)

    return act


def written_plan(ledger: Ledger, run: TaskRun, first: int) -> str | None:
    """The run's plan in force at the step, or its first one; empty where the run made none that can be read, and None where
    it makes no plans."""
    assert run.started is not None
    if recorded_bounds(run.started.policy) is None:
        return None
    plans = [step for step in run.steps if step.kind == StepKind.PLAN and step.found != Finding.UNREADABLE]
    earlier = [step for step in plans if step.step < first]
    chosen = earlier[-1] if earlier else plans[0] if plans else None
    return "" if chosen is None else ledger.get_content(chosen.answer) or ""


def is_plan_step(run: TaskRun, step: int) -> bool:
    """Whether the run has this step, and it is a plan."""
    return 1 <= step <= len(run.steps) and run.steps[step - 1].kind == StepKind.PLAN
