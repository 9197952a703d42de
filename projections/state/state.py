"""The state: everything that follows from the log up to one position.

The improvement process decides on it, ``status`` shows it, and ``at`` shows it at any position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec

from ...domain.aggregates.alert import is_low
from ...domain.events import (
    EVENTS,
    SCHEMA,
    Event,
    PolicyChanged,
    StepTaken,
    TaskEnded,
    TaskJudged,
    TaskRated,
    TaskStarted,
    Timestamped,
    TrainingCompleted,
)
from ...domain.evidence.sequential import judge
from ...domain.evidence.terms import trigger_terms
from ...domain.rules.breach import Window
from ...domain.rules.canary import assess_canary
from ...domain.rules.cost import Prices
from ...domain.rules.routing import Traffic
from ...domain.settings.settings import Policy, without_role
from ...domain.verdict import Times, Verdict
from ...domain.vocabulary import Arm, RolloutPhase, Rule, TrainingStatus
from .access import AccessKeys
from .alerts import Alerts
from .canaries import Health
from .detectors import Triggers
from .metrics import Metrics
from .open_runs import OpenRuns
from .ratings import Ratings
from .registry import Registry
from .role_metrics import RoleMetrics
from .rollouts import LONGEST_WAIT_GAP_S, Rollout, Rollouts
from .shards import SavedParts, damaged, encode
from .usage import Usage

VERSION = f"23/{SCHEMA}"
"""The version of a saved state: that of the folds, raised when one changes its meaning or form, and that of the events.

A state of a newer program may depend on events that this program does not know. So a state of another version is not
loaded, but folded again from the log."""

HEAD = "head"
"""The name of the part that has the position and the version of a saved state."""

Handler = Callable[["State", int, Any], None]
"""Applies an event of its kind, at its position, to a state."""


def counts_imported(policy: Policy, role: str, adapter: str | None) -> bool:
    """Whether the ratings of imported sessions count for the adapter. They count for the bare base only, where
    ``sessions.count`` says so."""
    return adapter is None and bool(policy.sessions(role).count)


class _Head(msgspec.Struct):
    """The position of a saved state, and the time of the event there. Further fields of the store are ignored."""

    position: int
    time: str | None


class State:
    """All folds, as of ``position``. Applying an event changes the state only, and nothing outside.

    The settings in ``imagined`` override those of the log. A setting for all roles overrides each role's own, too.
    """

    def __init__(self, imagined: Mapping[str, Any] | None = None) -> None:
        self.position = 0
        self.settings: dict[str, Any] = {}
        """The recorded changes of settings, by key."""
        self.ratings = Ratings()
        self.triggers = Triggers()
        self.metrics = Metrics()
        self.usage = Usage()
        self.role_metrics = RoleMetrics()
        self.open_runs = OpenRuns()
        self.health = Health()
        self.rollouts = Rollouts()
        self.registry = Registry()
        self.alerts = Alerts()
        self.access = AccessKeys()
        self._imagined = dict(imagined or {})
        self._policy: Policy | None = None
        if imagined:
            self._follow_settings()

    def apply(self, position: int, event: Event | Timestamped) -> None:
        """Apply the next event of the log."""
        self.rollouts.pass_time(event.time)
        for handle in _HANDLERS.get(type(event), ()):
            handle(self, position, event)
        self.position = position

    def set(self, position: int, event: PolicyChanged) -> None:
        """Apply a change of a setting."""
        event.bring_up(self.settings)
        self._follow_settings()

    def _follow_settings(self) -> None:
        """Take over settings that have changed."""
        self._policy = None
        self.rollouts.longest_wait_gap_s = max(LONGEST_WAIT_GAP_S, self.policy.schedule.every_s)

    def take_step(self, step: StepTaken) -> None:
        """Count a step for what made it."""
        run = self.open_runs.get(step.originator_id.hex)
        if run is not None:
            prices = self.policy.cost.of_model(run.adapter_of(step.role), self.policy.model.base)
            self.usage.take(step, run, prices)
            self.access.take(step, run, prices)
            run.take(step)

    def end_run(self, event: TaskEnded) -> None:
        """Count a run that ended, for its time and for what it says of the roles."""
        run = self.open_runs.end(event.originator_id.hex)
        if run is not None:
            self.usage.end(event, run)
            self.role_metrics.end(event, run)

    def note_means(self, position: int, event: TaskRated) -> None:
        """Note which windows have a low mean after the rating."""
        for assignment in event.assignments:
            role = assignment["role"]
            live = self.rollouts.live(role)
            stars = [stars for _, stars in self._ratings(role, live).ratings]
            was_low = self.alerts.fell_at(role, live) is not None
            is_now_low = is_low(stars, role, self.policy, was_low=was_low)
            self.alerts.note_mean(position, event.reference, role, live, is_now_low)

    @property
    def policy(self) -> Policy:
        """The settings in force."""
        if self._policy is None:
            recorded = self.settings.items()
            kept = {key: value for key, value in recorded if without_role(key) not in self._imagined}
            self._policy = Policy({**kept, **self._imagined})
        return self._policy

    def imagine(self, settings: Mapping[str, Any]) -> State:
        """A copy of the state in which these settings override those of the log."""
        return State.load(self.dump(), settings)

    def window(self, role: str) -> Window:
        """The window of the role's live adapter, which the breach rule judges."""
        stable, policy = self.rollouts.live(role), self.policy
        window = self._ratings(role, stable)
        if policy.rating(role).rule != Rule.SEQUENTIAL:
            return window
        with_imported = counts_imported(policy, role, stable)
        evidence = self.triggers.verdict(role, stable, trigger_terms(policy, role), with_imported=with_imported)
        return replace(window, evidence=evidence)

    def _ratings(self, role: str, adapter: str | None) -> Window:
        size, with_imported = self.policy.rating(role).window, counts_imported(self.policy, role, adapter)
        return self.ratings.window(role, adapter, size, with_imported=with_imported)

    def ratings_in_all(self, role: str, adapter: str | None) -> int:
        """The number of all ratings of the adapter in the role; None is the base."""
        return self.ratings.total(role, adapter, with_imported=counts_imported(self.policy, role, adapter))

    def traffic(self, role: str) -> Traffic:
        """Where the role's runs go."""
        return self.rollouts.traffic(role)

    def known_share(self, role: str) -> float:
        """The share of the role's latest runs with known success, 0 to 1."""
        return self.metrics.known_share(role)

    def judge_stars(self, rollout: str) -> int | None:
        """The bar of the undecided rollout's terms for a judge model's grade; None under the plain rules, which use the
        settings in force."""
        evidence = self.health.evidence(rollout)
        return None if evidence is None else evidence.terms.judge_stars

    def look(self, rollout: str, now: datetime | None = None) -> Verdict:
        """The verdict on the undecided rollout's canary as of the last event, by the rollout's own rule.

        With ``now``, the time since the last event counts too, as if the next event came now.
        """
        verdict = self._judge(self.undecided[rollout], self.rollouts.times(rollout, now))
        return replace(verdict, numbers={**verdict.numbers, "latency_ms": self.health.latency_ms(rollout)})

    def _judge(self, rollout: Rollout, times: Times) -> Verdict:
        if (evidence := self.health.evidence(rollout.id)) is not None:
            return judge(evidence, times)
        canary, stable = (self.health.outcomes(rollout.id, arm) for arm in (Arm.CANARY, Arm.STABLE))
        rule = rollout.rule or self.policy.canary(rollout.role).rule
        rule = (
            Rule.THRESHOLD if rule == Rule.SEQUENTIAL else rule
        )  # an old rollout without evidence: its program knew only bars
        return assess_canary(canary, stable, times, self.policy, rollout.role, rule)

    def needs_time(self, rollout: str) -> bool:
        """Whether the undecided rollout waits for time: its least duration, or a pause of its ramp."""
        known, evidence = self.rollouts.of(rollout), self.health.evidence(rollout)
        if known.phase != RolloutPhase.PROGRESSING:
            return False
        bake = evidence.terms.bake_s if evidence is not None else self.policy.canary(known.role).bake_s
        steps = evidence.ramp if evidence is not None else ()
        pauses = [step.pause_s for step in steps if step.weight_percent > known.weight_percent]
        return known.baked_s < bake or known.at_share_s < max(pauses, default=0.0)

    @property
    def undecided(self) -> Mapping[str, Rollout]:
        """The undecided rollouts, by id."""
        return self.rollouts.undecided

    def was_live(self, rollout: UUID) -> bool:
        """Whether the rollout's adapter was ever promoted."""
        known = self.rollouts.get(rollout.hex)
        return known is not None and known.was_live

    @property
    def over(self) -> list[tuple[UUID, str]]:
        """The alerts that the last applied event ended: the id and the role of each."""
        return self.alerts.over(self.position)

    def has_fallen(self, role: str) -> bool:
        """Whether the mean of the role's window fell under ``alert.min_mean_rating`` with the last applied event."""
        return self.alerts.fell_at(role, self.rollouts.live(role)) == self.position

    @property
    def trainings_completed(self) -> int:
        """The number of completed trainings, by which the next adapter is numbered."""
        return sum(training.status == TrainingStatus.COMPLETED for training in self.registry.trainings.values())

    def dump(self) -> dict[str, bytes]:
        """The parts by name, as JSON in the order of insertion. Equal logs give equal bytes."""
        time = self.rollouts.time.isoformat() if self.rollouts.time is not None else None
        head = {"version": VERSION, "position": self.position, "time": time}
        folds = (
            self.ratings,
            self.metrics,
            self.rollouts,
            self.registry,
            self.alerts,
            self.triggers,
            self.health,
            self.access,
            self.usage,
            self.role_metrics,
            self.open_runs,
        )
        parts = {HEAD: encode(head), "settings": encode(self.settings)}
        for fold in folds:
            parts |= fold.dump()
        return parts

    @classmethod
    def load(cls, saved: Mapping[str, bytes], imagined: Mapping[str, Any] | None = None) -> State:
        """The state that ``dump`` of this version gave. Raises ``LogError`` for damaged parts."""
        state, parts = cls(imagined), SavedParts(saved)
        try:
            head = parts.one(HEAD, _Head)
            state.position, state.settings = head.position, parts.one("settings", dict[str, Any])
            time = datetime.fromisoformat(head.time) if head.time is not None else None
            state.ratings, state.triggers = Ratings.load(parts), Triggers.load(parts)
            state.health, state.rollouts = Health.load(parts), Rollouts.load(parts, time)
            state.metrics, state.registry = Metrics.load(parts), Registry.load(parts)
            state.alerts, state.access = Alerts.load(parts), AccessKeys.load(parts)
            state.usage, state.role_metrics = Usage.load(parts), RoleMetrics.load(parts)
            state.open_runs = OpenRuns.load(parts)
            state._follow_settings()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(error) from error
        return state


def _handlers_of(kind: type) -> list[Handler]:
    """The handlers of events of this kind, in their order."""
    handlers: list[tuple[tuple[type, ...], Handler]] = [
        ((PolicyChanged,), State.set),
        (Ratings.HANDLES, lambda state, position, event: state.ratings.apply(position, event)),
        (Metrics.HANDLES, lambda state, position, event: state.metrics.apply(position, event)),
        ((TaskStarted,), lambda state, _, event: state.open_runs.begin(event)),
        ((StepTaken,), lambda state, _, event: state.take_step(event)),
        ((*get_args(TaskEnded),), lambda state, _, event: state.end_run(event)),
        ((TaskJudged, TaskRated), lambda state, _, event: state.role_metrics.apply(event)),
        (Health.HANDLES, lambda state, position, event: state.health.apply(position, event)),
        (Rollouts.HANDLES, lambda state, position, event: state.rollouts.apply(position, event)),
        (Registry.HANDLES, lambda state, position, event: state.registry.apply(position, event)),
        (AccessKeys.HANDLES, lambda state, position, event: state.access.apply(position, event)),
        (Triggers.HANDLES, lambda state, _, event: state.triggers.apply(event, state.policy)),
        ((TrainingCompleted,), lambda state, _, event: state.registry.charge(event, Prices.of(state.policy))),
        (Alerts.HANDLES, lambda state, position, event: state.alerts.apply(position, event, state.policy)),
        ((TaskRated,), State.note_means),
    ]
    return [handler for kinds, handler in handlers if issubclass(kind, kinds)]


_HANDLERS: dict[type, list[Handler]] = {kind: handlers for kind in EVENTS.values() if (handlers := _handlers_of(kind))}
"""The handlers by kind of event. They hold no state, so Python frees a dropped state at once, without the cycle collector."""

HANDLED = frozenset(topic for topic, kind in EVENTS.items() if kind in _HANDLERS)
"""The topics of the events that change the state. Of all other events only the time counts."""
