"""Which role a failed run is attributed to before anything is said of it, from its steps alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..vocabulary import Finding, StepKind

PLANNER = "decomposition"
READER = "ocr"


class Taken(Protocol):
    """What attribution reads of a step."""

    @property
    def kind(self) -> str: ...

    @property
    def goal(self) -> int: ...

    @property
    def found(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def error(self) -> str: ...


def role_at_fault(steps: Sequence[Taken], own_role: str, *, are_all_reached: bool = False) -> str | None:
    """The role at fault in a run that failed with these steps; None where that is unknown.

    - ``are_all_reached``: all goals of the plan were reached, and the task is still not done. The plan was wrong.
    - A plan that cannot be read, and no other: the run had to do without one. The planning role is at fault too.
    - A goal that was not reached to the end: the role of its first act where that could not be carried out, because whoever
      acts after it only tries to make up for it; else the role of its last act. Where a reading for this goal was unlike
      the program's own description of its window, the reading role.
    - Without a plan: the reading role after such a reading, or else the only role that made a step.
    """
    plans = [number for number, step in enumerate(steps) if step.kind == StepKind.PLAN]
    readable = [number for number in plans if steps[number].found != Finding.UNREADABLE]
    if plans and (not readable or are_all_reached):
        return steps[plans[-1]].role
    since = steps[readable[-1] :] if readable else steps
    acts = [step for step in since if step.kind == StepKind.ACT]
    if readable and acts and (goal := acts[-1].goal):
        first = next(act for act in acts if act.goal == goal)
        was_impossible = first.error and first.found != Finding.NOT_REACHED
        return READER if _is_misread(since, goal) else (first if was_impossible else acts[-1]).role or own_role
    if readable and not acts:
        return steps[readable[-1]].role
    if not readable and _is_misread(steps):
        return READER
    roles = {step.role or own_role for step in steps} | {own_role}
    return own_role if len(roles) == 1 else None


def _is_misread(steps: Sequence[Taken], goal: int | None = None) -> bool:
    """Whether a reading, for the goal or for any, was unlike the program's own description of its window."""
    return any(
        step.kind == StepKind.READ and step.found == Finding.UNLIKE_TREE and goal in (None, step.goal) for step in steps
    )
