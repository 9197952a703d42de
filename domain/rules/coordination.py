"""The coordination of one run: whether its next step plans, acts or checks, and which goal the step serves.

A run that plans makes a plan first. Each act serves the goal that is next. The page decides whether that goal is reached,
where the plan says what will be seen. Elsewhere a check is asked when the actor says ``DONE`` for the goal, and anywhere when
it repeats an act that was carried out and changes nothing. After a failed check the recovering role acts, and after
``FAILED_CHECKS`` within one goal a new plan is made from the present page. When all goals are reached, the actor is asked for
the task itself, as without a plan: to do what the plan left out, or to finish. A plan that cannot be read changes nothing: a
run without another plan goes on without one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..page.messages import Page
from ..page.plan import Goal, parse_plan
from ..vocabulary import Finding, PlanMode, StepKind

FAILED_CHECKS = 2
"""Failed checks within one goal that make a new plan; chosen: the first one may be the actor's fault, as recovery tries."""

_SENTENCE = re.compile(r"\S[^.!?;]*[.!?;](?=\s+\S)")
_YES, _NO = re.compile(r"\W*yes\b", re.IGNORECASE), re.compile(r"\W*no\b", re.IGNORECASE)


@dataclass(frozen=True)
class PlanBounds:
    """How much a run may plan and check."""

    max_plans: int
    max_checks: int


def makes_plans(mode: str, words: str, *, is_question: bool, is_long: bool) -> bool:
    """Whether a run of a task makes a plan, by the setting ``run.plan``.

    With ``auto`` it does for a long task, as its environment says, and for a task in free words of several sentences.
    ``words`` is the task as it was given: a name has no spaces. A question in words never has a plan.
    """
    if is_question or mode == PlanMode.NEVER:
        return False
    return mode == PlanMode.ALWAYS or is_long or _SENTENCE.search(words) is not None


PLAN_SETTINGS = ("run.plan", "run.max_plans", "run.max_checks")
"""The settings of plans, recorded with the start of a run that plans."""


def recorded_bounds(settings: Mapping[str, Any]) -> PlanBounds | None:
    """How much a run with these recorded settings may plan and check; None where it makes no plans."""
    _, max_plans, max_checks = (settings.get(key) for key in PLAN_SETTINGS)
    return None if max_plans is None else PlanBounds(max_plans, max_checks or 0)


class Coordinator:
    """The plan of a run in progress. Without bounds it never plans, and every step acts."""

    def __init__(self, bounds: PlanBounds | None = None) -> None:
        self._bounds = bounds or PlanBounds(0, 0)
        self.kind = StepKind.PLAN if self._bounds.max_plans else StepKind.ACT
        """What the next step does."""
        self.recovers = False
        """Whether the next act follows a failed check."""
        self.reached: list[Goal] = []
        """The goals that were reached, of all plans."""
        self._goals: tuple[Goal, ...] = ()
        self._next = 0
        self._failed = self._plans = self._checks = 0

    @property
    def goal(self) -> int:
        """The number of the goal that the next step serves, from 1; 0 without a plan and when all goals are reached."""
        return 0 if self.current is None else self._next + 1

    @property
    def current(self) -> Goal | None:
        """The goal that the next step serves."""
        return self._goals[self._next] if self._next < len(self._goals) else None

    @property
    def goals(self) -> tuple[tuple[Goal, bool], ...]:
        """The goals of the present plan, each with whether it was reached."""
        return tuple((goal, number < self._next) for number, goal in enumerate(self._goals))

    @property
    def are_all_reached(self) -> bool:
        """Whether there is a plan, and all its goals are reached."""
        return bool(self._goals) and self.current is None

    @property
    def now(self) -> str:
        """What the actor is asked to do now, in words; empty where it is the task itself."""
        return self.current.words if self.current is not None else ""

    def plan(self, answer: str, page: Page) -> Finding | None:
        """Take the answer over as the plan. Goals that the page shows as reached need no step."""
        self._plans, self._failed, self.kind, self.recovers = self._plans + 1, 0, StepKind.ACT, False
        goals = parse_plan(answer)
        if goals is None:
            return Finding.UNREADABLE
        self._goals, self._next = goals, 0
        self._skip(page)
        return None

    def is_claim(self, verb: str) -> bool:
        """Whether an act with this verb says that the current goal is reached, and so is not carried out."""
        return verb == "DONE" and self.current is not None

    def claim(self, page: Page, *, is_repeated: bool = False) -> Finding | None:
        """The actor says that the current goal is reached. None where a check decides.

        It decides too where this is said again of a goal whose condition the page does not show: the condition may be wrong.
        """
        assert self.current is not None
        self.recovers, is_shown = False, self.current.holds_on(page)
        may_check = self._checks < self._bounds.max_checks
        if self.current.condition and not is_shown and not (is_repeated and may_check):
            return self._fail(Finding.NOT_REACHED)
        if is_shown or not may_check:
            return self._reach(page)
        self.kind = StepKind.CHECK
        return None

    def act(self, page: Page, *, is_repeated: bool) -> Finding | None:
        """An act led to the page; ``is_repeated`` says that it was done before, and the page did not change.

        Whoever repeats what was carried out knows nothing else to do for the goal. Its condition may be wrong: a check decides.
        """
        self.recovers = False
        if self.current is not None and self.current.holds_on(page):
            return self._reach(page)
        if is_repeated and self.current is not None and not page.error and self._checks < self._bounds.max_checks:
            self.kind = StepKind.CHECK
            return Finding.REPEATED
        return self._fail(Finding.REPEATED) if is_repeated else None

    def look(self, page: Page) -> None:
        """The page was read: what it shows now may be that the current goal is reached."""
        if self.current is not None and self.current.holds_on(page):
            self._reach(page)

    def check(self, answer: str, page: Page) -> Finding:
        """The answer of a check: yes or no. An answer that is neither says nothing.

        Then the page decides where the plan says what will be seen, and elsewhere the actor is believed.
        """
        assert self.current is not None
        self._checks, self.kind = self._checks + 1, StepKind.ACT
        if _NO.match(answer):
            return self._fail(Finding.NOT_REACHED)
        is_told = _YES.match(answer) is not None
        if not is_told and self.current.condition and not self.current.holds_on(page):
            return self._fail(Finding.UNREADABLE)
        self._reach(page)
        return Finding.REACHED if is_told else Finding.UNREADABLE

    def _reach(self, page: Page) -> Finding:
        assert self.current is not None
        self.reached.append(self.current)
        self._next, self._failed = self._next + 1, 0
        self._skip(page)
        return Finding.REACHED

    def _skip(self, page: Page) -> None:
        """Go on to the first goal that the page does not show as reached."""
        while self.current is not None and self.current.holds_on(page):
            self.reached.append(self.current)
            self._next += 1

    def _fail(self, found: Finding) -> Finding:
        """Count a failed check of the current goal."""
        if self.current is not None:
            self._failed, self.recovers = self._failed + 1, True
            if self._failed >= FAILED_CHECKS and self._plans < self._bounds.max_plans:
                self.kind = StepKind.PLAN
        return found
