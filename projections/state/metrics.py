"""Counts of runs by role, adapter and arm: how many, how many succeeded, how long they took.

A run is counted for each role that made a step in it.
"""

from __future__ import annotations

from typing import Any

from ...domain.events import Assignment, CorrectionWithdrawn, Event, TaskCorrected, TaskFailed, TaskRated, TaskSucceeded
from ...domain.rules.roles import lanes_counted
from .ratings import BASE


class Metrics:
    """Fold of run counts. Everything counted is a whole number, so a replay is equal to the bit."""

    HANDLES = (TaskRated, TaskSucceeded, TaskFailed, TaskCorrected, CorrectionWithdrawn)

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case TaskSucceeded() | TaskFailed():
                for lane in event.lanes:
                    self._end(event, self._of(lane))
            case TaskRated():
                for lane in lanes_counted(event):
                    self._of(lane)["ratings"] += 1
            case TaskCorrected():
                self._of(event.lanes[0])["corrections"] += 1
            case CorrectionWithdrawn():
                self._of(event.lanes[0])["corrections"] -= 1

    def _end(self, event: TaskSucceeded | TaskFailed, counts: dict[str, Any]) -> None:
        counts["runs"] += 1
        counts["steps"] += event.steps
        counts["duration_ms"] += event.duration_ms
        if isinstance(event, TaskSucceeded):
            counts["succeeded"] += 1
        else:
            counts["failures"][event.reason] = counts["failures"].get(event.reason, 0) + 1

    def _of(self, lane: Assignment) -> dict[str, Any]:
        arms = self.state.setdefault(lane["role"], {}).setdefault(lane["adapter"] or BASE, {})
        blank = {
            "runs": 0,
            "succeeded": 0,
            "steps": 0,
            "duration_ms": 0,
            "ratings": 0,
            "corrections": 0,
            "failures": {},
        }
        found: dict[str, Any] = arms.setdefault(lane["arm"], blank)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row per role, adapter and arm."""
        return [
            {
                "role": role,
                "adapter": adapter,
                "arm": arm,
                "runs": counts["runs"],
                "success": round(counts["succeeded"] / counts["runs"], 4) if counts["runs"] else None,
                "mean_steps": round(counts["steps"] / counts["runs"], 2) if counts["runs"] else None,
                "mean_ms": round(counts["duration_ms"] / counts["runs"]) if counts["runs"] else None,
                "ratings": counts["ratings"],
                "corrections": counts["corrections"],
                "failures": counts["failures"],
            }
            for role, adapters in self.state.items()
            for adapter, arms in adapters.items()
            for arm, counts in arms.items()
        ]
