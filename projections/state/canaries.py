"""Canary health: what both arms of every undecided rollout have shown, as outcomes for the plain rules and as evidence."""

from __future__ import annotations

from typing import Any

from ...domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    Assignment,
    CanaryWeightSet,
    Event,
    RolloutResumed,
    RolloutStarted,
    RunEvent,
    TaskFailed,
    TaskRated,
    TaskSucceeded,
)
from ...domain.evidence.canary import Evidence
from ...domain.evidence.clusters import RatingClusters
from ...domain.evidence.terms import CanaryTerms
from ...domain.rules.canary import Outcome
from ...domain.vocabulary import Arm, FailureReason
from .rings import KEYS, RecentSet, RingBuffer
from .shards import StateShards

KEPT = 1000
"""Outcomes kept per arm; a verdict looks at the newest ones."""

ARMS = (Arm.CANARY, Arm.STABLE)

OUTCOMES = list[tuple[str, dict[str, Any]]]
"""The form of a part of an arm's outcomes: the run and how it went."""

MOST_PERCENT = 99
"""The largest share of a canary beside which there is a stable arm."""


class Health:
    """Fold of outcomes per rollout. A decided rollout is dropped: its numbers stand in its ``CanaryAssessed``.

    A run counts for the rollout of each role that made a step in it. One that failed by another role's fault says nothing of
    this one; as long as nobody knows whose it was it counts against all, because a canary must not hide behind doubt. Evidence
    takes each run once, as it ended and as it was first rated: what was bet on is not taken back. Where sessions are the unit
    it takes each as the mean of its runs, once it is over, and a run without a session at once.
    """

    HANDLES = (
        RolloutStarted, CanaryWeightSet, RolloutResumed, TaskSucceeded, TaskFailed, TaskRated, AdapterPromoted,
        AdapterRolledBack,
    )  # fmt: skip

    def __init__(
        self, state: StateShards | None = None, outcomes: StateShards | None = None, over: StateShards | None = None
    ) -> None:
        self.state = StateShards() if state is None else state
        """By the rollout's id, hex."""
        self.over = StateShards(form=KEYS) if over is None else over
        """The sessions that are over, by ``rollout/kind/arm``."""
        self.arms = StateShards(form=OUTCOMES) if outcomes is None else outcomes
        """How the latest runs went, by ``rollout/arm``."""
        self._recent: dict[str, RingBuffer] = {}
        self._remembered: dict[str, RecentSet] = {}
        self._evidence: dict[str, Evidence] = {}
        """What stands in the state, with its terms read once."""

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case RolloutStarted():
                self._begin(event)
            case CanaryWeightSet() | RolloutResumed():
                self._change(event)
            case TaskSucceeded() | TaskFailed():
                for lane in event.lanes:
                    self._end(position, event, lane)
            case TaskRated():
                for lane in event.lanes:
                    self._rate(event, lane)
            case AdapterPromoted() | AdapterRolledBack():
                self._drop(event.originator_id.hex)

    def _begin(self, event: RolloutStarted) -> None:
        took = {arm: {"runs": 0, "ms": 0} for arm in ARMS}
        began: dict[str, Any] = {"role": event.role, "took": took, "evidence": None}
        if event.rule == "sequential":
            began["terms"], began["unit"], began["edition"] = event.terms, event.unit, event.edition
            began["evidence"] = Evidence.begin(CanaryTerms.from_json(event.terms), event.weight_percent).state
            began["sessions"] = {kind: {arm: {} for arm in ARMS} for kind in ("end", "rate")}
        self.state[event.originator_id.hex] = began

    def _change(self, event: CanaryWeightSet | RolloutResumed) -> None:
        evidence = self.evidence(event.originator_id.hex)
        if evidence is None:
            return
        if isinstance(event, RolloutResumed):
            evidence.extend()
        elif 1 <= event.weight_percent <= MOST_PERCENT:  # all and nothing are decisions, which end it
            evidence.weigh(event.weight_percent, by_hand=bool(event.reason))

    def evidence(self, rollout: str) -> Evidence | None:
        """What the rollout's canary has shown; None where it is decided, or not judged by evidence."""
        found = self.state.get(rollout)
        if found is None or found["evidence"] is None:
            return None
        if rollout not in self._evidence:
            self._evidence[rollout] = Evidence(CanaryTerms.from_json(found["terms"]), found["evidence"])
        return self._evidence[rollout]

    def _end(self, position: int, event: TaskSucceeded | TaskFailed, lane: Assignment) -> None:
        reason, fault = (event.reason, event.fault) if isinstance(event, TaskFailed) else ("", None)
        rollout = self.state.get(lane["rollout"] or "")
        if reason == FailureReason.ENVIRONMENT or rollout is None or lane["arm"] not in ARMS:
            return  # A lost browser says nothing of the adapter.
        outcome = {"position": position, "reason": reason, "stars": {}, "faults": {"": fault}}
        self._arm(lane["rollout"] or "", lane["arm"]).append((event.originator_id.hex, outcome))
        if fault not in (None, lane["role"]):
            return
        rollout["took"][lane["arm"]]["runs"] += 1
        rollout["took"][lane["arm"]]["ms"] += event.duration_ms
        if (evidence := self.evidence(lane["rollout"] or "")) is not None:
            if reason == FailureReason.ERROR:
                evidence.fail_critically(lane["arm"])
            for success in self._units("end", event, lane, float(reason == "")):
                evidence.end(lane["arm"], success)

    def _rate(self, event: TaskRated, lane: Assignment) -> None:
        run = event.originator_id.hex
        if lane["rollout"] not in self.state or lane["arm"] not in ARMS:
            return
        _, outcome = next(self._arm(lane["rollout"] or "", lane["arm"]).of(run), (run, None))
        if outcome is None:
            return
        is_first = not outcome["stars"]
        outcome["stars"][event.actor] = event.stars
        outcome["faults"][event.actor] = event.fault
        evidence = self.evidence(lane["rollout"] or "")
        if is_first and evidence is not None and not _is_of_another(outcome, lane["role"]):
            for stars in self._units("rate", event, lane, event.stars):
                evidence.rate(lane["arm"], stars)

    def _units(self, kind: str, event: RunEvent, lane: Assignment, value: float) -> list[float]:
        """What counts as an outcome with this event: the run's own, or the means of the sessions that are over by it."""
        rollout = self.state[lane["rollout"] or ""]
        if rollout["unit"] == "run":
            return [value]
        run = event.originator_id.hex
        name, session = f"{lane['rollout']}/{kind}/{lane['arm']}", event.session or run
        if name not in self._remembered:
            self._remembered[name] = RecentSet(self.over, name)
        bursts = RatingClusters(rollout["sessions"][kind][lane["arm"]], self._remembered[name])
        if event.session is None and rollout["edition"] > 1:
            return [*bursts.pass_by(), value]
        return bursts.take(session, session, run, value)

    def latency_ms(self, rollout: str) -> dict[str, int | None]:
        """The mean time that a run of each arm took, ms; None without one."""
        took = self.state[rollout]["took"]
        return {arm: round(it["ms"] / it["runs"]) if it["runs"] else None for arm, it in took.items()}

    def _arm(self, rollout: str, arm: str) -> RingBuffer:
        name = f"{rollout}/{arm}"
        if name not in self._recent:
            self._recent[name] = RingBuffer(self.arms, name, KEPT)
        return self._recent[name]

    def _drop(self, rollout: str) -> None:
        self.state.pop(rollout, None)
        self._evidence.pop(rollout, None)
        for held in (self.arms, self.over, self._recent, self._remembered):
            for name in [it for it in held if it.startswith(f"{rollout}/")]:
                del held[name]

    def outcomes(self, rollout: str, arm: str) -> list[Outcome]:
        """The arm's outcomes, oldest first; a run rated by several people counts with their mean."""
        if rollout not in self.state:
            return []
        role, recent = self.state[rollout]["role"], self._arm(rollout, arm).newest(KEPT)
        return [
            Outcome(
                position=entry["position"],
                succeeded=entry["reason"] == "",
                is_healthy=entry["reason"] not in (FailureReason.TIMEOUT, FailureReason.ERROR),
                is_critical=entry["reason"] == FailureReason.ERROR,
                stars=sum(entry["stars"].values()) / len(entry["stars"]) if entry["stars"] else None,
            )
            for _, entry in recent
            if not _is_of_another(entry, role)
        ]


def _is_of_another(entry: dict[str, Any], role: str) -> bool:
    """Whether what went wrong is attributed to another role, and by nobody to this one."""
    named = {fault for fault in entry["faults"].values() if fault is not None}
    return bool(named) and role not in named
