"""The history behind the present state: ratings as the trigger saw them, looks at a canary, and descent of adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

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
    ScheduleKept,
    TaskAnswered,
    TaskFailed,
    TaskJudged,
    TaskRated,
    TaskSucceeded,
    TrainingRequested,
)
from ...domain.rules.imported import is_imported
from ...domain.rules.roles import assignments_counted
from ...domain.verdict import Verdict
from ...domain.vocabulary import Arm
from ..state.registry import Adapter, Training
from ..state.state import State, counts_imported
from ..wording.sentences import describe
from .tree import Lookup


@dataclass(frozen=True)
class Rating:
    """One rating that counts for the role, and the arm of its run."""

    position: int
    stars: int
    arm: str


@dataclass(frozen=True)
class Mean:
    """The window of the live adapter after one more rating."""

    position: int
    mean: float
    """In [1, 5]."""
    count: int
    """The number of ratings in it."""
    threshold: float
    """The setting ``rating.threshold`` at that position."""
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
    """The verdict on the canary at a position, recorded or not."""

    position: int
    verdict: Verdict


@dataclass(frozen=True)
class Member:
    """An adapter, or a training without an adapter, in the line of descent."""

    position: int
    name: str | None
    """None for a training without an adapter."""
    status: str
    parent: str | None
    """The adapter that was live when its training was requested; None is the base."""
    goes_on: bool
    """Whether its training continued from the parent's weights, and not from the base."""
    was_live: bool
    training: Training | None
    """None for an adapter whose training the registry does not know."""
    gate: str
    """The gate's reason, empty without a judgement."""
    reason: str
    """Why it was rejected, if it was."""


MARKED = (RatingThresholdBreached, CycleOpened, AdapterPromoted, AdapterRejected, AdapterRolledBack)
"""The kinds of events of the role that are marked on the curve of its ratings."""

TELLING = (
    TaskSucceeded,
    TaskFailed,
    TaskAnswered,
    TaskJudged,
    TaskRated,
    ScheduleKept,
    RolloutStarted,
    CanaryWeightSet,
)
"""The kinds of events after which the verdict on the canary may change."""


class History:
    """The history up to the present state. Call ``follow`` with every event of the log, from the first."""

    def __init__(
        self,
        role: str,
        rollout: str | None = None,
        keys: frozenset[str] = frozenset(),
        state: State | None = None,
    ) -> None:
        """The history of the role's ratings and of the rollout's canary; changes of the settings ``keys`` are marked.

        With ``state``, the history begins after that state, which it takes over.
        """
        self.state = state or State()
        """The state as of the last event."""
        self.role, self.rollout, self.keys = role, rollout, keys
        self.ratings_given: list[Rating] = []
        self.means: list[Mean] = []
        self.marks: list[Mark] = []
        self.looks: list[Look] = []
        """The verdicts after each event that changed the figures of the canary."""
        self.looks_recorded: list[Mark] = []
        self.verdicts: list[Verdict] = []
        """The recorded verdicts."""
        self.last_time: datetime | None = None
        self._parents: dict[str, str | None] = {}

    def follow(self, position: int, event: Event) -> None:
        """Apply the next event."""
        self.state.apply(position, event)
        self.last_time = event.time
        if isinstance(event, TaskRated):
            self._rate(position, event)
        is_of_role = isinstance(event, MARKED) and event.role == self.role
        if is_of_role or (isinstance(event, PolicyChanged) and event.key in self.keys):
            self.marks.append(Mark(position, event.time, event.TOPIC, _of_adapter(event) + describe(event)))
        if isinstance(event, TrainingRequested):
            self._parents[event.originator_id.hex] = event.parent
        if self.rollout is not None and self.rollout in self.state.undecided and isinstance(event, TELLING):
            self._look(position, self.state.look(self.rollout))
        if isinstance(event, CanaryAssessed) and event.originator_id.hex == self.rollout:
            self.looks_recorded.append(Mark(position, event.time, event.TOPIC, describe(event)))
            self.verdicts.append(Verdict(event.verdict, event.reason, event.message, event.numbers, event.next_share))

    def _rate(self, position: int, event: TaskRated) -> None:
        policy, live = self.state.policy, self.state.rollouts.live(self.role)
        for assignment in assignments_counted(event):
            is_from_outside = is_imported(assignment) and counts_imported(policy, self.role, live)
            if assignment["role"] != self.role or (assignment["arm"] == Arm.PINNED and not is_from_outside):
                continue
            self.ratings_given.append(
                Rating(position, event.stars, Arm.STABLE if is_from_outside else assignment["arm"])
            )
            window = self.state.window(self.role)
            if window.ratings and (is_from_outside or assignment["adapter"] == window.adapter):
                threshold = policy.rating(self.role).threshold
                self.means.append(Mean(position, window.mean, len(window.ratings), threshold, window.adapter))

    def _look(self, position: int, verdict: Verdict) -> None:
        figures = {name: value for name, value in verdict.numbers.items() if name in ("canary", "stable", "evidence")}
        last = self.looks[-1].verdict.numbers if self.looks else {}
        if any(last.get(name) != value for name, value in figures.items()):
            self.looks.append(Look(position, verdict))

    @property
    def family(self) -> list[Member]:
        """The role's adapters, and its trainings without an adapter, the oldest first."""
        return family_of(self.state, self.role, self._parents)


def _of_adapter(event: Event) -> str:
    """The adapter's name, as a prefix for an event of that adapter; empty for other events."""
    return f"{event.adapter} " if isinstance(event, (AdapterEvent, RolloutEvent)) else ""


def read_parents(log: Lookup) -> dict[str, str | None]:
    """By training, hex, the adapter that was live when it was requested; None is the base."""
    requests = (placed.event for placed in log.read(1, None, (TrainingRequested.TOPIC,)))
    return {event.originator_id.hex: event.parent for event in requests if isinstance(event, TrainingRequested)}


def family_of(state: State, role: str, parents: Mapping[str, str | None]) -> list[Member]:
    """The role's adapters, and its trainings without an adapter, the oldest first. ``parents`` are those of the trainings."""
    registry = state.registry
    members = [_member(state, adapter) for adapter in registry.adapters.values() if adapter.role == role]
    with_adapter = {adapter.training for adapter in registry.adapters.values()}
    for id, training in registry.trainings.items():
        if id not in with_adapter and training.role == role:
            member = Member(
                training.position, None, training.status, parents.get(id), training.lineage == "parent", False, training,
                "", training.reason,
            )  # fmt: skip
            members.append(member)
    return sorted(members, key=lambda member: member.position)


def _member(state: State, adapter: Adapter) -> Member:
    return Member(
        adapter.position,
        adapter.name,
        adapter.status,
        adapter.parent,
        adapter.lineage == "parent",
        adapter.name in state.rollouts.once_live(adapter.role),
        state.registry.trainings.get(adapter.training),
        adapter.gate.reason if adapter.gate is not None else "",
        adapter.reason,
    )
