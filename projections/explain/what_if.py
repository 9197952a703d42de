"""What would have been decided under another policy, had all else gone as it did: folded from the log, written nowhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...domain.aggregates.base import Context
from ...domain.aggregates.role import RoleImprovement, role_id
from ...domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    CycleClosed,
    Event,
    RatingThresholdBreached,
    RolloutStarted,
    ScheduleTicked,
    TaskFailed,
    TaskRated,
    TaskSucceeded,
)
from ...domain.process.improvement import rollout_terms
from ...domain.rules.breach import is_breach
from ...domain.settings.settings import ROLES, Policy, without_role
from ...domain.verdict import Verdict
from ..state.state import State

IMAGINED = "what-if"


@dataclass(frozen=True)
class Moment:
    """A decision of the record, of the imagination, or of both."""

    position: int
    time: datetime
    role: str
    adapter: str | None
    """None is the base."""
    kind: str
    """``breach``, ``promote``, ``roll back``, ``inconclusive`` or ``undecided``."""
    is_recorded: bool
    message: str


class WhatIf(State):
    """The state under another policy, and what it would have led to.

    Runs, ratings, trainings, adapters and shares of the traffic stay as they are recorded. A breach that the record has no
    training for counts as a cycle that ended at once, so that the cooldown follows it; any other ends with the recorded cycle.
    """

    def __init__(self, changed: Mapping[str, Any], breached_at: Collection[str | None] = ()) -> None:
        """``breached_at``: the references of the events that recorded breaches followed from."""
        super().__init__()
        self.changed, self.breached_at = dict(changed), breached_at
        self.roles = {role: RoleImprovement(role_id(role)) for role in ROLES}
        self.said: dict[str, Moment] = {}
        """By rollout, what was said of its canary first that ends it."""
        self._looked: dict[str, datetime] = {}

    @property
    def policy(self) -> Policy:
        """The recorded settings under those that are imagined: what is imagined for all roles holds for each."""
        kept = {key: value for key, value in self.settings.items() if without_role(key) not in self.changed}
        return Policy({**kept, **self.changed})

    def imagine(self, position: int, event: Event) -> Iterator[Moment]:
        """Take in the next event, and tell what was and what would have been decided."""
        under_way = {key: dict(lane) for key, lane in self.rollouts.items()}
        if isinstance(event, RolloutStarted):
            rule, terms = rollout_terms(self.policy, event.role)
            event = RolloutStarted(**{**vars(event), "rule": rule, "terms": terms})
        if isinstance(event, AdapterPromoted | AdapterRolledBack) and event.originator_id.hex in under_way:
            yield from self._end(position, event)
        self.apply(position, event)
        match event:
            case RatingThresholdBreached():
                yield Moment(
                    position, event.time, event.role, event.adapter, "breach", True, event.message or _mean(event)
                )
            case CycleClosed():
                role = self.roles[event.role]
                role.close(event.role, event.outcome, event.detail, event.total, Context(event.time, IMAGINED))
            case TaskRated():
                yield from self._breaches(position, event, [lane["role"] for lane in event.lanes])
                self._look(position, event)
            case TaskSucceeded() | TaskFailed():
                self._look(position, event)
            case ScheduleTicked():
                yield from self._breaches(position, event, ROLES)
                self._look(position, event)

    def _breaches(self, position: int, event: Event, roles: Any) -> Iterator[Moment]:
        context = Context(event.time, IMAGINED, event.reference)
        for name in roles:
            role, window = self.roles[name], self.window(name)
            if not is_breach(window, self.policy):
                continue
            role.look(window, self.policy, context)
            for breach in role.collect_events():
                if isinstance(breach, RatingThresholdBreached):
                    yield Moment(position, event.time, name, window.adapter, "breach", False, breach.message)
                    if self.lanes.cycle(name) is None and event.reference not in self.breached_at:
                        role.close(name, "declined", "nothing was trained", window.total, context)
                        role.collect_events()

    def _look(self, position: int, event: Event) -> None:
        """Look at each canary: after every event under the sequential rule, else when its interval has passed."""
        for rollout, lane in self.rollouts.items():
            if rollout in self.said:
                continue
            interval = 0.0 if lane["rule"] == "sequential" else self.policy.get("canary.interval_s", lane["role"])
            before = self._looked.get(rollout)
            if before is not None and 0 <= (event.time - before).total_seconds() < interval:
                continue
            self._looked[rollout] = event.time
            verdict = self.look(rollout)
            if verdict.verdict != "hold":
                self.said[rollout] = self._moment(position, event, lane, verdict)

    def _end(self, position: int, event: AdapterPromoted | AdapterRolledBack) -> Iterator[Moment]:
        """The recorded end of a rollout, and what is imagined of it."""
        rollout = event.originator_id.hex
        kind = "promote" if isinstance(event, AdapterPromoted) else "roll back"
        yield Moment(position, event.time, event.role, event.adapter, kind, True, event.reason)
        yield self.said.get(rollout) or self.undecided(position, event.time, rollout)

    def undecided(self, position: int, time: datetime, rollout: str) -> Moment:
        """What is imagined of a canary that nothing has ended yet."""
        lane, verdict = self.rollouts[rollout], self.look(rollout)
        return Moment(
            position, time, lane["role"], lane["adapter"], "undecided", False, f"{verdict.reason}: {verdict.message}"
        )

    def _moment(self, position: int, event: Event, lane: Mapping[str, Any], verdict: Verdict) -> Moment:
        return Moment(position, event.time, lane["role"], lane["adapter"], verdict.verdict, False, verdict.message)

    def rest(self) -> Iterator[Moment]:
        """What is imagined of the rollouts that the record has not ended."""
        for rollout in self.rollouts:
            assert self.lanes.time is not None, "there is a rollout"
            yield self.said.get(rollout) or self.undecided(self.position, self.lanes.time, rollout)


def _mean(event: RatingThresholdBreached) -> str:
    return f"mean {event.mean:.2f} of the last {event.count} ratings is under {event.threshold:g}"
