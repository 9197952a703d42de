"""Steps of a planned run in words: the plan with its goals, what a step served, and what was found after it."""

from __future__ import annotations

from ...domain.page.plan import WITHOUT, Goal, read_plan
from ...domain.vocabulary import Finding, StepKind
from .words import ERASED

_FOUND = {
    Finding.REACHED: "the goal is reached",
    Finding.NOT_REACHED: "the goal is not reached",
    Finding.REPEATED: "it was done before, and nothing changed",
    Finding.UNLIKE_TREE: "it differs from what the program says of its window",
    Finding.UNREADABLE: "it cannot be read",
}
"""What was found, in words."""


def describe_goal(goal: Goal) -> str:
    """The goal in words, and when it is reached."""
    if not goal.condition:
        return f"{goal.words}, until a check says so"
    if goal.condition.startswith(WITHOUT):
        return f"{goal.words}, until the page no longer shows {goal.condition.removeprefix(WITHOUT)}"
    return f"{goal.words}, until the page shows {goal.condition}"


def describe_plan(answer: str | None, found: str = "") -> list[str]:
    """The plan as numbered sentences; the answer as it is where it is no plan, and where the run ``found`` that it is none."""
    if answer is None:
        return [ERASED]
    goals = None if found == Finding.UNREADABLE else read_plan(answer)
    return answer.split("\n") if goals is None else [f"{n}. {describe_goal(goal)}" for n, goal in enumerate(goals, 1)]


def describe_purpose(kind: str, goal: int) -> str:
    """What the step is for, such as ``plan`` or ``for goal 2``; empty for an act without a plan."""
    if kind == StepKind.PLAN:
        return f"new plan, in place of goal {goal} and after" if goal else "plan"
    if kind == StepKind.CHECK:
        return f"check of goal {goal}"
    if kind == StepKind.READ:
        return f"reading for goal {goal}" if goal else "reading"
    return f"for goal {goal}" if goal else ""


def describe_finding(found: str) -> str:
    """What was found after the step, in words; a word that this program does not know as it is."""
    return _FOUND[Finding(found)] if found in tuple(Finding) else found
