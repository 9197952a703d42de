"""The roles in one run: who makes which step, and for whom a rating counts.

A run has a role of its own, which begins it. Where a step of role ``action`` could not be carried out, or was done before and
changed nothing on the page, the next one is made by role ``recovery``, until a step gets somewhere again. Once alone is no sign
of being stuck: what a right action does cannot always be seen.

A good run speaks for every role that made a step in it. A bad one speaks against the role of the step that went wrong, and
where nobody knows which that was, against none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ..events import Assignment, TaskFailed, TaskRated, TaskSucceeded
from ..page.messages import Page

T = TypeVar("T")

RECOVERS = {"action": "recovery"}
"""The roles that another takes over from when they get nowhere, and which one does."""

GOOD_STARS = 4
"""Stars from which a rating finds no fault; chosen: the default under which runs are learnt from."""


def roles_in(role: str) -> tuple[str, ...]:
    """The roles that may make a step in a run of this role, its own first."""
    return (role, RECOVERS[role]) if role in RECOVERS else (role,)


def role_of_next_step(role: str, before: Page, after: Page, is_repeated: bool) -> str:
    """Who makes the step that follows the one from the page ``before`` to the page ``after``, in a run of this role.

    ``is_repeated`` says whether the step did what an earlier one of the run had done.
    """
    changed_nothing = (after.task, after.lines) == (before.task, before.lines)
    got_nowhere = bool(after.error) or (changed_nothing and is_repeated)
    return RECOVERS.get(role, role) if got_nowhere and not after.is_done else role


def lanes_counted(event: TaskRated | TaskSucceeded | TaskFailed) -> tuple[Assignment, ...]:
    """The lanes that the event's stars count for: all of a good run, of a bad one that of the role at fault if any."""
    if isinstance(event, TaskSucceeded) or (isinstance(event, TaskRated) and event.stars >= GOOD_STARS):
        return event.lanes
    return tuple(lane for lane in event.lanes if lane["role"] == event.fault)


def effective_answers(steps: Iterable[tuple[T, bool]]) -> list[T | None]:
    """For each of an episode's answers, with whether it could not be carried out: the one that was carried out in the end.

    An answer that cannot be carried out leaves the page as it is, so the next one that can, whoever gave it, is right there
    too; None where none followed.
    """
    found, done = list[T | None](), None
    for answer, has_failed in reversed(list(steps)):
        done = done if has_failed else answer
        found.append(done)
    return found[::-1]
