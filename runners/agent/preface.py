"""What stands before a task in its prompts: the instructions of the role, and the earlier turns of a conversation.

A run records the content key of its instructions, and its prompts hold them whole. So what is tried again for a run, or
learnt from it, is asked as the run was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotPossible
from ...domain.events import TaskStarted
from ...domain.events.base import KEY
from ...domain.page.media import add_marks, without_marks, words_of
from ...domain.page.messages import Message
from ...domain.rules.coordination import recorded_bounds
from ...domain.rules.observing import recorded_observe
from ...domain.rules.roles import roles_in
from ...domain.settings.running import INSTRUCTIONS
from ...domain.vocabulary import StepKind
from .inputs import read_inputs, shown_to

if TYPE_CHECKING:
    from ..store.log import Log

Preface = Mapping[str, Sequence[Message]]
"""The messages before each prompt, by the role that makes the step; a role without any is missing."""

ERASED = f"the text of {INSTRUCTIONS} was erased; set it again, or unset it"


def make_preface(
    content: Callable[[str], str | None],
    settings: Mapping[str, Any],
    roles: Collection[str],
    earlier: Sequence[Message] = (),
    erased: str = ERASED,
) -> Preface:
    """The preface of a run with these recorded settings; ``earlier`` are the turns of its conversation so far.

    Raises ``NotPossible`` with the words of ``erased`` where the text of instructions was erased.
    """
    preface: dict[str, Sequence[Message]] = {}
    for role in roles:
        value = settings.get(f"{role}.{INSTRUCTIONS}", settings.get(INSTRUCTIONS))
        text = content(value) if value is not None and KEY.fullmatch(value) else value
        if value is not None and text is None:
            raise NotPossible(erased)
        system: list[Message] = [] if text is None else [{"role": "system", "content": text}]
        if system or earlier:
            preface[role] = [*system, *earlier]
    return preface


def recorded_preface(log: Log, run: TaskRun) -> Preface:
    """The preface that the run was asked with. Raises ``NotPossible`` where its words were erased."""
    started = run.started
    assert started is not None
    if started.is_question and run.steps:
        prompt = log.get_content(run.steps[-1].prompt)
        if prompt is None:
            raise NotPossible(f"the conversation of run {run.id.hex} was erased; the run cannot be corrected")
        before: list[Message] = json.loads(prompt)[:-1]
        return {started.role: before} if before else {}
    erased = f"the instructions of run {run.id.hex} were erased; the run cannot be tried again"
    return make_preface(log.get_content, started.policy, roles_of(started), erased=erased)


def roles_of(started: TaskStarted) -> tuple[str, ...]:
    """The roles that may make a step in the run, its own first."""
    settings = started.policy
    is_read = recorded_observe(settings) is not None
    return roles_in(started.role, is_planned=recorded_bounds(settings) is not None, is_read=is_read)


def earlier_turns(
    log: Log, session: str, role: str, environment: str, limit: int, takes: Collection[str] = ()
) -> tuple[Message, ...]:
    """The latest ``limit`` turns of the session's conversation, oldest first: each question, and the answer to it.

    Turns of other roles and environments do not belong to it. Turns without an answer, and those whose words were erased,
    are missing. A question has the pictures and sounds that are among what the model ``takes``, and the lines that were read
    on its pictures. Raises ``LogError``.
    """
    turns: list[tuple[Message, Message]] = []
    for run in runs_of_session(log, session) if limit else ():
        started = run.started
        assert started is not None
        if not started.is_question or (started.role, started.environment) != (role, environment) or not run.steps:
            continue
        answer, asked = log.get_content(run.steps[-1].answer), _asked_again(log, run, takes)
        if asked is not None and answer and answer.strip():
            turns.append(({"role": "user", "content": asked}, {"role": "assistant", "content": without_marks(answer)}))
        if len(turns) == limit:
            break
    return tuple(message for turn in reversed(turns) for message in turn)


def _asked_again(log: Log, run: TaskRun, takes: Collection[str]) -> str | None:
    """The question of the run for a model that ``takes`` these kinds, with the lines that the run was asked with; None where
    something of it was erased. Nothing is read again."""
    started = run.started
    assert started is not None
    question, inputs = log.get_content(started.task), read_inputs(log, started)
    if question is None or inputs is None:
        return None
    words = without_marks(question)
    asked = add_marks(words, shown_to(inputs, takes))
    if all(step.kind != StepKind.READ for step in run.steps):
        return asked
    prompt = log.get_content(run.steps[-1].prompt)
    if prompt is None:
        return None
    return asked + words_of(json.loads(prompt)[-1]["content"]).removeprefix(words)


def runs_of_session(log: Log, session: str) -> Iterator[TaskRun]:
    """The runs of the session, newest first. Raises ``LogError``."""
    for _, event in log.read_back((TaskStarted.TOPIC,), holding=msgspec.json.encode(session)):
        if isinstance(event, TaskStarted) and event.session == session:
            yield log.get(TaskRun, event.originator_id)
