"""Runs that another program hands over through the Python API: their form, and the check of every field.

A field that cannot be recorded as it was given is refused, so nothing that a program says is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

from ...domain.aggregates.base import OWN_NAMES
from ...domain.errors import BadRating, BadTools, NotPossible
from ...domain.events.base import KEY
from ...domain.page.messages import Message
from ...domain.page.tools import A_MESSAGE, Tool, ToolCall, check_calls, check_messages, check_tools
from ...domain.rules.imported import UNKNOWN, Unknown
from ...domain.rules.rating import check_stars
from ...domain.text import check_text
from ...domain.vocabulary import FailureReason
from .files import SHOWN, escape
from .values import MOST

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
REASONS = tuple(FailureReason)
LONGEST_MS = MOST * 1000
MESSAGES = f"a text, or a list of messages, each {A_MESSAGE}"

T = TypeVar("T")


@dataclass(frozen=True)
class ProgramStep:
    """One step: the prompt and the answer of a model. Durations and counts are None where they are unknown.

    Tools have OpenAI's form; see ``domain/page/tools.py``.
    """

    prompt: str | Sequence[Message]
    """The prompt: a text, or a conversation as messages with ``role`` and ``content``."""
    answer: str | None = None
    """The text of the answer; None where it only calls functions."""
    error: str = ""
    """Why the answer could not be carried out; empty where it could."""
    duration_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tools: Sequence[Tool] | None = ()
    """The functions that were offered; None counts as none."""
    tool_calls: Sequence[ToolCall] | None = ()
    """The calls of the answer, beside its text or in its place; None counts as none."""


@dataclass(frozen=True)
class ProgramRun:
    """One run of another program, from its start to its rating."""

    environment: str
    """The program's name for its environment, such as ``support``."""
    task: str
    """The task in words."""
    steps: Sequence[ProgramStep] = ()
    succeeded: bool | None = None
    """None where that is unknown: such a run counts for neither side of the success rate."""
    reason: str | None = None
    """Reason of a failure: ``wrong`` (None means this), ``timeout``, ``error`` (of the model) or ``environment`` (of the
    rest of the program). None for a success."""
    detail: str = ""
    """More about a failure, in words."""
    role: str = "action"
    adapter: str | Unknown | None = UNKNOWN
    """The adapter that made the run; None for the base, ``UNKNOWN`` where it is not known."""
    session: str | None = None
    duration_ms: int | None = None
    """None where it is unknown; then a success has no implicit rating."""
    stars: int | None = None
    """The rating, 1 to 5; None for an unrated run, which has no comment, issues, step at fault or rater either."""
    comment: str | None = None
    issues: Sequence[str] = ()
    fault_step: int | None = None
    """The step that went wrong, from 1."""
    rated_by: str | None = None
    """The rater; None for the actor who records."""
    id: str | None = None
    """The program's own id of the run. A run with an id is recorded only once."""


def check_run(run: ProgramRun) -> ProgramRun:
    """The run in one form, in which equal runs are equal: prompts are tuples of messages, what is not said is None.

    Raises ``NotPossible``, ``BadRating`` or ``BadText`` for the first field that is wrong, with its name, its value and
    what is allowed. The role, the adapter and the names of environments in use are checked where the log is known.
    """
    if not isinstance(run, ProgramRun):
        refuse("a run", run, "a ProgramRun")
    if run.succeeded is not None and not isinstance(run.succeeded, bool):
        refuse("succeeded", run.succeeded, "True, False, or None where that is unknown")
    steps = tuple(_check_step(number, step) for number, step in enumerate(_items("steps", run.steps, "ProgramStep"), 1))
    return _check_outcome(
        _check_rating(
            replace(
                run,
                environment=_name("environment", run.environment),
                task=_words("task", run.task),
                steps=steps,
                role=_text("role", run.role),
                adapter=_optional("adapter", run.adapter),
                session=None if run.session is None else _words("session", run.session),
                duration_ms=_count("duration_ms", run.duration_ms, LONGEST_MS),
                id=None if run.id is None else _words("id", run.id),
            )
        )
    )


def refuse(field: str, value: object, allowed: str) -> NoReturn:
    """Raise ``NotPossible`` with the field, the value and what is allowed."""
    raise NotPossible(f"{field} is {show(value)}; allowed is {allowed}")


def show(value: object) -> str:
    """The value on one line of printable characters, cut where it is long."""
    try:
        text = repr(str.__str__(value) if isinstance(value, str) else value)
    except ValueError:
        return "a number of too many digits to show"
    except RecursionError:
        return "a value that is nested too deep to show"
    return escape(f"{text[:SHOWN]}…" if len(text) > SHOWN else text)


def _check_outcome(run: ProgramRun) -> ProgramRun:
    detail = _text("detail", run.detail)
    if run.succeeded is not False:
        for field, value in (("reason", run.reason), ("detail", detail or None)):
            if value is not None:
                refuse(field, value, "none for a run that has not failed; give succeeded=False for a failure")
        return replace(run, detail="")
    reason = FailureReason.WRONG if run.reason is None else run.reason
    if not isinstance(reason, str) or reason not in REASONS:
        refuse("reason", reason, ", ".join(REASONS))
    return replace(run, reason=str.__str__(reason), detail=detail)


def _check_rating(run: ProgramRun) -> ProgramRun:
    """The run with its rating checked. Raises ``NotPossible`` for a part of a rating without stars."""
    comment = _optional("comment", run.comment) or None
    issues = tuple(filter(None, (_text("an issue", issue).strip() for issue in _items("issues", run.issues, "text"))))
    rated_by = None if run.rated_by is None else _person("rated_by", run.rated_by)
    if run.stars is None:
        parts = {"comment": comment, "issues": issues or None, "fault_step": run.fault_step, "rated_by": rated_by}
        for field, value in parts.items():
            if value is not None:
                refuse(field, value, "none without stars; give stars from 1 to 5 too, or leave it out")
        return replace(run, comment=None, issues=())
    try:
        stars = check_stars(run.stars)
    except (BadRating, ValueError):
        raise BadRating(f"stars is {show(run.stars)}; allowed is a whole number from 1 to 5, or None") from None
    step = _count("fault_step", run.fault_step, MOST)
    if step is not None and not 1 <= step <= len(run.steps):
        refuse(
            "fault_step", step, f"a step of the run, from 1 to {len(run.steps)}" if run.steps else "None, without steps"
        )
    return replace(run, stars=stars, comment=comment, issues=issues, rated_by=rated_by, fault_step=step)


def _check_step(number: int, step: object) -> ProgramStep:
    if not isinstance(step, ProgramStep):
        refuse(f"step {number}", step, "a ProgramStep")
    calls = _in_form(check_calls, step.tool_calls, f"step {number}: tool_calls")
    if step.answer is None and not calls:
        refuse(f"step {number}: answer", None, "a text, or None beside tool_calls")
    return ProgramStep(
        _check_prompt(f"step {number}: prompt", step.prompt),
        "" if step.answer is None else _text(f"step {number}: answer", step.answer),
        _text(f"step {number}: error", step.error),
        _count(f"step {number}: duration_ms", step.duration_ms, LONGEST_MS),
        _count(f"step {number}: prompt_tokens", step.prompt_tokens, MOST),
        _count(f"step {number}: completion_tokens", step.completion_tokens, MOST),
        _in_form(check_tools, step.tools, f"step {number}: tools"),
        calls,
    )


def _in_form(check: Callable[[object, str], T], value: object, field: str) -> T:
    """The value as the check returns it. Raises ``NotPossible`` for what is not in its form."""
    try:
        return check(() if value is None else value, field)
    except BadTools as error:
        raise NotPossible(str(error)) from None


def _check_prompt(field: str, prompt: object) -> tuple[Message, ...]:
    """The prompt as a conversation."""
    if isinstance(prompt, str):
        return ({"role": "user", "content": _text(field, prompt)},)
    if not isinstance(prompt, Sequence) or isinstance(prompt, bytes | bytearray) or not prompt:
        refuse(field, prompt, MESSAGES)
    return _in_form(check_messages, prompt, field)


def _items(field: str, value: object, of: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
        refuse(field, value, f"a list of {of}")
    return value


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        refuse(field, value, "a text")
    return check_text(str.__str__(value), field)


def _words(field: str, value: object) -> str:
    text = _text(field, value)
    if not text.strip():
        refuse(field, text, "a text that is not blank")
    return text


def _optional(field: str, value: object) -> str | None:
    return None if value is None else _text(field, value)


def _name(field: str, value: object) -> str:
    """A plain word, because the log keeps it."""
    name = _text(field, value)
    if not NAME.fullmatch(name):
        refuse(field, name, "a name of up to 64 letters, digits, '.', '_' or '-'")
    return name


def _person(field: str, value: object) -> str:
    name = _words(field, value).strip()
    if name in OWN_NAMES or KEY.fullmatch(name):
        refuse(field, name, "a person's name, which is none of the program's own names")
    return name


def _count(field: str, value: object, most: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        refuse(field, value, f"a whole number from 0 to {most}, or None where it is unknown")
    return value
