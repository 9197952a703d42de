"""What-if: the decisions under other settings, if everything else had happened as recorded. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ...domain.aggregates.base import ACTOR, Context
from ...domain.aggregates.role import RoleImprovement, role_id
from ...domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    CanaryAssessed,
    CycleClosed,
    CycleOpened,
    Event,
    RatingThresholdBreached,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    ScheduleKept,
    TaskAnswered,
    TaskEnded,
    TaskFailed,
    TaskJudged,
    TaskRated,
    TaskSucceeded,
)
from ...domain.process.improvement import UNIT, rollout_terms
from ...domain.rules.breach import is_breach
from ...domain.settings.settings import ROLES, without_role
from ...domain.vocabulary import CycleOutcome, Decision, FailureReason, RolloutPhase, Rule
from ..state.rollouts import Rollout
from ..state.state import State

IMAGINED = "what-if"


@dataclass(frozen=True)
class Moment:
    """A decision, recorded or imagined."""

    position: int
    time: datetime
    role: str
    adapter: str | None
    """None is the base."""
    kind: str
    """``breach``, ``promote``, ``roll back``, ``inconclusive``, ``pause`` or ``undecided``."""
    is_recorded: bool
    message: str


class WhatIf:
    """The decisions under other settings. Call ``imagine`` with every event of the log, from the first.

    Runs, ratings, trainings, adapters and shares stay as recorded. An imagined breach without a recorded training counts as
    a cycle that ended at once, so the cooldown follows it. Any other cycle ends as recorded.

    A canary whose rule and terms stay the same is judged at the recorded times. An imagined decision that was recorded too
    gets the recorded position. So without changed settings the imagined decisions equal the recorded ones, except those by
    people.
    """

    def __init__(self, changed: Mapping[str, Any], breached_at: Mapping[str | None, int] | None = None) -> None:
        """``breached_at``: the positions of the recorded breaches, by the references of their causes."""
        self.state = State(changed)
        """The state as of the last event, under the changed settings."""
        self.changed, self.breached_at = dict(changed), breached_at or {}
        self.roles = {role: RoleImprovement(role_id(role)) for role in ROLES}
        self.decided: dict[str, Moment] = {}
        """By rollout, the first imagined decision since the start or the last resumption."""
        self._decided_after: dict[str, tuple[int, str]] = {}
        """By rollout, the position and the reference of the event that led to the decision."""
        self._assessed: dict[str, CanaryAssessed] = {}
        """By rollout, the last recorded verdict."""
        self._as_recorded: set[str] = set()
        """The rollouts that are judged by their recorded rule and terms."""
        self._looked: dict[str, datetime] = {}

    def imagine(self, position: int, event: Event) -> Iterator[Moment]:
        """Apply the next event; yields its recorded and imagined decisions."""
        if isinstance(event, RolloutStarted):
            event = self._start(event)
        if isinstance(event, AdapterPromoted | AdapterRolledBack) and event.originator_id.hex in self.state.undecided:
            yield from self._end(position, event)
        self.state.apply(position, event)
        match event:
            case RatingThresholdBreached():
                yield Moment(position, event.time, event.role, event.adapter, "breach", True, _message(event))
            case CycleOpened() if self.roles[event.role].open_cycle is None:
                self.roles[event.role].open(event.role, event.adapter, event.reason, Context(event.time, IMAGINED))
            case CycleClosed():
                role = self.roles[event.role]
                role.close(event.role, event.outcome, event.detail, event.total, Context(event.time, IMAGINED))
            case TaskRated():
                yield from self._breaches(position, event, [each["role"] for each in event.assignments])
                self._look(position, event)
            case TaskSucceeded() | TaskFailed() | TaskAnswered() | TaskJudged():
                self._look(position, event)
            case ScheduleKept():
                yield from self._breaches(position, event, ROLES)
                self._look(position, event)
            case CanaryAssessed():
                self._assessed[event.originator_id.hex] = event
                self._look(position, event)
            case RolloutPaused():
                yield from self._pause(position, event)
            case RolloutResumed() if event.originator_id.hex in self._as_recorded:
                self.decided.pop(event.originator_id.hex, None)

    def _start(self, event: RolloutStarted) -> RolloutStarted:
        """The start of the rollout with the changed rule and terms; as recorded where no changed setting affects it."""
        rule, terms = rollout_terms(self.state.policy, event.role, self.state.known_share(event.role))
        # The arms are recorded, so another randomization unit cannot be imagined.
        bears = any(key.startswith("canary.") and key != UNIT for key in map(without_role, self.changed))
        if not bears or (rule == event.rule == Rule.SEQUENTIAL and terms == event.terms):
            self._as_recorded.add(event.originator_id.hex)
            return event
        return RolloutStarted(**{**vars(event), "rule": rule, "terms": terms})

    def _breaches(self, position: int, event: Event, roles: Iterable[str]) -> Iterator[Moment]:
        context = Context(event.time, IMAGINED, event.reference)
        for name in roles:
            role, window, policy = self.roles[name], self.state.window(name), self.state.policy
            if not is_breach(window, policy):
                continue
            role.look(window, policy, context)
            for breach in role.collect_events():
                if isinstance(breach, RatingThresholdBreached):
                    at = self.breached_at.get(event.reference, position)
                    yield Moment(at, event.time, name, window.adapter, "breach", False, _message(breach))
                    if self.state.rollouts.cycle(name) is None and event.reference not in self.breached_at:
                        role.close(name, CycleOutcome.DECLINED, "nothing was trained", window.total, context)
                        role.collect_events()

    def _look(self, position: int, event: Event) -> None:
        """Judge each canary: at the recorded times, or under other terms after every event or interval."""
        for id, rollout in self.state.undecided.items():
            is_as_recorded = id in self._as_recorded
            if id in self.decided or not self._is_looked_at(rollout, event):
                continue
            is_ready = is_as_recorded or rollout.rule == Rule.SEQUENTIAL
            interval = 0.0 if is_ready else self.state.policy.canary(rollout.role).interval_s
            before = self._looked.get(id)
            if before is not None and 0 <= (event.time - before).total_seconds() < interval:
                continue
            self._looked[id] = event.time
            verdict = self.state.look(id)
            is_paused = is_as_recorded and rollout.phase == RolloutPhase.PAUSED
            is_halted = is_paused and verdict.verdict != Decision.ROLL_BACK
            if verdict.verdict != Decision.HOLD and not is_halted:
                self.decided[id] = _moment(position, event.time, rollout, verdict.verdict, verdict.message)
                self._decided_after[id] = (position, event.reference)

    def _is_looked_at(self, rollout: Rollout, event: Event) -> bool:
        """Whether the canary is judged after the event, by the rules of ``domain.process.improvement``."""
        is_as_recorded = rollout.id in self._as_recorded
        if isinstance(event, CanaryAssessed):  # a recorded verdict, whatever caused it
            return is_as_recorded and event.originator_id.hex == rollout.id
        if not is_as_recorded or isinstance(event, ScheduleKept):
            return True
        assert isinstance(event, TaskRated | TaskEnded | TaskJudged)
        is_critical = isinstance(event, TaskFailed) and event.reason == FailureReason.ERROR
        is_of_rollout = any(each["rollout"] == rollout.id for each in event.assignments)
        return is_of_rollout and (is_critical or rollout.rule == Rule.SEQUENTIAL)

    def _end(self, position: int, event: AdapterPromoted | AdapterRolledBack) -> Iterator[Moment]:
        """The recorded end of a rollout, and the imagined one."""
        rollout = event.originator_id.hex
        kind = Decision.PROMOTE if isinstance(event, AdapterPromoted) else Decision.ROLL_BACK
        yield Moment(position, event.time, event.role, event.adapter, kind, True, _reason(event))
        imagined = self.decided.get(rollout) or self._undecided(position, event.time, rollout)
        yield self._beside(position, event, imagined, kind)

    def _pause(self, position: int, event: RolloutPaused) -> Iterator[Moment]:
        """A recorded pause (by the rule, for an approval, or by a person), and the imagined one where it is the same."""
        rollout = event.originator_id.hex
        assessed = self._assessed.get(rollout)
        is_by_rule = assessed is not None and event.caused_by == assessed.reference
        kind = (
            Decision.INCONCLUSIVE
            if is_by_rule and assessed is not None and assessed.verdict == Decision.INCONCLUSIVE
            else "pause"
        )
        yield Moment(position, event.time, event.role, event.adapter, kind, True, _reason(event))
        imagined = self.decided.get(rollout)
        if rollout in self._as_recorded and imagined is not None and imagined.kind == kind:
            yield self._beside(position, event, self.decided.pop(rollout), kind)

    def _beside(self, position: int, event: Event, imagined: Moment, kind: str) -> Moment:
        """The imagined decision, at the recorded position where both decisions are equal and have the same cause."""
        assessed = self._assessed.get(event.originator_id.hex)
        if assessed is None or event.caused_by != assessed.reference or imagined.kind != kind:
            return imagined
        after, reference = self._decided_after.get(event.originator_id.hex, (0, ""))
        # Earlier programs recorded the event before the verdict as its cause.
        is_same = after == assessed.up_to or reference in (assessed.caused_by, assessed.reference)
        return replace(imagined, position=position) if is_same else imagined

    def _undecided(self, position: int, time: datetime, id: str) -> Moment:
        """The imagined state of a canary that is still undecided."""
        verdict = self.state.look(id)
        return _moment(position, time, self.state.rollouts.of(id), "undecided", f"{verdict.reason}: {verdict.message}")

    def rest(self) -> Iterator[Moment]:
        """The imagined decisions on rollouts that are undecided in the log."""
        for id in self.state.undecided:
            time = self.state.rollouts.time
            assert time is not None, "there is a rollout"
            yield self.decided.get(id) or self._undecided(self.state.position, time, id)


def _moment(position: int, time: datetime, rollout: Rollout, kind: str, message: str) -> Moment:
    """An imagined moment of the rollout."""
    return Moment(position, time, rollout.role, rollout.adapter, kind, False, message)


def _reason(event: AdapterPromoted | AdapterRolledBack | RolloutPaused) -> str:
    """The reason, with the actor where a person decided."""
    return event.reason if event.actor == ACTOR else f"decided by {event.actor}: {event.reason}"


def _message(event: RatingThresholdBreached) -> str:
    return event.message or f"mean {event.mean:.2f} of the last {event.count} ratings is under {event.threshold:g}"
