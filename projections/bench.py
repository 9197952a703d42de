"""What a loop of feedback and training came to, cycle by cycle, folded from its log alone.

Who plays the loop says in each run's session what the run is for (``Label``); everything else is in the facts already:
ratings, corrections, trainings and how each cycle ended.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from ..domain.events import (
    CorrectionWithdrawn,
    CycleClosed,
    Event,
    TaskCorrected,
    TaskFailed,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
    TrainingCompleted,
)
from ..domain.vocabulary import FailureReason

GROUPS = ("unseen", "old")
"""Tasks to be learnt, and tasks that the base was made for: what must not be forgotten."""

FEEDBACKS = ("corrections", "ratings", "preferences")
"""``corrections``: ratings, and the reviewer's correction of what failed. ``ratings``: ratings, and own successes in further
tries; no demonstration ever. ``preferences``: ratings alone, trained on by preference objectives."""


@dataclass(frozen=True)
class Label:
    """What a run is for, written as ``corrections/2/cycle-1/measure/unseen`` in its session."""

    plan: str
    """What kind of feedback is given."""
    seed: int
    cycle: int
    """From 1; what is measured before any feedback is of cycle 0."""
    purpose: str
    """``measure``, ``feedback`` or ``canary``."""
    detail: str
    """Of what is measured the group of tasks; of the others a number, so that each run draws its arm."""

    def __str__(self) -> str:
        return f"{self.plan}/{self.seed}/cycle-{self.cycle}/{self.purpose}/{self.detail}"

    @classmethod
    def read(cls, session: str | None) -> Label | None:
        """The label that was written so, None for a session that is none."""
        parts = (session or "").split("/")
        if len(parts) != 5 or not parts[1].isdecimal() or not parts[2].removeprefix("cycle-").isdecimal():
            return None
        plan, seed, cycle, purpose, detail = parts
        return cls(plan, int(seed), int(cycle.removeprefix("cycle-")), purpose, detail)


@dataclass
class Count:
    """Successes among runs."""

    good: int = 0
    runs: int = 0

    @property
    def share(self) -> float:
        """In [0, 1]; 0 of no runs."""
        return self.good / self.runs if self.runs else 0.0

    def __add__(self, other: Count) -> Count:
        return Count(self.good + other.good, self.runs + other.runs)


@dataclass
class Cycle:
    """What one cycle took and what was measured after it."""

    number: int
    tasks: dict[tuple[str, str], Count] = field(default_factory=dict)
    """(group, task) to what was measured."""
    rated: set[UUID] = field(default_factory=set)
    """Runs that were rated in it, those of the canary too."""
    corrections: dict[UUID, str] = field(default_factory=dict)
    """Runs that were corrected in it, and where the correction comes from."""
    training_s: float = 0.0
    """Of all trainings that ended in it."""
    outcome: str = ""
    """``promoted``, ``rolled back``, ``rejected``, ``declined`` or ``failed``; empty while it is under way."""
    detail: str = ""

    def group(self, group: str) -> Count:
        """What was measured on the group's tasks in all."""
        return sum((count for (of, _), count in self.tasks.items() if of == group), Count())

    def corrected(self, *sources: str) -> int:
        """Runs whose correction comes from one of these sources."""
        return sum(Counter(self.corrections.values())[source] for source in sources)


class Learning:
    """The fold: one log is of one plan and one seed."""

    def __init__(self) -> None:
        self.plan, self.seed = "", 0
        self.role = ""
        """Whose cycles are counted; another role that the runs call for may go through cycles of its own beside them."""
        self.cycles = [Cycle(0)]
        self._labels: dict[UUID, Label] = {}
        self._tasks: dict[UUID, str] = {}

    TOPICS = tuple(
        kind.TOPIC
        for kind in (
            *(TaskStarted, TaskSucceeded, TaskFailed, TaskRated, TaskCorrected, CorrectionWithdrawn),
            *(TrainingCompleted, CycleClosed),
        )
    )
    """The facts it looks at."""

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        match event:
            case TaskStarted():
                label = Label.read(event.session)
                if label is not None:
                    self.plan, self.seed, self.role = label.plan, label.seed, event.role
                    self._labels[event.originator_id] = label
                    self._tasks[event.originator_id] = event.task
            case TaskSucceeded() | TaskFailed():  # a plan's tasks are verified, so none ends as an answer
                self._end(event)
            case TaskRated():
                if event.originator_id in self._labels:
                    self.current.rated.add(event.originator_id)
            case TaskCorrected():
                if event.originator_id in self._labels:
                    self.current.corrections[event.originator_id] = event.source
            case CorrectionWithdrawn():
                self.current.corrections.pop(event.originator_id, None)
                if event.corrected_by is not None:
                    self.current.corrections[event.originator_id] = event.corrected_by
            case TrainingCompleted():
                self.current.training_s += event.duration_s
            case CycleClosed() if event.role == self.role:
                ended = self.current
                ended.outcome, ended.detail = event.outcome, event.detail

    def _end(self, event: TaskSucceeded | TaskFailed) -> None:
        label = self._labels.get(event.originator_id)
        if label is None or label.purpose != "measure" or is_lost(event):
            return
        count = self._cycle(label.cycle).tasks.setdefault((label.detail, self._tasks[event.originator_id]), Count())
        count.good += isinstance(event, TaskSucceeded)
        count.runs += 1

    @property
    def current(self) -> Cycle:
        """The cycle that is under way, begun by the first thing that happens after the last one was closed."""
        newest = self.cycles[-1]
        if newest.number == 0 or newest.outcome:
            return self._cycle(newest.number + 1)
        return newest

    def _cycle(self, number: int) -> Cycle:
        while len(self.cycles) <= number:
            self.cycles.append(Cycle(len(self.cycles)))
        return self.cycles[number]


def is_lost(event: Event | None) -> bool:
    """Whether the run ended because the computer to use was lost: it says nothing and is made again."""
    return isinstance(event, TaskFailed) and event.reason == FailureReason.ENVIRONMENT
