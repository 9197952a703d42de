"""Where the runs go: for each role the live adapter, the canary and its share, and the cycle in flight."""

from __future__ import annotations

from typing import Any

from ..domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    CanaryAssessed,
    CanaryWeightSet,
    CycleClosed,
    CycleOpened,
    Event,
    RatingThresholdBreached,
    RolloutEvent,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
)
from ..domain.routing import Traffic


class Lanes:
    """Fold of rollouts and cycles."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {"roles": {}, "rollouts": {}}

    def apply(self, position: int, event: Event) -> None:
        """Follow one event."""
        match event:
            case RatingThresholdBreached() | CycleOpened():
                self._role(event.role)["cycle"] = {"opened_by": event.reference, "position": position}
            case CycleClosed():
                self._role(event.role)["cycle"] = None
                self._role(event.role)["last_outcome"] = event.outcome
            case RolloutEvent():
                self._roll(position, event)

    def _roll(self, position: int, event: RolloutEvent) -> None:
        role, key = self._role(event.role), event.originator_id.hex
        if isinstance(event, RolloutStarted):
            self.state["rollouts"][key] = {
                "role": event.role,
                "adapter": event.adapter,
                "stable": event.stable,
                "phase": "progressing",
                "weight_percent": event.weight_percent,
                "started": event.time.isoformat(),
                "since": event.time.isoformat(),
                "position": position,
                "verdict": None,
                "message": "",
                "assessed": None,
            }
            role["rollout"] = key
        rollout = self.state["rollouts"][key]
        match event:
            case CanaryWeightSet():
                rollout["weight_percent"] = event.weight_percent
            case CanaryAssessed():
                rollout["verdict"], rollout["message"] = event.verdict, event.message
                rollout["assessed"] = event.time.isoformat()
            case RolloutPaused():
                rollout["phase"] = "paused"
            case RolloutResumed():
                rollout["phase"], rollout["since"] = "progressing", event.time.isoformat()
            case AdapterPromoted():
                rollout["phase"], rollout["message"] = "promoted", event.reason
                role["stable"], role["rollout"] = event.adapter, None
            case AdapterRolledBack():
                rollout["phase"], rollout["message"] = "rolled back", event.reason
                role["rollout"] = None
                if role["stable"] == event.adapter:  # a person took the promotion back
                    role["stable"] = event.stable

    def _role(self, role: str) -> dict[str, Any]:
        blank = {"stable": None, "rollout": None, "cycle": None, "last_outcome": None}
        found: dict[str, Any] = self.state["roles"].setdefault(role, blank)
        return found

    def traffic(self, role: str) -> Traffic:
        """Where the role's runs go now."""
        lane = self.state["roles"].get(role)
        if lane is None:
            return Traffic()
        if lane["rollout"] is None:
            return Traffic(stable=lane["stable"])
        rollout = self.state["rollouts"][lane["rollout"]]
        return Traffic(lane["stable"], rollout["adapter"], lane["rollout"], rollout["weight_percent"])

    def cycle(self, role: str) -> dict[str, Any] | None:
        """The cycle in flight: the reference and position of the event that opened it."""
        lane = self.state["roles"].get(role)
        return lane["cycle"] if lane else None
