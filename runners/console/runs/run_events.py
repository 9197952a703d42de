"""The events of a run, as its page in the terminal shows them."""

from __future__ import annotations

import json
from typing import Any

from ....domain.events import (
    CorrectionWithdrawn,
    Event,
    SessionImported,
    StepTaken,
    TaskAnswered,
    TaskCorrected,
    TaskFailed,
    TaskGraded,
    TaskJudged,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from ....domain.page.prompt import OWN_INSTRUCTIONS
from ....domain.page.tools import show_answer, show_call
from ....domain.rules.attribution import READER
from ....domain.vocabulary import RatingSource, StepKind
from ....projections.wording.sentences import count, describe_fault, describe_session, short_text
from ....projections.wording.steps import describe_finding, describe_plan, describe_purpose
from ....projections.wording.words import ERASED as ERASED
from ..rendering import print_line, print_text, show_time

LONGEST_CALL = 200
"""Characters of a call that are shown, unless all is asked for; chosen: two lines of a terminal."""
WORDS = " " * 8
"""Stands before each line of text that a person wrote, so that it is not taken for a line of the program."""


def print_event(event: Event, entry: dict[str, Any], full: bool) -> None:
    """Print the described event: one line, and the words of people and models below it. ``full`` prints whole prompts."""
    begin = f"{entry['position']:>6}  "
    match event:
        case TaskStarted():
            _print_words(entry["task"], begin, f"  (seed {entry['seed']})")
            print_line(f"        run {entry['run']}, {show_time(entry['time'])}, by {entry['actor']}")
            print_line(f"        role {event.role}, arm {event.arm}, adapter {event.adapter or 'base'}")
            for assignment in event.others:
                without = "without an adapter" if assignment["role"] == READER else f"on the adapter of {event.role}"
                with_adapter = f"adapter {assignment['adapter']}" if assignment["adapter"] else without
                print_line(f"        role {assignment['role']}, arm {assignment['arm']}, {with_adapter}")
            print_line(f"        on {entry['base']}")
        case SessionImported():
            print_line(f"{begin}imported: {describe_session(event)}")
        case StepTaken():
            _print_step(begin, event, entry, full)
            for line in _prompt_lines(entry["prompt"], full):
                print_line(f"        | {line}")
            for tool in (entry["tools"] or ()) if full else ():
                print_line(f"        offered: {json.dumps(tool['function'], ensure_ascii=False)}")
            if entry["error"]:
                print_line(f"        error: {entry['error']}")
            if event.found:
                print_line(f"        {describe_finding(event.found)}")
        case TaskSucceeded() | TaskFailed():
            why = (
                f" ({entry['reason']}{': ' + entry['detail'] if entry['detail'] else ''})" if "reason" in entry else ""
            )
            outcome = "failed" if "reason" in entry else "succeeded"
            implicit = (
                "" if entry["implicit_stars"] is None else f", implicitly {count(entry['implicit_stars'], 'star')}"
            )
            print_line(f"{begin}{outcome}{why} {_took(entry)}, reward {entry['reward']:g}{implicit}")
        case TaskAnswered():
            print_line(f"{begin}answered {_took(entry)}; success unknown")
        case TaskJudged():
            judgement = "a success" if event.succeeded else "a failure"
            by = "the judge model's grade" if event.source == RatingSource.JUDGE else f"its {entry['source']} rating"
            print_line(f"{begin}judged as {judgement} by {by}")
        case TaskGraded():
            _print_grade(begin, entry, full)
        case TaskRated():
            issues = f", {', '.join(entry['issues'])}" if entry["issues"] else ""
            print_line(
                f"{begin}rated {entry['stars']} by {entry['actor']} ({entry['source']}){issues}{describe_fault(event)}"
            )
            if entry["comment"] is not None:
                print_text(entry["comment"], WORDS)
        case TaskCorrected():
            verified = "verified" if entry["is_verified"] else "not verified"
            withdrawn = ", withdrawn" if entry["is_withdrawn"] else ""
            what = "" if event.steps else "what was read, "
            print_line(f"{begin}{what}corrected by {entry['actor']} ({entry['source']}, {verified}{withdrawn})")
            for answer in entry["correction"] or [ERASED]:
                print_text(answer, WORDS)
        case CorrectionWithdrawn():
            print_line(f"{begin}correction ({entry['source']}) withdrawn by {entry['actor']}")
            if entry["reason"] != "":
                print_text(entry["reason"], WORDS)


def _print_step(begin: str, event: StepTaken, entry: dict[str, Any], full: bool) -> None:
    """Print which step it is, by which role and what for, and the answer; a plan as its goals."""
    by = f" by {event.role}" if event.role else ""
    purpose, model = describe_purpose(event.kind, event.goal), f", model {event.model}" if event.model else ""
    begin = f"{begin}step {entry['step']}{by}{f', {purpose}' if purpose else ''}{model}  "
    if event.kind == StepKind.PLAN:
        print_line(begin.rstrip())
        for line in describe_plan(entry["answer"], entry["found"]):
            print_line(f"{WORDS}{line}")
    else:
        _print_words(_answer(entry, full), begin)


def _answer(entry: dict[str, Any], full: bool) -> str | None:
    """The answer with its calls, each on one line, cut unless ``full``; None where it was erased."""
    if entry["answer"] is None or entry["tool_calls"] is None:
        return None
    calls = [show_call(call) for call in entry["tool_calls"]]
    text = [entry["answer"]] if entry["answer"] or not calls else []
    return "\n".join([*text, *(call if full else short_text(call, LONGEST_CALL) for call in calls)])


def _print_grade(begin: str, entry: dict[str, Any], full: bool) -> None:
    """Print a judge model's grade with its reason; with ``full`` the prompt that it was asked with."""
    print_line(f"{begin}graded {entry['stars']} by the judge model {entry['judge']}")
    if entry["reason"] is not None:
        print_text(entry["reason"], WORDS)
    for line in _prompt_lines(entry["prompt"], full) if full else ():
        print_line(f"        | {line}")


def _took(entry: dict[str, Any]) -> str:
    """How many steps the run took, and how long where that is known."""
    took = "" if entry["duration_ms"] is None else f", {entry['duration_ms'] / 1000:.1f} s"
    return f"after {count(entry['steps'], 'step')}{took}"


def _print_words(words: str | None, begin: str, end: str = "") -> None:
    """Print the words of a task or an answer: the first line after ``begin``, and further lines below it."""
    first, *more = (ERASED if words is None else words).split("\n")
    print_line(f"{begin}{first}{end}")
    for line in more:
        print_line(f"{WORDS}{line}")


def _prompt_lines(prompt: list[dict[str, Any]] | None, full: bool) -> list[str]:
    """The prompt's last message: its first line and the number of further lines, or all of it after the messages before.

    The program's own instructions are left out, since they are always the same.
    """
    if prompt is None:
        return [ERASED]
    lines = _message_lines(prompt[-1])
    if full:
        before = [message for message in prompt[:-1] if message["content"] not in OWN_INSTRUCTIONS]
        return [
            *(f"{message['role']}: {line}" for message in before for line in _message_lines(message)),
            *lines,
        ]
    return [short_text(lines[0], 100) + (f"  (+{len(lines) - 1} lines, see --full)" if len(lines) > 1 else "")]


def _message_lines(message: dict[str, Any]) -> list[str]:
    """The message's text and calls as lines; a result of a function is named as such."""
    words = show_answer(message["content"].rstrip("\n"), message.get("tool_calls", ()))
    begin = f"result of {message.get('name', message['tool_call_id'])}: " if "tool_call_id" in message else ""
    return f"{begin}{words}".split("\n")
