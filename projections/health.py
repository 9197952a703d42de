"""Canary health: the latest outcomes of both arms of every rollout that is not decided yet."""

from __future__ import annotations

from typing import Any

from ..domain.canary import Outcome
from ..domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    Event,
    RolloutStarted,
    TaskFailed,
    TaskRated,
    TaskSucceeded,
)

KEPT = 1000
"""Outcomes kept per arm; a verdict looks at the newest ones."""


class Health:
    """Fold of outcomes per rollout. A decided rollout is dropped: its numbers stand in its ``CanaryAssessed``."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case RolloutStarted():
                self.state[event.originator_id.hex] = {"canary": [], "stable": []}
            case TaskSucceeded() | TaskFailed():
                self._end(position, event)
            case TaskRated():
                for outcome in reversed(self._arm(event)):
                    if outcome["run"] == event.originator_id.hex:
                        outcome["stars"][event.actor] = event.stars
                        break
            case AdapterPromoted() | AdapterRolledBack():
                self.state.pop(event.originator_id.hex, None)

    def _end(self, position: int, event: TaskSucceeded | TaskFailed) -> None:
        reason = event.reason if isinstance(event, TaskFailed) else ""
        if reason == "environment":
            return  # A lost browser says nothing of the adapter.
        arm = self._arm(event)
        arm.append({"run": event.originator_id.hex, "position": position, "reason": reason, "stars": {}})
        del arm[:-KEPT]

    def _arm(self, event: TaskSucceeded | TaskFailed | TaskRated) -> list[dict[str, Any]]:
        arms = self.state.get(event.rollout or "", {})
        found: list[dict[str, Any]] = arms.get(event.arm, [])
        return found

    def outcomes(self, rollout: str, arm: str) -> list[Outcome]:
        """The arm's outcomes, oldest first; a run rated by several people counts with their mean."""
        return [
            Outcome(
                position=entry["position"],
                succeeded=entry["reason"] == "",
                is_healthy=entry["reason"] not in ("timeout", "error"),
                is_critical=entry["reason"] == "error",
                stars=sum(entry["stars"].values()) / len(entry["stars"]) if entry["stars"] else None,
            )
            for entry in self.state.get(rollout, {}).get(arm, [])
        ]
