"""A plan: the goals of a long task in their order, each perhaps with what the page shows once it is reached.

A plan is text with one goal a line, as a model or a person writes it::

    move the logs away => folder:old
    delete notes.txt => no file:notes.txt
    check the sum

After ``=>`` stands the goal's condition: a part of a page line without its number. The condition holds where a line of the
page has these words, and, after ``no``, where none has them. A goal without a condition is reached when a check says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .action import ALL_VERBS, parse_action
from .messages import Page

MOST_GOALS = 8
"""Goals of a plan, at most; chosen: a task that takes more is two tasks."""

LONGEST_GOAL = 300
"""Characters of a goal's words, and of its condition, at most; chosen: as many as a past action has in a prompt."""

ARROW = "=>"
WITHOUT = "no "
"""Begins a condition that holds where the page does not show the rest."""

_BULLET = re.compile(r"\s*(?:(?:goal +)?\d{1,2}[.):]|[-*•])\s+", re.IGNORECASE)
_NUMBER = re.compile(r"\[\d+\]$")
_AROUND_ACTION = re.compile(r"^`?(?:(?:do|act|action) *: *)?`?|`$", re.IGNORECASE)
_FENCE = re.compile(r"\s*```\w*\s*")


@dataclass(frozen=True)
class Goal:
    """One goal: its words, and its condition, empty where the page alone cannot say whether the goal is reached."""

    words: str
    condition: str = ""

    def holds_on(self, page: Page) -> bool:
        """Whether the page shows that the goal is reached; never without a condition."""
        return bool(self.condition) and holds(self.condition, page)

    def written(self) -> str:
        """The goal as a line of a plan."""
        return f"{self.words} {ARROW} {self.condition}" if self.condition else self.words


def holds(condition: str, page: Page) -> bool:
    """Whether the condition holds on the page.

    Its words stand whole in one line: ``file:a.txt`` is not in ``file:a.txt.bak``. Their bounds are spaces, ``:``, ``=`` and
    ``*``, which stand between the fields of a line.
    """
    is_wanted = not condition.startswith(WITHOUT)
    wanted = re.escape(condition if is_wanted else condition.removeprefix(WITHOUT).strip())
    shown = re.compile(rf"(?<![^\s:=*]){wanted}(?![^\s:=*])")
    return any(shown.search(_NUMBER.sub("", line)) for line in page.lines) == is_wanted


def parse_plan(text: str) -> tuple[Goal, ...] | None:
    """The goals that the text writes down; None where it is no plan.

    Numbers and dashes before the goals, empty lines and fences of Markdown have no meaning. Text is no plan without a goal,
    with more than ``MOST_GOALS``, with one that is too long, and where a line is an action in place of a goal: also after a
    number or ``do:``, and before a condition.
    """
    goals = read_plan(text)
    return None if goals is None or any(_is_action(goal.words) for goal in goals) else goals


def read_plan(text: str) -> tuple[Goal, ...] | None:
    """The goals of a recorded plan: as ``parse_plan``, but an action with something around it, which earlier programs took as a
    goal, is one."""
    lines = [line for line in text.splitlines() if line.strip() and not _FENCE.fullmatch(line)]
    goals = [_parse_goal(line) for line in lines[: MOST_GOALS + 1]]
    whole = tuple(goal for goal in goals if goal is not None)
    return whole if 0 < len(goals) == len(whole) <= MOST_GOALS else None


def _parse_goal(line: str) -> Goal | None:
    words, _, condition = (
        _BULLET.sub("", line, count=1).partition(ARROW) if _BULLET.match(line) else line.partition(ARROW)
    )
    words, condition = " ".join(words.split()), _NUMBER.sub("", " ".join(condition.split()))
    if (
        not any(sign.isalnum() for sign in words)
        or parse_action(line, ALL_VERBS) is not None
        or condition == WITHOUT.strip()
        or max(len(words), len(condition)) > LONGEST_GOAL
    ):
        return None
    return Goal(words, condition)


def _is_action(words: str) -> bool:
    """Whether the words are an action, also one that is announced or quoted as in a prompt."""
    return parse_action(_AROUND_ACTION.sub("", words), ALL_VERBS) is not None


def write_plan(goals: Sequence[Goal]) -> str:
    """The text of the plan; ``parse_plan`` reads it back."""
    return "\n".join(goal.written() for goal in goals)


def plan_of_one(task: str) -> str:
    """The plan whose one goal is the task itself, as far as a goal may be long."""
    return " ".join(task.replace(ARROW, "->").split())[:LONGEST_GOAL] or "do the task"
