"""The history behind the present state: ratings as the trigger saw them, looks at a canary, and descent of adapters."""

from __future__ import annotations

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
from ..state.state import State, counts_imported
from ..wording.sentences import describe
from .family import Member, family_of


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
