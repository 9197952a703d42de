"""How it came to the present state: ratings as the trigger saw them, each look at a canary, and the adapters' descent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...domain.events import (
    AdapterEvent,
    AdapterPromoted,
    AdapterRejected,
    AdapterRolledBack,
    CanaryAssessed,
    CanaryWeightSet,
    CycleOpened,
    Event,
    PolicyChanged,
    RatingThresholdBreached,
    RolloutEvent,
    RolloutStarted,
    ScheduleTicked,
    TaskFailed,
    TaskRated,
    TaskSucceeded,
    TrainingRequested,
)
from ...domain.rules.imported import is_imported
from ...domain.rules.roles import lanes_counted
from ...domain.verdict import Verdict
from ...domain.vocabulary import Arm
from ..state.state import State, counts_imported
from .sentences import describe


@dataclass(frozen=True)
class Rating:
    """One rating that counts for the role, and the arm it was given to."""

    position: int
    stars: int
    arm: str


@dataclass(frozen=True)
class Mean:
    """The window of the live adapter's ratings after one more."""

    position: int
    mean: float
    """In [1, 5]."""
    count: int
    """Ratings in it."""
    threshold: float
    """Under which the role was to be improved, as it was set then."""
    adapter: str | None


@dataclass(frozen=True)
class Mark:
    """An event to be shown beside a curve."""

    position: int
    time: datetime
    kind: str
    """The event's name."""
    text: str


@dataclass(frozen=True)
class Look:
    """What a look at the canary said, or would have said, at a position."""

    position: int
    verdict: Verdict


@dataclass(frozen=True)
class Member:
    """An adapter, or a training that led to none, among its kin."""

    position: int
    name: str | None
    """None for a training without an adapter."""
    status: str
    parent: str | None
    """The adapter that was live when its training was asked for; None is the base."""
    goes_on: bool
    """Whether it went on from the parent's weights, and not anew from the base."""
    was_live: bool
    training: dict[str, Any]
    """As the registry has it: ``examples``, ``duration_s``, ``reason``."""
    gate: str
    """The gate's reason, empty without a judgement."""
    reason: str
    """Why it was rejected, if it was."""


MARKED = (RatingThresholdBreached, CycleOpened, AdapterPromoted, AdapterRejected, AdapterRolledBack)
"""What is marked on the curve of ratings, if it is of the role."""

TELLING = (TaskSucceeded, TaskFailed, TaskRated, ScheduleTicked, RolloutStarted, CanaryWeightSet)
"""After what a look at the canary may say something new."""


class History(State):
    """The state, and the way to it. ``follow`` it through the whole log from its first event."""

    def __init__(self, role: str, rollout: str | None = None, keys: frozenset[str] = frozenset()) -> None:
        """Of this role's ratings, of this rollout's canary, and with the changes of these settings marked."""
        super().__init__()
        self.role, self.rollout, self.keys = role, rollout, keys
        self.ratings_given: list[Rating] = []
        self.means: list[Mean] = []
        self.marks: list[Mark] = []
        self.looks: list[Look] = []
        """After every event that told something new of the canary."""
        self.looks_recorded: list[Mark] = []
        self.verdicts: list[Verdict] = []
        """Of the recorded looks."""
        self.last_time: datetime | None = None
        self._parents: dict[str, str | None] = {}

    def follow(self, position: int, event: Event) -> None:
        """Take in the next event."""
        self.apply(position, event)
        self.last_time = event.time
        if isinstance(event, TaskRated):
            self._rate(position, event)
        is_of_role = isinstance(event, MARKED) and event.role == self.role
        if is_of_role or (isinstance(event, PolicyChanged) and event.key in self.keys):
            self.marks.append(Mark(position, event.time, event.TOPIC, _of_adapter(event) + describe(event)))
        if isinstance(event, TrainingRequested):
            self._parents[event.originator_id.hex] = event.parent
        if self.rollout in self.rollouts and isinstance(event, TELLING):
            self._look(position, self.look(self.rollout))
        if isinstance(event, CanaryAssessed) and event.originator_id.hex == self.rollout:
            self.looks_recorded.append(Mark(position, event.time, event.TOPIC, describe(event)))
            self.verdicts.append(Verdict(event.verdict, event.reason, event.message, event.numbers))

    def _rate(self, position: int, event: TaskRated) -> None:
        for lane in lanes_counted(event):
            is_theirs = is_imported(lane) and counts_imported(self.policy, self.role, self.lanes.live(self.role))
            if lane["role"] != self.role or (lane["arm"] == Arm.PINNED and not is_theirs):
                continue
            self.ratings_given.append(Rating(position, event.stars, "stable" if is_theirs else lane["arm"]))
            window = self.window(self.role)
            if window.ratings and (is_theirs or lane["adapter"] == window.adapter):
                threshold = self.policy.rating(self.role).threshold
                self.means.append(Mean(position, window.mean, len(window.ratings), threshold, window.adapter))

    def _look(self, position: int, verdict: Verdict) -> None:
        figures = {name: value for name, value in verdict.numbers.items() if name in ("canary", "stable", "evidence")}
        last = self.looks[-1].verdict.numbers if self.looks else {}
        if any(last.get(name) != value for name, value in figures.items()):
            self.looks.append(Look(position, verdict))

    @property
    def family(self) -> list[Member]:
        """The role's adapters, and its trainings without one, in the order they came."""
        found = [
            self._member(name, known) for name, known in self.registry.adapters.items() if known["role"] == self.role
        ]
        with_adapter = {known["training"] for known in self.registry.adapters.values()}
        for id, training in self.registry.trainings.items():
            if id not in with_adapter and training["role"] == self.role:
                member = Member(
                    training["position"], None, training["status"], self._parents.get(id),
                    training["lineage"] == "parent", False, training, "", training["reason"],
                )  # fmt: skip
                found.append(member)
        return sorted(found, key=lambda member: member.position)

    def _member(self, name: str, known: dict[str, Any]) -> Member:
        return Member(
            known["position"],
            name,
            known["status"],
            known["parent"],
            known["lineage"] == "parent",
            name in self.lanes.once_live(self.role),
            self.registry.trainings.get(known["training"], {}),
            known["gate"]["reason"] if known["gate"] else "",
            known["reason"],
        )


def _of_adapter(event: Event) -> str:
    """The adapter's name before what is told of it alone."""
    return f"{event.adapter} " if isinstance(event, (AdapterEvent, RolloutEvent)) else ""
