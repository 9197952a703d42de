"""Canary health: the outcomes of both arms of every undecided rollout, for the plain rules and as evidence."""

from __future__ import annotations

from typing import Any

from msgspec import field

from ...domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    Assignment,
    CanaryWeightSet,
    Event,
    RolloutResumed,
    RolloutStarted,
    RunEvent,
    TaskAnswered,
    TaskEnded,
    TaskFailed,
    TaskJudged,
    TaskRated,
    TaskSucceeded,
)
from ...domain.evidence.canary import Evidence
from ...domain.evidence.clusters import RatingClusters
from ...domain.evidence.terms import CanaryTerms
from ...domain.rules.canary import Outcome
from ...domain.vocabulary import Arm, FailureReason, Rule, Unit
from .rings import KEYS, RecentSet, RingBuffer
from .shards import SavedParts, StateShards, StateValue

KEPT = 1000
"""Outcomes kept per arm; a verdict looks at the newest ones."""

ARMS = (Arm.CANARY, Arm.STABLE)

MOST_PERCENT = 99
"""The largest share of a canary beside which there is a stable arm."""


class CountedRun(StateValue):
    """How a run ended, and its ratings."""

    position: int
    reason: str
    """Why it failed; empty where it succeeded, and where its success is unknown."""
    stars: dict[str, int]
    """By rater."""
    faults: dict[str, str | None]
    """The role at fault: by rater, and under the empty name by the run itself. None where it is unknown."""
    is_known: bool = True
    """Whether it is known if the run succeeded."""

    def is_of_another(self, role: str) -> bool:
        """Whether the failure is attributed to other roles only."""
        named = {fault for fault in self.faults.values() if fault is not None}
        return bool(named) and role not in named

    def to_outcome(self) -> Outcome:
        """The outcome for the plain rules. A run that several people rated counts with their mean."""
        return Outcome(
            position=self.position,
            succeeded=self.reason == "" if self.is_known else None,
            is_healthy=self.reason not in (FailureReason.TIMEOUT, FailureReason.ERROR),
            is_critical=self.reason == FailureReason.ERROR,
            stars=sum(self.stars.values()) / len(self.stars) if self.stars else None,
        )


OUTCOMES = list[tuple[str, CountedRun]]
"""The form of a saved part of an arm's outcomes: the run's id and its outcome."""


class TimeTaken(StateValue):
    """The number of ended runs of an arm with a known duration, and their total time."""

    runs: int = 0
    ms: int = 0


class CanaryHealth(StateValue):
    """Both arms of one undecided rollout, without their latest outcomes."""

    role: str
    took: dict[str, TimeTaken]
    """By arm."""
    evidence: dict[str, Any] | None = None
    """The state of ``domain.evidence.canary.Evidence``; None where the plain rules judge. The fields
    after it are for evidence only."""
    terms: dict[str, Any] = field(default_factory=dict)
    unit: str = Unit.RUN
    edition: int = 1
    sessions: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """The open sessions, as states of ``RatingClusters``: by what is counted (``end`` or ``rate``), then by arm."""


class Health:
    """Fold of outcomes per rollout. A decided rollout is dropped: its ``CanaryAssessed`` has its numbers.

    - A run counts for the rollout of each role that made a step in it, unless another role is at fault.
    - While the role at fault is unknown, the run counts against all, because a canary must not hide behind doubt.
    - Evidence counts each run once, by its end and its first rating, because a bet is not taken back.
    - Where sessions are the unit, a session counts when it is over, as the mean of its runs. A run without a session counts
      at once.
    """

    HANDLES = (
        RolloutStarted, CanaryWeightSet, RolloutResumed, TaskSucceeded, TaskFailed, TaskAnswered, TaskJudged, TaskRated,
        AdapterPromoted, AdapterRolledBack,
    )  # fmt: skip

    def __init__(self) -> None:
        self._canaries: StateShards[CanaryHealth] = StateShards(form=CanaryHealth)
        """By the rollout's id, hex."""
        self._over: StateShards[list[tuple[str]]] = StateShards(form=KEYS)
        """The sessions that are over, by ``rollout/kind/arm``."""
        self._arms: StateShards[list[tuple[str, CountedRun]]] = StateShards(form=OUTCOMES)
        """The latest outcomes, by ``rollout/arm``."""
        self._recent: dict[str, RingBuffer[tuple[str, CountedRun]]] = {}
        self._remembered: dict[str, RecentSet] = {}
        self._evidence: dict[str, Evidence] = {}
        """The decoded evidence, by rollout."""

    @classmethod
    def load(cls, saved: SavedParts) -> Health:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        health = cls()
        health._canaries = saved.shards("health", CanaryHealth)
        health._over, health._arms = saved.shards("session", KEYS), saved.shards("outcome", OUTCOMES)
        return health

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {**self._canaries.dump("health"), **self._arms.dump("outcome"), **self._over.dump("session")}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case RolloutStarted():
                self._begin(event)
            case CanaryWeightSet() | RolloutResumed():
                self._change(event)
            case TaskSucceeded() | TaskFailed() | TaskAnswered():
                for assignment in event.assignments:
                    self._end(position, event, assignment)
            case TaskJudged():
                for assignment in event.assignments:
                    self._judge(event, assignment)
            case TaskRated():
                for assignment in event.assignments:
                    self._rate(event, assignment)
            case AdapterPromoted() | AdapterRolledBack():
                self._drop(event.originator_id.hex)

    def _begin(self, event: RolloutStarted) -> None:
        began = CanaryHealth(event.role, {arm: TimeTaken() for arm in ARMS})
        if event.rule == Rule.SEQUENTIAL:
            began.terms, began.unit, began.edition = event.terms, event.unit, event.edition
            began.evidence = Evidence.begin(CanaryTerms.from_json(event.terms), event.weight_percent).state
            began.sessions = {kind: {arm: {} for arm in ARMS} for kind in ("end", "rate")}
        self._canaries[event.originator_id.hex] = began

    def _change(self, event: CanaryWeightSet | RolloutResumed) -> None:
        evidence = self.evidence(event.originator_id.hex)
        if evidence is None:
            return
        if isinstance(event, RolloutResumed):
            evidence.extend()
        elif 1 <= event.weight_percent <= MOST_PERCENT:  # 0 and 100 % are decisions that end the rollout
            evidence.weigh(event.weight_percent, by_hand=bool(event.reason))

    def evidence(self, rollout: str) -> Evidence | None:
        """The evidence about the rollout's canary; None where the rollout is decided or judged by plain rules."""
        canary = self._canaries.get(rollout)
        if canary is None or canary.evidence is None:
            return None
        if rollout not in self._evidence:
            self._evidence[rollout] = Evidence(CanaryTerms.from_json(canary.terms), canary.evidence)
        return self._evidence[rollout]

    def _end(self, position: int, event: TaskEnded, assignment: Assignment) -> None:
        reason, fault = (event.reason, event.fault) if isinstance(event, TaskFailed) else ("", None)
        rollout, arm = assignment["rollout"] or "", assignment["arm"]
        canary = self._canaries.get(rollout)
        if reason == FailureReason.ENVIRONMENT or canary is None or arm not in ARMS:
            return  # A lost browser says nothing of the adapter.
        outcome = CountedRun(position, reason, {}, {"": fault}, event.is_known)
        self._arm(rollout, arm).append((event.originator_id.hex, outcome))
        if fault not in (None, assignment["role"]):
            return
        if event.duration_ms is not None:
            canary.took[arm].runs += 1
            canary.took[arm].ms += event.duration_ms
        if (evidence := self.evidence(rollout)) is not None:
            if reason == FailureReason.ERROR:
                evidence.fail_critically(arm)
            value = float(reason == "") if event.is_known else None
            for success in self._units("end", event, assignment, value):
                evidence.end(arm, success)

    def _judge(self, event: TaskJudged, assignment: Assignment) -> None:
        """Count the outcome of an answer that was judged. A run that is no longer kept is too old to count."""
        rollout, arm, run = assignment["rollout"] or "", assignment["arm"], event.originator_id.hex
        if rollout not in self._canaries or arm not in ARMS:
            return
        _, outcome = next(self._arm(rollout, arm).of(run), (run, None))
        if outcome is None or outcome.is_known:
            return
        outcome.is_known, outcome.reason = True, "" if event.succeeded else FailureReason.WRONG
        evidence = self.evidence(rollout)
        if evidence is not None and not outcome.is_of_another(assignment["role"]):
            self._take_judgement(event, assignment, evidence)

    def _take_judgement(self, event: TaskJudged, assignment: Assignment, evidence: Evidence) -> None:
        """The run, counted as unknown at its end, is known now; in a session that is not over, it counts with that."""
        arm, success = assignment["arm"], float(event.succeeded)
        if self._is_alone(event, assignment):
            evidence.judge(arm, success)
            return
        for mean in self._units("end", event, assignment, success):
            evidence.end(arm, mean)

    def _rate(self, event: TaskRated, assignment: Assignment) -> None:
        rollout, arm, run = assignment["rollout"] or "", assignment["arm"], event.originator_id.hex
        if rollout not in self._canaries or arm not in ARMS:
            return
        _, outcome = next(self._arm(rollout, arm).of(run), (run, None))
        if outcome is None:
            return
        is_first = not outcome.stars
        outcome.stars[event.actor], outcome.faults[event.actor] = event.stars, event.fault
        evidence = self.evidence(rollout)
        if is_first and evidence is not None and not outcome.is_of_another(assignment["role"]):
            for stars in self._units("rate", event, assignment, event.stars):
                if stars is not None:
                    evidence.rate(arm, stars)

    def _is_alone(self, event: RunEvent, assignment: Assignment) -> bool:
        """Whether the run is an outcome by itself, and not part of a session's."""
        canary = self._canaries[assignment["rollout"] or ""]
        return canary.unit == Unit.RUN or (event.session is None and canary.edition > 1)

    def _units(self, kind: str, event: RunEvent, assignment: Assignment, value: float | None) -> list[float | None]:
        """The outcomes that this event adds: the run's own, or the means of the sessions that end with it.

        None is an outcome of unknown success.
        """
        rollout, arm = assignment["rollout"] or "", assignment["arm"]
        canary = self._canaries[rollout]
        if canary.unit == Unit.RUN:
            return [value]
        run = event.originator_id.hex
        name, session = f"{rollout}/{kind}/{arm}", event.session or run
        if name not in self._remembered:
            self._remembered[name] = RecentSet(self._over, name)
        bursts = RatingClusters(canary.sessions[kind][arm], self._remembered[name])
        if self._is_alone(event, assignment):
            return [*bursts.pass_by(), value]
        return bursts.take(session, session, run, value)

    def latency_ms(self, rollout: str) -> dict[str, int | None]:
        """The mean duration of a run of each arm, in milliseconds; None without a run."""
        took = self._canaries[rollout].took
        return {arm: round(taken.ms / taken.runs) if taken.runs else None for arm, taken in took.items()}

    def _arm(self, rollout: str, arm: str) -> RingBuffer[tuple[str, CountedRun]]:
        name = f"{rollout}/{arm}"
        if name not in self._recent:
            self._recent[name] = RingBuffer(self._arms, name, KEPT)
        return self._recent[name]

    def _drop(self, rollout: str) -> None:
        self._canaries.pop(rollout, None)
        self._evidence.pop(rollout, None)
        for kept in (self._arms, self._over, self._recent, self._remembered):
            for name in [name for name in kept if name.startswith(f"{rollout}/")]:
                del kept[name]

    def outcomes(self, rollout: str, arm: str) -> list[Outcome]:
        """The arm's outcomes, oldest first, without failures by another role."""
        canary = self._canaries.get(rollout)
        if canary is None:
            return []
        latest = self._arm(rollout, arm).newest(KEPT)
        return [outcome.to_outcome() for _, outcome in latest if not outcome.is_of_another(canary.role)]
