"""Counts of runs by role, adapter and arm: runs, successes, steps, durations.

A run counts for each role that made a step in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import field

from ...domain.events import Assignment, CorrectionWithdrawn, Event, TaskCorrected, TaskFailed, TaskRated, TaskSucceeded
from ...domain.rules.roles import assignments_counted
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


ByArm = dict[str, dict[str, dict[str, RunCounts]]]
"""By role, adapter (``base`` for the bare base) and arm."""


class Metrics:
    """Fold of run counts. All counts are whole numbers, so a replay is equal to the bit."""

    HANDLES = (TaskRated, TaskSucceeded, TaskFailed, TaskCorrected, CorrectionWithdrawn)

    def __init__(self) -> None:
        self._counts: ByArm = {}

    @classmethod
    def load(cls, saved: SavedParts) -> Metrics:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        metrics = cls()
        metrics._counts = saved.one("metrics", ByArm)
        return metrics

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"metrics": encode(self._counts)}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case TaskSucceeded() | TaskFailed():
                for assignment in event.assignments:
                    self._end(event, self._of(assignment))
            case TaskRated():
                for assignment in assignments_counted(event):
                    self._of(assignment).ratings += 1
            case TaskCorrected():
                self._of(event.assignments[0]).corrections += 1
            case CorrectionWithdrawn():
                self._of(event.assignments[0]).corrections -= 1

    def _end(self, event: TaskSucceeded | TaskFailed, counts: RunCounts) -> None:
        counts.runs += 1
        counts.steps += event.steps
        if event.duration_ms is not None:
            counts.timed += 1
            counts.duration_ms += event.duration_ms
        if isinstance(event, TaskSucceeded):
            counts.succeeded += 1
        else:
            counts.failures[event.reason] = counts.failures.get(event.reason, 0) + 1

    def _of(self, assignment: Assignment) -> RunCounts:
        arms = self._counts.setdefault(assignment["role"], {}).setdefault(assignment["adapter"] or BASE, {})
        counts = arms.get(assignment["arm"])
        if counts is None:
            counts = arms[assignment["arm"]] = RunCounts()
        return counts

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
                "success": round(counts.succeeded / counts.runs, 4) if counts.runs else None,
                "mean_steps": round(counts.steps / counts.runs, 2) if counts.runs else None,
                "mean_ms": round(counts.duration_ms / counts.timed) if counts.timed else None,
                "ratings": counts.ratings,
                "corrections": counts.corrections,
                "failures": counts.failures,
            }
            for role in self._counts
            for adapter, arm, counts in self.of_role(role)
        ]
