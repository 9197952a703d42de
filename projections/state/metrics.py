"""Counts of runs by role, adapter and arm: runs, successes, steps, durations.

A run counts for each role that made a step in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import field

from ...domain.events import (
    Assignment,
    CorrectionWithdrawn,
    Event,
    TaskAnswered,
    TaskCorrected,
    TaskEnded,
    TaskFailed,
    TaskJudged,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from ...domain.rules.imported import RECORDED
from ...domain.rules.roles import assignments_counted
from ...domain.vocabulary import Arm, FailureReason
from .ratings import BASE
from .shards import SavedParts, StateValue, encode


class RunCounts(StateValue):
    """The counts of one role, adapter and arm."""

    runs: int = 0
    succeeded: int = 0
    steps: int = 0
    timed: int = 0
    """How many of the runs have a known duration."""
    duration_ms: int = 0
    """The sum of the known durations."""
    ratings: int = 0
    corrections: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """The number of failed runs, by reason."""
    unknown: int = 0
    """The number of runs with unknown success."""

    @property
    def success(self) -> float | None:
        """The success rate of the runs with known success, 0 to 1; None without one."""
        known = self.runs - self.unknown
        return self.succeeded / known if known else None


LATEST, DIGITS = 100, 12
"""Latest runs of a role that say whether its success is known; chosen, about as many as a canary gets. The digits of an id
that tell them apart."""


class Known(StateValue):
    """Whether the success of each of a role's latest runs is known."""

    runs: dict[str, bool | None] = field(default_factory=dict)
    """By run, by the first digits of its id, the newest last; None where the program that makes the run will say it."""

    def start(self, run: str, is_known: bool | None) -> None:
        """Count a run that began."""
        self.runs[run[:DIGITS]] = is_known
        if len(self.runs) > LATEST:
            del self.runs[next(iter(self.runs))]

    def end(self, run: str, is_known: bool) -> None:
        """Note what the program that made the run says. Other runs are known, or not, from their start."""
        if self.runs.get(run[:DIGITS], False) is None:
            self.runs[run[:DIGITS]] = is_known

    def judge(self, run: str) -> None:
        """Count the run as known. One that is no longer among the latest has no effect."""
        if run[:DIGITS] in self.runs:
            self.runs[run[:DIGITS]] = True

    @property
    def share(self) -> float:
        """The share of runs with known success, 0 to 1; 1 without a run."""
        return sum(map(bool, self.runs.values())) / len(self.runs) if self.runs else 1.0


ByArm = dict[str, dict[str, dict[str, RunCounts]]]
"""By role, adapter (``base`` for the bare base) and arm."""


class Metrics:
    """Fold of run counts. All counts are whole numbers, so a replay is equal to the bit."""

    HANDLES = (
        TaskStarted,
        TaskRated,
        TaskSucceeded,
        TaskFailed,
        TaskAnswered,
        TaskJudged,
        TaskCorrected,
        CorrectionWithdrawn,
    )

    def __init__(self) -> None:
        self._counts: ByArm = {}
        self._known: dict[str, Known] = {}
        """By role, its traffic's latest runs and how many have known success."""

    @classmethod
    def load(cls, saved: SavedParts) -> Metrics:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        metrics = cls()
        metrics._counts, metrics._known = saved.one("metrics", ByArm), saved.one("known", dict[str, Known])
        return metrics

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"metrics": encode(self._counts), "known": encode(self._known)}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case TaskStarted():
                self._start(event)
            case TaskSucceeded() | TaskFailed() | TaskAnswered():
                for assignment in event.assignments:
                    self._end(event, self._of(assignment))
                    if assignment["role"] in self._known:
                        self._known[assignment["role"]].end(event.originator_id.hex, event.is_known)
            case TaskJudged():
                for assignment in event.assignments:
                    self._judge(event, self._of(assignment))
                    if assignment["role"] in self._known:
                        self._known[assignment["role"]].judge(event.originator_id.hex)
            case TaskRated():
                for assignment in assignments_counted(event):
                    self._of(assignment).ratings += 1
            case TaskCorrected():
                self._of(event.assignments[0]).corrections += 1
            case CorrectionWithdrawn():
                self._of(event.assignments[0]).corrections -= 1

    def _start(self, event: TaskStarted) -> None:
        """Note whether the run's success will be known: its environment judges it, or the program that makes it does."""
        is_known = None if RECORDED in event.policy else event.is_verified
        for assignment in event.assignments:
            if assignment["arm"] != Arm.PINNED:
                known = self._known.setdefault(assignment["role"], Known())
                known.start(event.originator_id.hex, is_known)

    def _end(self, event: TaskEnded, counts: RunCounts) -> None:
        counts.runs += 1
        counts.steps += event.steps
        counts.unknown += not event.is_known
        if event.duration_ms is not None:
            counts.timed += 1
            counts.duration_ms += event.duration_ms
        if isinstance(event, TaskSucceeded):
            counts.succeeded += 1
        elif isinstance(event, TaskFailed):
            counts.failures[event.reason] = counts.failures.get(event.reason, 0) + 1

    def _judge(self, event: TaskJudged, counts: RunCounts) -> None:
        counts.unknown -= 1
        if event.succeeded:
            counts.succeeded += 1
        else:
            counts.failures[FailureReason.WRONG] = counts.failures.get(FailureReason.WRONG, 0) + 1

    def known_share(self, role: str) -> float:
        """The share of the role's latest runs with known success, 0 to 1; 1 without a run."""
        return self._known.get(role, Known()).share

    def _of(self, assignment: Assignment) -> RunCounts:
        arms = self._counts.setdefault(assignment["role"], {}).setdefault(assignment["adapter"] or BASE, {})
        counts = arms.get(assignment["arm"])
        if counts is None:
            counts = arms[assignment["arm"]] = RunCounts()
        return counts

    @property
    def roles(self) -> list[str]:
        """The roles of which there are counts."""
        return list(self._counts)

    def of_role(self, role: str) -> Iterator[tuple[str, str, RunCounts]]:
        """The adapter (``base`` for the bare base), the arm and the counts, for each adapter and arm of the role."""
        for adapter, arms in self._counts.get(role, {}).items():
            for arm, counts in arms.items():
                yield adapter, arm, counts

    def rows(self) -> list[dict[str, Any]]:
        """One row per role, adapter and arm, JSON-plain."""
        return [
            {
                "role": role,
                "adapter": adapter,
                "arm": arm,
                "runs": counts.runs,
                "success": None if counts.success is None else round(counts.success, 4),
                "unknown": counts.unknown,
                "mean_steps": round(counts.steps / counts.runs, 2) if counts.runs else None,
                "mean_ms": round(counts.duration_ms / counts.timed) if counts.timed else None,
                "ratings": counts.ratings,
                "corrections": counts.corrections,
                "failures": counts.failures,
            }
            for role in self._counts
            for adapter, arm, counts in self.of_role(role)
        ]
