"""A run as it goes: for each step what the agent saw, what it did and what came of it, and the goals of its plan.

On a terminal each line of a page is cut at the terminal's width, and what matters has a colour. Where stderr is piped, the
same lines are plain. ``tell_step`` decides what is told; it prints nothing.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....domain.page.action import parse_action
from ....domain.vocabulary import Finding, StepKind
from ....projections.wording.sentences import count
from ....projections.wording.steps import describe_finding, describe_goal, describe_purpose
from ..rendering import as_text, has_colours, say, terminal_width

if TYPE_CHECKING:
    from ....domain.page.messages import Page
    from ....domain.page.plan import Goal
    from ...agent.episode import Step

AROUND = 1
"""Lines of the page that are shown before and after the one acted on; chosen: its name is often the line before."""

MOST_NEW = 3
"""New lines of a page, lines of a reading, and lines without an action that are shown; chosen: a step fits ten lines."""

_HEAD = re.compile(r"(tab|window|dialog|frame|alert)\*|address:")
"""Lines that say where the agent is: the tab and its address, or the active window."""

_NUMBER = re.compile(r"\[\d+\]$")

Goals = tuple[tuple["Goal", bool], ...]


@dataclass(frozen=True)
class Told:
    """One line, and its style for Rich."""

    line: str
    style: str = ""


def watch_steps(*, is_shown: bool) -> Callable[[int, Step], None]:
    """A function that prints each step with its number; one that prints nothing where ``is_shown`` is false."""
    shown: Goals = ()

    def watch(number: int, step: Step) -> None:
        nonlocal shown
        if is_shown:
            _print(list(tell_step(number, step, shown)))
        shown = step.goals

    return watch


def tell_step(number: int, step: Step, shown: Goals = ()) -> Iterator[Told]:
    """The lines of the step. ``shown`` are the goals as they stood before; where that changed, they are told again.

    A question in words has no page and no lines: its answer is printed as the outcome.
    """
    if step.seen.is_question:
        return
    purpose = describe_purpose(step.kind, step.goal)
    took_ms = step.completion.duration_ms + step.environment_ms
    yield Told(f"{number:>3}  {step.role}{f', {purpose}' if purpose else ''}  {took_ms} ms", "bold")
    if step.kind == StepKind.ACT:
        yield from _tell_sight(step)
        yield Told(f"     do: {step.answer}", "cyan")
        yield from _tell_effect(step)
    elif step.kind == StepKind.READ:
        yield from _some(step.page.lines, "     | ", "dim")
    elif step.kind == StepKind.CHECK or not step.goals:
        yield Told(f"     answer: {step.answer}", "cyan")
    if step.found is not None:
        yield Told(f"     {describe_finding(step.found)}", "green" if step.found == Finding.REACHED else "red")
    if step.goals != shown:
        yield from _tell_goals(step.goals)


def _tell_goals(goals: Goals) -> Iterator[Told]:
    """Each goal with a tick where it was reached; the next one is marked."""
    following = next((number for number, (_, is_reached) in enumerate(goals) if not is_reached), None)
    for number, (goal, is_reached) in enumerate(goals):
        tick = "x" if is_reached else ">" if number == following else " "
        style = "green" if is_reached else "" if number == following else "dim"
        yield Told(f"     [{tick}] {number + 1}. {describe_goal(goal)}", style)


def _tell_sight(step: Step) -> Iterator[Told]:
    """Where the agent is, and the line that it acts on with those around it; without such a line the first ones."""
    lines, acted = step.seen.lines, _acted_on(step)
    near = range(max(0, acted - AROUND), min(len(lines), acted + AROUND + 1)) if acted is not None else range(0)
    for at, line in enumerate(lines):
        if at not in near and _HEAD.match(line):
            yield Told(f"     {line}", "dim")
    for at in near:
        yield Told(f"   {'>' if at == acted else '|'} {lines[at]}", "bold" if at == acted else "dim")
    if acted is None and not any(map(_HEAD.match, lines)):
        yield from _some(lines, "   | ", "dim")


def _acted_on(step: Step) -> int | None:
    """The index of the line that the action names; None where it names none of the page."""
    action = parse_action(step.answer, step.seen.verbs)
    number = 0 if action is None else action.number
    return number - 1 if 1 <= number <= len(step.seen.lines) else None


def _tell_effect(step: Step) -> Iterator[Told]:
    """What came of the act: its error, the end of the task, or what the page shows that it did not show before."""
    page = step.page
    if page.error:
        yield Told(f"     error: {page.error}", "red")
    if page.is_done:
        # A full reward is what a task without a check gets, too; the outcome below says which it is.
        yield (
            Told("     the task has ended")
            if page.reward >= 1
            else Told(f"     the task has ended, reward {page.reward:g}", "red")
        )
        return
    new, gone = _new_lines(step.seen, page), len(_new_lines(page, step.seen))
    yield from _some(new, "   + ", "")
    if gone:
        yield Told(f"     {count(gone, 'line')} gone", "dim")
    if not (new or gone or page.error or step.found is not None):
        yield Told("     the page looks the same", "dim")


def _new_lines(before: Page, after: Page) -> list[str]:
    """The lines of the later page that the earlier one lacks, whatever their numbers."""
    known, new = Counter(_NUMBER.sub("", line) for line in before.lines), list[str]()
    for line in after.lines:
        name = _NUMBER.sub("", line)
        if known[name]:
            known[name] -= 1
        else:
            new.append(line)
    return new


def _some(lines: Sequence[str], begin: str, style: str) -> Iterator[Told]:
    """The first lines, and how many more there are."""
    for line in lines[:MOST_NEW]:
        yield Told(f"{begin}{line}", style)
    if len(lines) > MOST_NEW:
        yield Told(f"     and {len(lines) - MOST_NEW} more", "dim")


def _print(told: Sequence[Told]) -> None:
    """Print the lines on stderr: each on one row of a terminal, and as they are where stderr is piped."""
    if not sys.stderr.isatty():
        for each in told:
            say(each.line)
        return
    from rich.console import Console

    console = Console(stderr=True, width=terminal_width(), no_color=not has_colours(), highlight=False)
    for each in told:
        console.print(as_text(each.line, each.style), no_wrap=True, overflow="ellipsis")
