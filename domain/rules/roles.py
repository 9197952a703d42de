"""The roles in one run: which role makes which step, and which roles a rating counts for.

A run has its own role, which begins it. Role ``recovery`` makes the next step where a step of role ``action`` failed,
or repeated an earlier step without any change on the page, until a step succeeds again. A single step without a visible
change is no sign of being stuck: a right action may have no visible effect.

In a run that plans, role ``decomposition`` makes the plans and role ``recovery`` the checks; see ``coordination.py``. In a run
that reads its screen, role ``ocr`` makes the readings; see ``observing.py``.

A good rating counts for every role that made a step. A bad one counts against the role of the step that went wrong;
where that is unknown, against none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ..events import Assignment, TaskFailed, TaskRated, TaskSucceeded
from ..page.messages import Page

T = TypeVar("T")

RECOVERS = {"action": "recovery"}
"""The role that takes over, by the role that it takes over from."""

PLANS = {"action": "decomposition"}
"""The role that makes the plans, by the role that carries them out."""

READS = {"action": "ocr"}
"""The role that reads the screen, by the role that acts on what was read."""

GOOD_STARS = 4
"""A rating of at least this many stars finds no fault; chosen: the default under which runs are learnt from."""


def roles_in(role: str, *, is_planned: bool = False, is_read: bool = False) -> tuple[str, ...]:
    """The roles that may make a step in a run of this role, its own first."""
    others = [RECOVERS.get(role), PLANS.get(role) if is_planned else None, READS.get(role) if is_read else None]
    return (role, *(other for other in others if other is not None))


def role_of_next_step(role: str, before: Page, after: Page, is_repeated: bool) -> str:
    """The role of the step after the one from the page ``before`` to the page ``after``, in a run of this role.

    ``is_repeated`` says whether that step repeated an earlier one of the run.
    """
    got_nowhere = bool(after.error) or (is_repeated and changed_nothing(before, after))
    return RECOVERS.get(role, role) if got_nowhere and not after.is_done else role


def changed_nothing(before: Page, after: Page) -> bool:
    """Whether both pages look the same."""
    return (after.task, after.lines) == (before.task, before.lines)


def assignments_counted(event: TaskRated | TaskSucceeded | TaskFailed) -> tuple[Assignment, ...]:
    """The assignments that the event's stars count for: all for a good run; for a bad one, the role's at fault if any."""
    if isinstance(event, TaskSucceeded) or (isinstance(event, TaskRated) and event.stars >= GOOD_STARS):
        return event.assignments
    return tuple(assignment for assignment in event.assignments if assignment["role"] == event.fault)


def effective_answers(steps: Iterable[tuple[T, bool]]) -> list[T | None]:
    """For each answer of an episode, the answer that was eventually carried out on the same page; None without one.

    Each step is an answer and whether it failed. A failed answer leaves the page unchanged, so the next answer that
    succeeds is right for that page too, whichever role gave it.
    """
    effective, answer_done = list[T | None](), None
    for answer, has_failed in reversed(list(steps)):
        answer_done = answer_done if has_failed else answer
        effective.append(answer_done)
    return effective[::-1]
