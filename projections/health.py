"""Canary health: the latest outcomes of both arms of every rollout that is not decided yet."""

from __future__ import annotations

from typing import Any

from ..domain.canary import Outcome
from ..domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    Event,
    Lane,
    RolloutStarted,
    TaskFailed,
    TaskRated,
    TaskSucceeded,
)

KEPT = 1000
"""Outcomes kept per arm; a verdict looks at the newest ones."""


class Health:
    """Fold of outcomes per rollout. A decided rollout is dropped: its numbers stand in its ``CanaryAssessed``.

    A run counts for the rollout of each role that made a step in it. One that failed by another role's fault says nothing of
    this one; as long as nobody knows whose it was it counts against all, because a canary must not hide behind doubt.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case RolloutStarted():
                self.state[event.originator_id.hex] = {"role": event.role, "canary": [], "stable": []}
            case TaskSucceeded() | TaskFailed():
                for lane in event.lanes:
                    self._end(position, event, self._arm(lane))
            case TaskRated():
                for lane in event.lanes:
                    self._rate(event, self._arm(lane))
            case AdapterPromoted() | AdapterRolledBack():
                self.state.pop(event.originator_id.hex, None)

    def _end(self, position: int, event: TaskSucceeded | TaskFailed, arm: list[dict[str, Any]]) -> None:
        reason, fault = (event.reason, event.fault) if isinstance(event, TaskFailed) else ("", None)
        if reason == "environment":
            return  # A lost browser says nothing of the adapter.
        run = event.originator_id.hex
        arm.append({"run": run, "position": position, "reason": reason, "stars": {}, "faults": {"": fault}})
        del arm[:-KEPT]

    def _rate(self, event: TaskRated, arm: list[dict[str, Any]]) -> None:
        for outcome in reversed(arm):
            if outcome["run"] == event.originator_id.hex:
                outcome["stars"][event.actor] = event.stars
                outcome["faults"][event.actor] = event.fault
                break

    def _arm(self, lane: Lane) -> list[dict[str, Any]]:
        arms = self.state.get(lane["rollout"] or "", {})
        found: list[dict[str, Any]] = arms.get(lane["arm"], [])
        return found

    def outcomes(self, rollout: str, arm: str) -> list[Outcome]:
        """The arm's outcomes, oldest first; a run rated by several people counts with their mean."""
        arms = self.state.get(rollout, {})
        return [
            Outcome(
                position=entry["position"],
                succeeded=entry["reason"] == "",
                is_healthy=entry["reason"] not in ("timeout", "error"),
                is_critical=entry["reason"] == "error",
                stars=sum(entry["stars"].values()) / len(entry["stars"]) if entry["stars"] else None,
            )
            for entry in arms.get(arm, [])
            if not _is_of_another(entry, arms["role"])
        ]


def _is_of_another(entry: dict[str, Any], role: str) -> bool:
    """Whether what went wrong is attributed to another role, and by nobody to this one."""
    named = {fault for fault in entry["faults"].values() if fault is not None}
    return bool(named) and role not in named
