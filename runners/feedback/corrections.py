"""Corrections: the right steps of a task, carried out in the environment before they count.

A correction is stored as the steps that it teaches, each with the exact prompt of a run and the role that would make
it. A correction from a later step on continues the run's own earlier steps. A correction that cannot be tried, because
its task is a question in words, is recorded as unverified.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ...domain.aggregates.run import TaskRun
from ...domain.errors import BadTools, GrokputerError, NotPossible, UnknownTask
from ...domain.page.messages import Completion, Message, Page
from ...domain.page.plan import parse_plan
from ...domain.page.prompt import observe
from ...domain.page.tools import Tool, ToolCall, read_calls, read_stored, require_offered
from ...domain.ports import NO_MEDIA, Environment, PlannedScript, Script, Teacher
from ...domain.rules.coordination import recorded_bounds
from ...domain.vocabulary import StepKind
from ..agent.episode import (
    Actor,
    Episode,
    Step,
    ask_model,
    follow_planned_script,
    follow_script,
    is_success,
)
from ..agent.inputs import media_of
from ..agent.preface import recorded_preface
from ..agent.runner import Task, task_of
from ..store.ledger import Ledger
from .corrected_steps import CorrectedStep, lessons_of, record_lessons, record_steps
from .trials import act_by_hand, is_plan_step, try_again, written_plan

RETRY_TEMPERATURE = 0.8
"""Sampling temperature of a teacher's second and later attempts; chosen."""

TEACHER_TOKENS = 1024
"""Longest answer of a teacher in tokens: some reason before they answer; chosen."""


class BadCorrection(GrokputerError):
    """A correction that does not do the task."""


class UnreadablePage(GrokputerError):
    """A page that a script cannot read: it is not one of the script's task."""


def parse_calls(written: object) -> tuple[ToolCall, ...]:
    """The calls of a correction: a list of ``{"name": ..., "arguments": {...}}`` or of OpenAI's form, or its JSON text.

    Raises ``BadCorrection`` or ``BadText``.
    """
    try:
        return read_calls(json.loads(written) if isinstance(written, str) else written)
    except BadTools as error:
        raise BadCorrection(str(error)) from None
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise BadCorrection(f"calls are not JSON ({why}); give a list of objects with name and arguments") from None


def correct_by_hand(
    ledger: Ledger,
    run: TaskRun,
    environment: Environment | None,
    written: Sequence[str],
    actor: str,
    first: int = 1,
    calls: Sequence[ToolCall] = (),
) -> TaskRun:
    """Record a person's correction: the actions that do the task from step ``first`` on, or the right answer.

    Raises ``BadCorrection`` when the actions, tried in the environment, do not succeed. Where the environment does not
    judge, each must be carried out and the last must end the episode; they are recorded as unverified. The environment is
    None where another program did the task: then the answer is for step ``first``, or, where that is 0, for the only step.
    ``calls`` are the right calls of functions, beside the one answer or, where it is blank, in its place.
    """
    if not calls and not (written and all(text.strip() for text in written)):
        raise BadCorrection("a correction must not be empty; give the answer, or each action in its order")
    started = run.started
    assert started is not None
    if started.is_question:
        if len(written) > 1:
            raise BadCorrection(f"a question has one answer, not {len(written)}; give it as one text in quotes")
        lesson = _answer(ledger, run, environment, written[0], first, calls)
        return record_steps(ledger, run, [lesson], "human", False, actor)
    if environment is None:
        raise NotPossible(
            f"{started.environment} is not an environment of this program, so no action can be tried in it"
        )
    plan = written_plan(ledger, run, first)
    if plan is not None and is_plan_step(run, first) and parse_plan(written[0]) is not None:
        plan, written = written[0], written[1:]
    steps = try_again(ledger, run, environment, act_by_hand(plan, written), first, len(written))
    has_failed = not started.is_verified and any(step.page.error for step in steps)  # nothing else tells a wrong action
    if not steps or not is_success(steps[-1].page) or has_failed:
        raise BadCorrection(
            f"these actions do not do the task: {_explain(steps, len(written))}; no correction was recorded"
        )
    return record_lessons(ledger, run, steps, "human", actor)


def _answer(
    ledger: Ledger,
    run: TaskRun,
    environment: Environment | None,
    text: str,
    number: int,
    calls: Sequence[ToolCall],
) -> CorrectedStep:
    """The corrected step for a right answer to a task in words."""
    assert run.started is not None
    if run.started.task == "":
        raise NotPossible(f"no texts of run {run.id.hex} were kept (gateway.texts_percent); it cannot be corrected")
    if environment is None or calls or run.has_tools:
        return _answer_step(ledger, run, text, number, calls)
    task, role = _task(ledger, run), run.started.role
    before = recorded_preface(ledger, run).get(role, ())
    page = environment.reset(task.task, task.seed)
    asked = _recorded_prompt(ledger, run) if task.inputs else None
    return CorrectedStep(asked or observe(replace(page, inputs=task.inputs), [], before), text, role)


def _task(ledger: Ledger, run: TaskRun) -> Task:
    """The run's task. Raises ``NotPossible`` where it was erased."""
    assert run.started is not None
    task = task_of(ledger, run.started)
    if task is None:
        raise NotPossible(f"the task of run {run.id.hex} was erased; it cannot be corrected")
    return task


def _recorded_prompt(ledger: Ledger, run: TaskRun) -> list[Message] | None:
    """The prompt of the run's last step, with the pictures where they stood; None without one."""
    prompt = ledger.get_content(run.steps[-1].prompt) if run.steps else None
    return None if prompt is None else json.loads(prompt)


def _answer_step(ledger: Ledger, run: TaskRun, text: str, number: int, calls: Sequence[ToolCall] = ()) -> CorrectedStep:
    """The corrected step for the right answer to one prompt of another program's run."""
    if not number and len(run.steps) > 1:
        raise NotPossible(f"run {run.id.hex[:8]} has {len(run.steps)} steps; say which one the answer is for")
    run.require_step(number or 1)
    step = run.steps[(number or 1) - 1]
    prompt = ledger.get_content(step.prompt)
    tools: list[Tool] | None = read_stored(step.tools, ledger.get_content)
    if prompt is None or tools is None:
        raise NotPossible(f"the words of run {run.id.hex} were erased; it cannot be corrected")
    if calls and not tools:
        raise BadCorrection(
            f"no function was offered in step {step.step} of run {run.id.hex[:8]}, so no call is right there; give the "
            "answer as text"
        )
    try:
        require_offered(calls, tools)
    except BadTools as error:
        raise BadCorrection(str(error)) from None
    return CorrectedStep(json.loads(prompt), text, run.role_of(step), tools=tools, tool_calls=calls)


def correct_by_demonstration(
    ledger: Ledger,
    run: TaskRun,
    environment: Environment,
    actor: str,
    script: Script | None = None,
    first: int = 1,
) -> TaskRun | None:
    """Record the reviewer's script, or the environment's demonstration, as a correction; None when it does not succeed.

    Raises ``UnknownTask`` where the environment has no demonstration.
    """
    assert run.started is not None
    script = script or environment.demonstrate(_task(ledger, run).task)
    shown = play_script(ledger, run, environment, script, first)
    return None if shown is None else record_script(ledger, run, environment, script, shown, actor)


def play_script(
    ledger: Ledger, run: TaskRun, environment: Environment, script: Script, first: int = 1
) -> list[Step] | None:
    """The script's steps, after the run's own ones before step ``first``; None when they do not succeed."""
    try:
        steps = try_again(ledger, run, environment, _follow(run, environment, script), first)
    except UnreadablePage:
        return None
    return steps if steps and is_success(steps[-1].page) else None


def _follow(run: TaskRun, environment: Environment, script: Script) -> Actor:
    """The actor of the script, or, where the run makes plans and the environment shows one, of its plan with its parts."""
    assert run.started is not None
    if recorded_bounds(run.started.policy) is not None:
        with suppress(UnknownTask):
            return follow_planned_script(_ReadingPlan(environment.demonstrate_plan(run.started.task)))
    return follow_script(_reading(script))


@dataclass(frozen=True)
class _ReadingPlan:
    """The planned script, whose ``ValueError`` says that it cannot read the page."""

    script: PlannedScript

    def plan(self, page: Page) -> str:
        return _readable(self.script.plan, page)

    def act(self, page: Page, history: Sequence[str], goal: str) -> str:
        return _readable(self.script.act, page, history, goal)


def _readable(script: Callable[..., str], *seen: object) -> str:
    try:
        return script(*seen)
    except ValueError as error:
        raise UnreadablePage(str(error)) from error


def _reading(script: Script) -> Script:
    """The script, whose ``ValueError`` says that it cannot read the page. That of anything else is a fault."""

    return lambda page, history: _readable(script, page, history)


def record_script(
    ledger: Ledger, run: TaskRun, environment: Environment, script: Script, shown: Sequence[Step], actor: str
) -> TaskRun:
    """Record the script's steps; for the recovering role also the way out from where the run first got stuck."""
    lessons = lessons_of(shown)
    stuck = next((act.step for act in run.acts if run.role_of(act) != run.roles[0]), None)
    acts = [lesson for lesson in lessons if lesson.kind == StepKind.ACT]
    if stuck is not None and all(lesson.role == run.roles[0] for lesson in acts):
        lessons += _way_out(ledger, run, environment, script, stuck)
    assert run.started is not None
    return record_steps(ledger, run, lessons, "reviewer", run.started.is_verified, actor)


def _way_out(ledger: Ledger, run: TaskRun, environment: Environment, script: Script, stuck: int) -> list[CorrectedStep]:
    """The script's next step after the run's own ones before step ``stuck``.

    Where the run's plan was not the script's, the script cannot go on from there. Then it is the step that follows the act
    before ``stuck``, where that is the first act by the script's own plan.
    """
    way_out = play_script(ledger, run, environment, script, stuck)
    if way_out is not None:
        return lessons_of(way_out[:1])
    mistake = next((act for act in reversed(run.acts) if act.step < stuck), None)
    wrong = None if mistake is None else ledger.get_content(mistake.answer)
    assert run.started is not None
    if wrong is None or recorded_bounds(run.started.policy) is None:
        return []
    follow = _follow(run, environment, script)

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        is_first = episode.kind == StepKind.ACT and not episode.history
        return Completion(wrong, None, None, 0) if is_first else follow(episode, messages)

    try:
        steps = try_again(ledger, run, environment, act)
    except UnreadablePage:
        return []
    is_done = bool(steps) and is_success(steps[-1].page)
    return [lesson for lesson in lessons_of(steps) if is_done and lesson.role == run.role_of(run.steps[stuck - 1])][:1]


def correct_by_teacher(
    ledger: Ledger, run: TaskRun, environment: Environment, teacher: Teacher, tries: int, actor: str, first: int = 1
) -> TaskRun | None:
    """Let a better model do the failed task from step ``first`` on, at most ``tries`` times; its first success is the
    correction.

    A question in words is answered once, and the answer recorded as unverified; one with tools is not, because the teacher
    cannot call them. Raises ``ModelError`` when the teacher does not answer.
    """
    started = run.started
    assert started is not None
    if run.has_tools:
        return None
    media = media_of(ledger, run)
    if started.is_question:
        steps = try_again(ledger, run, environment, ask_teacher(teacher, media=media), 1, 1)
        is_answer = bool(steps) and is_success(steps[-1].page)
        return record_steps(ledger, run, lessons_of(steps), "teacher", False, actor) if is_answer and tries else None
    for attempt in range(tries):
        ask = ask_teacher(teacher, RETRY_TEMPERATURE if attempt else 0.0, seed=1000 * attempt, media=media)
        steps = try_again(ledger, run, environment, ask, first)
        if steps and is_success(steps[-1].page):
            return record_lessons(ledger, run, steps, "teacher", actor)
    return None


def ask_teacher(
    teacher: Teacher, temperature: float = 0.0, seed: int = 0, media: Mapping[str, str] = NO_MEDIA
) -> Actor:
    """An actor that asks the teacher. White space around its answer is stripped."""
    ask = ask_model(teacher, None, TEACHER_TOKENS, temperature, seed, media)

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        completion = ask(episode, messages)
        return replace(completion, text=completion.text.strip())

    return act


def _explain(steps: Sequence[Step], actions: int) -> str:
    for number, step in enumerate(steps, 1):
        if step.page.error:
            return f"action {number}, {step.answer[:60]!r}: {step.page.error}"
    if steps and steps[-1].page.is_done:
        return f"after action {len(steps)} of {actions} the task ended with reward {steps[-1].page.reward:g}"
    return f"after all {actions} the task is not done"
