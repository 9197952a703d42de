"""Where the runs go: for each role the live adapter, the canary and its share, and the cycle in flight."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...domain.aggregates.rollout import in_short
from ...domain.events import (
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
    TaskStarted,
)
from ...domain.rules.routing import Traffic
from ...domain.verdict import Times
from ...domain.vocabulary import RolloutPhase
from .rings import PAIRS, StickyAssignments
from .shards import StateShards

LONGEST_BAKE_GAP_S = 60.0
"""Seconds between two events of the log that count for a bake at most; chosen: a clock that jumps bakes nothing."""

LONGEST_WAIT_GAP_S = 4 * 3600.0
"""The same for the time after which a rollout is given up; longer where ``schedule.every_s`` is."""


class Rollouts:
    """Fold of rollouts and cycles, and of the time that each undecided rollout has had.

    Time is what has passed between the log's events, each gap counted up to a length, and a step back as nothing: with a clock
    that jumps or goes backwards a canary is neither promoted nor given up early.
    """

    HANDLES = (TaskStarted, RatingThresholdBreached, CycleOpened, CycleClosed, RolloutEvent)

    def __init__(
        self, state: dict[str, Any] | None = None, time: datetime | None = None, drawn: StateShards | None = None
    ) -> None:
        self.state: dict[str, Any] = state if state is not None else {"roles": {}, "rollouts": {}}
        self.time = time
        """Of the last event; None before the first."""
        self.drawn = StateShards(form=PAIRS) if drawn is None else drawn
        """The arms of the sessions that were drawn, by rollout."""
        self.longest_wait_gap_s = LONGEST_WAIT_GAP_S
        """What counts of a gap at most for the time after which a rollout is given up."""
        self._sessions: dict[str, StickyAssignments] = {}
        self.undecided: dict[str, dict[str, Any]] = {}
        """The rollouts under way, by their ids; at most one for each role."""
        self._find_undecided()

    def apply(self, position: int, event: Event) -> None:
        """Follow one event, after its time has passed."""
        match event:
            case TaskStarted():
                self._pin(event)
            case RatingThresholdBreached() | CycleOpened():
                self._role(event.role)["cycle"] = {"opened_by": event.reference, "position": position}
            case CycleClosed():
                self._role(event.role)["cycle"] = None
                self._role(event.role)["last_outcome"] = event.outcome
            case RolloutEvent():
                self._roll(position, event)
                self._find_undecided()

    def pass_time(self, now: datetime) -> None:
        """Let the time up to the next event, of whatever kind, pass for every undecided rollout.

        A paused one is not given up meanwhile.
        """
        for rollout, lane in self.undecided.items():
            times = self.times(rollout, now)
            lane["baked_s"], lane["at_share_s"], lane["waited_s"] = times.baked, times.at_share, times.waited
        self.time = now

    def times(self, rollout: str, now: datetime | None = None) -> Times:
        """The seconds that the undecided rollout has had up to the last event, or up to one that came now."""
        lane, gap = self.undecided[rollout], 0.0 if now is None else self.gap(now)
        bake = min(gap, LONGEST_BAKE_GAP_S)
        wait = min(gap, self.longest_wait_gap_s) if lane["phase"] == RolloutPhase.PROGRESSING else 0.0
        return Times(lane["baked_s"] + bake, lane["at_share_s"] + bake, lane["waited_s"] + wait)

    def gap(self, now: datetime) -> float:
        """Seconds from the last event until now, 0 where the clock went backwards and before the first event."""
        return 0.0 if self.time is None else max(0.0, (now - self.time).total_seconds())

    def _find_undecided(self) -> None:
        keys = (role["rollout"] for role in self.state["roles"].values())
        self.undecided = {key: self.state["rollouts"][key] for key in keys if key is not None}

    def _pin(self, event: TaskStarted) -> None:
        """Keep the arm that a session was drawn for: it stays there whatever becomes of the shares."""
        if event.session is None:
            return
        for lane in event.lanes if self.undecided else ():
            rollout = self.undecided.get(lane["rollout"] or "")
            if rollout is not None and rollout["unit"] == "session":
                self.sessions(lane["rollout"] or "").assign(event.session, lane["arm"])

    def _roll(self, position: int, event: RolloutEvent) -> None:
        role, key = self._role(event.role), event.originator_id.hex
        if isinstance(event, RolloutStarted):
            self.state["rollouts"][key] = {
                "role": event.role,
                "adapter": event.adapter,
                "stable": event.stable,
                "rule": event.rule,
                "unit": event.unit,
                "phase": RolloutPhase.PROGRESSING,
                "weight_percent": event.weight_percent,
                "started": event.time.isoformat(),
                "position": position,
                "verdict": None,
                "reason": "",
                "said": None,
                "message": "",
                "assessed": None,
                "baked_s": 0.0,
                "at_share_s": 0.0,
                "waited_s": 0.0,
                "was_live": False,
            }
            role["rollout"] = key
        rollout = self.state["rollouts"][key]
        match event:
            case CanaryWeightSet():
                rollout["weight_percent"], rollout["at_share_s"] = event.weight_percent, 0.0
            case CanaryAssessed():
                rollout["verdict"], rollout["reason"], rollout["message"] = event.verdict, event.reason, event.message
                rollout["said"] = in_short(event)
                rollout["assessed"] = event.time.isoformat()
            case RolloutPaused():
                rollout["phase"] = RolloutPhase.PAUSED
            case RolloutResumed():
                rollout["phase"], rollout["waited_s"], rollout["said"] = RolloutPhase.PROGRESSING, 0.0, None
            case AdapterPromoted():
                rollout["phase"], rollout["message"], rollout["was_live"] = RolloutPhase.PROMOTED, event.reason, True
                role["stable"] = event.adapter
            case AdapterRolledBack():
                rollout["phase"], rollout["message"] = RolloutPhase.ROLLED_BACK, event.reason
                if role["stable"] == event.adapter:  # a person took the promotion back
                    role["stable"] = event.stable
                    for other in self.state["rollouts"].values():
                        if (other["role"], other["adapter"]) == (event.role, event.stable):
                            other["phase"], other["weight_percent"] = RolloutPhase.PROMOTED, 100  # live again
        if rollout["phase"] in (RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK):
            self.sessions(key).clear()
            del self._sessions[key]
            if role["rollout"] == key:
                role["rollout"] = None

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
        sessions = self.sessions(lane["rollout"]) if rollout["unit"] == "session" else None
        return Traffic(lane["stable"], rollout["adapter"], lane["rollout"], rollout["weight_percent"], sessions)

    def sessions(self, rollout: str) -> StickyAssignments:
        """The arms of the sessions that were drawn in the undecided rollout."""
        if rollout not in self._sessions:
            self._sessions[rollout] = StickyAssignments(self.drawn, rollout)
        return self._sessions[rollout]

    def live(self, role: str) -> str | None:
        """The adapter that serves the role's runs, None for the base."""
        lane = self.state["roles"].get(role)
        return lane["stable"] if lane is not None else None

    def once_live(self, role: str) -> list[str]:
        """The adapters that the role's runs have gone to, the latest promotion last."""
        return [
            lane["adapter"] for lane in self.state["rollouts"].values() if lane["role"] == role and lane["was_live"]
        ]

    def cycle(self, role: str) -> dict[str, Any] | None:
        """The cycle in flight: the reference and position of the event that opened it."""
        lane = self.state["roles"].get(role)
        return lane["cycle"] if lane else None
