"""Everything that follows from the log up to one position, small enough to save and quick enough to fold.

It is what the improvement process knows when it decides, what ``status`` shows, and what ``at`` shows of any moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from ...domain.aggregates.alert import is_low
from ...domain.events import EVENTS, SCHEMA, Event, PolicyChanged, TaskRated, Timestamped, TrainingCompleted
from ...domain.evidence.sequential import judge
from ...domain.evidence.terms import trigger_terms
from ...domain.rules.breach import Window
from ...domain.rules.canary import assess_canary
from ...domain.rules.cost import Prices
from ...domain.rules.routing import Traffic
from ...domain.settings.settings import Policy
from ...domain.verdict import Times, Verdict
from ...domain.vocabulary import Arm, RolloutPhase, TrainingStatus
from .alerts import Alerts
from .canaries import OUTCOMES, Health
from .detectors import Triggers
from .metrics import Metrics
from .ratings import RATINGS, Ratings
from .registry import Registry
from .rings import KEYS, PAIRS
from .rollouts import LONGEST_WAIT_GAP_S, Rollouts
from .shards import StateShards, damaged, decode, encode

VERSION = f"10/{SCHEMA}"
"""Of the folds, raised when one changes its meaning, and of the facts: a newer program's may be in a state that this one could
load, and would then never meet. States of another version are folded anew from the log."""

HEAD = "head"
"""The part of a saved state that says of which position it is, and of which version."""

Hear = Callable[["State", int, Any], None]
"""Takes an event of the kind it hears, at its position, into a state."""


def counts_imported(policy: Policy, role: str, adapter: str | None) -> bool:
    """Whether the ratings of imported sessions count among those of the adapter: of the bare base alone, where they are to."""
    return adapter is None and bool(policy.sessions(role).count)


class State:
    """The folds side by side, as of ``position``. It only ever computes: applying an event calls nobody."""

    def __init__(self) -> None:
        self.position = 0
        self.settings: dict[str, Any] = {}
        self.ratings = Ratings()
        self.triggers = Triggers()
        self.metrics = Metrics()
        self.health = Health()
        self.lanes = Rollouts()
        self.registry = Registry()
        self.alerts = Alerts()
        self._policy: Policy | None = None

    def apply(self, position: int, event: Event | Timestamped) -> None:
        """Take in the next event of the log."""
        self.lanes.pass_time(event.time)
        for hear in _HEARERS.get(type(event), ()):
            hear(self, position, event)
        self.position = position

    def set(self, position: int, event: PolicyChanged) -> None:
        """A setting is changed."""
        event.bring_up(self.settings)
        self._policy = None
        self._follow_schedule()

    def _follow_schedule(self) -> None:
        self.lanes.longest_wait_gap_s = max(LONGEST_WAIT_GAP_S, self.policy.schedule.every_s)

    def note_means(self, position: int, event: TaskRated) -> None:
        """Note which windows' means are low after the rating."""
        for lane in event.lanes:
            role = lane["role"]
            live = self.lanes.live(role)
            stars = [it for _, it in self._ratings(role, live).ratings]
            was_low = self.alerts.fell_at(role, live) is not None
            is_now_low = is_low(stars, role, self.policy, was_low=was_low)
            self.alerts.note_mean(position, event.reference, role, live, is_now_low)

    @property
    def policy(self) -> Policy:
        """The settings in force."""
        if self._policy is None:
            self._policy = Policy(dict(self.settings))
        return self._policy

    def window(self, role: str) -> Window:
        """The ratings of the role's live adapter that the breach rule looks at."""
        stable, policy = self.lanes.live(role), self.policy
        window = self._ratings(role, stable)
        if policy.rating(role).rule != "sequential":
            return window
        with_imported = counts_imported(policy, role, stable)
        evidence = self.triggers.verdict(role, stable, trigger_terms(policy, role), with_imported=with_imported)
        return replace(window, evidence=evidence)

    def _ratings(self, role: str, adapter: str | None) -> Window:
        size, with_imported = self.policy.rating(role).window, counts_imported(self.policy, role, adapter)
        return self.ratings.window(role, adapter, size, with_imported=with_imported)

    def ratings_in_all(self, role: str, adapter: str | None) -> int:
        """How many ratings the adapter, None for the base, has had in the role."""
        return self.ratings.total(role, adapter, with_imported=counts_imported(self.policy, role, adapter))

    def traffic(self, role: str) -> Traffic:
        """Where the role's runs go."""
        return self.lanes.traffic(role)

    def look(self, rollout: str, now: datetime | None = None) -> Verdict:
        """The verdict on the undecided rollout's canary as of the last event, by the rule that the rollout began with.

        With ``now`` the time since that event counts as well, as far as it would if the next one came now.
        """
        verdict = self._judge(rollout, self.rollouts[rollout], self.lanes.times(rollout, now))
        return replace(verdict, numbers={**verdict.numbers, "latency_ms": self.health.latency_ms(rollout)})

    def _judge(self, rollout: str, lane: dict[str, Any], times: Times) -> Verdict:
        if (evidence := self.health.evidence(rollout)) is not None:
            return judge(evidence, times)
        canary, stable = self.health.outcomes(rollout, Arm.CANARY), self.health.outcomes(rollout, Arm.STABLE)
        rule = lane["rule"] or self.policy.canary(lane["role"]).rule
        rule = "threshold" if rule == "sequential" else rule  # begun by a program that knew bars alone
        return assess_canary(canary, stable, times, self.policy, lane["role"], rule)

    def needs_time(self, rollout: str) -> bool:
        """Whether the undecided rollout waits for its bake, or for a pause of its ramp, to pass."""
        lane, evidence = self.lanes.state["rollouts"][rollout], self.health.evidence(rollout)
        if lane["phase"] != RolloutPhase.PROGRESSING:
            return False
        bake = evidence.terms.bake_s if evidence is not None else self.policy.canary(lane["role"]).bake_s
        steps = evidence.ramp if evidence is not None else ()
        pauses = [step.pause_s for step in steps if step.weight_percent > lane["weight_percent"]]
        return bool(lane["baked_s"] < bake or lane["at_share_s"] < max(pauses, default=0.0))

    @property
    def rollouts(self) -> dict[str, dict[str, Any]]:
        """The rollouts that are not decided, by id."""
        return self.lanes.undecided

    def was_live(self, rollout: UUID) -> bool:
        """Whether the rollout's adapter has been promoted, whatever became of it since."""
        lane = self.lanes.state["rollouts"].get(rollout.hex)
        return lane is not None and bool(lane["was_live"])

    @property
    def over(self) -> list[tuple[UUID, str]]:
        """The alerts that the event which was applied last ended: the id and the role of each."""
        return self.alerts.over(self.position)

    def has_fallen(self, role: str) -> bool:
        """Whether the mean of the role's window fell under ``alert.min_mean_rating`` with the event that was applied last."""
        return self.alerts.fell_at(role, self.lanes.live(role)) == self.position

    @property
    def trainings_completed(self) -> int:
        """How many trainings have ended with weights: what the next adapter is numbered by."""
        return sum(training["status"] == TrainingStatus.COMPLETED for training in self.registry.trainings.values())

    def dump(self) -> dict[str, bytes]:
        """Its parts by name, JSON in the order things came: equal logs give equal bytes, and what is loaded keeps its order."""
        time = self.lanes.time.isoformat() if self.lanes.time is not None else None
        parts = {
            HEAD: {"version": VERSION, "position": self.position, "time": time},
            "settings": self.settings,
            "ratings": self.ratings.state,
            "metrics": self.metrics.state,
            "lanes": self.lanes.state,
            "registry": self.registry.state,
            "alerts": self.alerts.state,
        }
        several = {
            "window": self.ratings.windows,
            "trigger": self.triggers.state,
            "burst": self.triggers.over,
            "health": self.health.state,
            "outcome": self.health.arms,
            "session": self.health.over,
            "drawn": self.lanes.drawn,
        }
        return {name: encode(part) for name, part in parts.items()} | {
            f"{kind}/{name}": part for kind, them in several.items() for name, part in them.dump().items()
        }

    @classmethod
    def load(cls, saved: Mapping[str, bytes]) -> State:
        """The state that was dumped by this version. Raises ``LogError`` for what is damaged."""
        state, several = cls(), defaultdict[str, dict[str, bytes]](dict)
        for name, part in saved.items():
            kind, _, own = name.partition("/")
            several[kind][own] = part
        try:
            head = decode(saved[HEAD])
            state.position, state.settings = head["position"], decode(saved["settings"])
            state.ratings = Ratings(decode(saved["ratings"]), StateShards(several["window"], RATINGS))
            state.triggers = Triggers(StateShards(several["trigger"]), StateShards(several["burst"], KEYS))
            outcomes, over = StateShards(several["outcome"], OUTCOMES), StateShards(several["session"], KEYS)
            state.health = Health(StateShards(several["health"]), outcomes, over)
            time = datetime.fromisoformat(head["time"]) if head["time"] is not None else None
            state.lanes = Rollouts(decode(saved["lanes"]), time, StateShards(several["drawn"], PAIRS))
            state._follow_schedule()
            state.metrics = Metrics(decode(saved["metrics"]))
            state.registry, state.alerts = Registry(decode(saved["registry"])), Alerts(decode(saved["alerts"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(error) from error
        return state


def _handlers_of(kind: type) -> list[Hear]:
    """What the facts of this kind change, in the order in which it is done."""
    found: list[tuple[tuple[type, ...], Hear]] = [
        ((PolicyChanged,), State.set),
        (Ratings.HANDLES, lambda it, position, event: it.ratings.apply(position, event)),
        (Metrics.HANDLES, lambda it, position, event: it.metrics.apply(position, event)),
        (Health.HANDLES, lambda it, position, event: it.health.apply(position, event)),
        (Rollouts.HANDLES, lambda it, position, event: it.lanes.apply(position, event)),
        (Registry.HANDLES, lambda it, position, event: it.registry.apply(position, event)),
        (Triggers.HANDLES, lambda it, _, event: it.triggers.apply(event, it.policy)),
        ((TrainingCompleted,), lambda it, _, event: it.registry.charge(event, Prices.of(it.policy))),
        (Alerts.HANDLES, lambda it, position, event: it.alerts.apply(position, event, it.policy)),
        ((TaskRated,), State.note_means),
    ]
    return [hear for kinds, hear in found if issubclass(kind, kinds)]


_HEARERS: dict[type, list[Hear]] = {kind: hearers for kind in EVENTS.values() if (hearers := _handlers_of(kind))}
"""By kind of fact. They hold no state, so that one that is let go is gone at once, without Python's search for cycles."""

HANDLED = frozenset(topic for topic, kind in EVENTS.items() if kind in _HEARERS)
"""The topics of the facts that change it; of the others only the time counts."""
