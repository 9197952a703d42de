"""A run: one task done once, step by step, then rated and perhaps corrected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from .aggregate import Aggregate, Context
from .errors import BadRating, NotPossible
from .events import Event, StepTaken, TaskCorrected, TaskFailed, TaskRated, TaskStarted, TaskSucceeded
from .settings import Policy

SOURCES = ("human", "reviewer")
LARGEST_SEED = 2**31 - 1
"""What every environment's generator takes."""

CORRECTION_SOURCES = ("human", "reviewer", "retry", "teacher")


def check_stars(stars: Any) -> int:
    """The rating as a number. Raises ``BadRating`` unless it is a whole number from 1 to 5."""
    try:
        number = int(str(stars))
    except ValueError:
        number = 0
    if not 1 <= number <= 5:
        raise BadRating(f"{stars} is not a rating; give a whole number of stars from 1 to 5")
    return number


def rate_implicitly(succeeded: bool, duration_ms: int, policy: Policy) -> int:
    """The stars a run gives itself: failure 1, a success 5, 4 or 3 by how long it took (requirements of the user)."""
    if not succeeded:
        return 1
    if duration_ms < policy.get("implicit.five_under_s") * 1000:
        return 5
    return 4 if duration_ms < policy.get("implicit.four_under_s") * 1000 else 3


class TaskRun(Aggregate):
    """States: started, then ended (succeeded or failed); ratings and corrections come after the end."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.started: TaskStarted | None = None
        self.steps: list[StepTaken] = []
        self.ended: TaskSucceeded | TaskFailed | None = None
        self.ratings: list[TaskRated] = []
        self.corrections: list[TaskCorrected] = []

    @property
    def _belongs(self) -> dict[str, Any]:
        assert self.started is not None
        start = self.started
        return {"role": start.role, "arm": start.arm, "adapter": start.adapter, "rollout": start.rollout}

    def start(self, context: Context, **fields: Any) -> None:
        """Begin; the fields are those of ``TaskStarted``. Raises ``NotPossible`` when it has begun."""
        if self.started is not None:
            raise NotPossible(f"run {self.id.hex} has started already")
        if not 0 <= fields["seed"] <= LARGEST_SEED:
            raise NotPossible(f"{fields['seed']} is not a seed; it is a whole number from 0 to {LARGEST_SEED}")
        self._record(TaskStarted, context, **fields)

    def take_step(self, context: Context, **fields: Any) -> None:
        """Record one step; the fields are those of ``StepTaken`` but its number."""
        self._require_running()
        self._record(StepTaken, context, step=len(self.steps) + 1, **fields)

    def succeed(self, duration_ms: int, reward: float, policy: Policy, context: Context) -> None:
        """End it as a success."""
        self._require_running()
        self._record(
            TaskSucceeded,
            context,
            steps=len(self.steps),
            duration_ms=duration_ms,
            reward=reward,
            implicit_stars=rate_implicitly(True, duration_ms, policy),
            **self._belongs,
        )

    def fail(self, reason: str, detail: str, duration_ms: int, reward: float, policy: Policy, context: Context) -> None:
        """End it as a failure: ``wrong``, ``timeout`` or ``error``."""
        self._require_running()
        self._record(
            TaskFailed,
            context,
            steps=len(self.steps),
            duration_ms=duration_ms,
            reward=reward,
            reason=reason,
            detail=detail,
            implicit_stars=rate_implicitly(False, duration_ms, policy),
            **self._belongs,
        )

    def rate(self, stars: Any, source: str, issues: Sequence[str], comment: str | None, context: Context) -> None:
        """Rate the ended run. A later rating by the same person replaces the earlier one in no mean: both are facts."""
        number = check_stars(stars)
        self._require_ended("rated")
        if source not in SOURCES:
            raise NotPossible(f"a rating cannot come from {source!r}; it comes from {' or '.join(SOURCES)}")
        self._record(
            TaskRated, context, stars=number, source=source, issues=tuple(issues), comment=comment, **self._belongs
        )

    def correct(self, source: str, correction: str, steps: int, is_verified: bool, context: Context) -> None:
        """Record what should have been done. The same correction twice is recorded once."""
        self._require_ended("corrected")
        if source not in CORRECTION_SOURCES:
            raise NotPossible(
                f"a correction cannot come from {source!r}; it comes from {', '.join(CORRECTION_SOURCES)}"
            )
        if any(known.correction == correction for known in self.corrections):
            return
        self._record(
            TaskCorrected,
            context,
            source=source,
            correction=correction,
            steps=steps,
            is_verified=is_verified,
            **self._belongs,
        )

    def _require_running(self) -> None:
        if self.started is None or self.ended is not None:
            raise NotPossible(f"run {self.id.hex} is not under way")

    def _require_ended(self, what: str) -> None:
        if self.ended is None:
            raise NotPossible(f"run {self.id.hex} has not ended; it can be {what} once it has")

    def _apply(self, event: Event) -> None:
        match event:
            case TaskStarted():
                self.started = event
            case StepTaken():
                self.steps.append(event)
            case TaskSucceeded() | TaskFailed():
                self.ended = event
            case TaskRated():
                self.ratings.append(event)
            case TaskCorrected():
                self.corrections.append(event)
