"""The results of a learning benchmark, cycle by cycle, folded from its log alone.

The benchmark writes the purpose of each run into the run's session (``Label``). Everything else is in the events: ratings,
corrections, trainings, and the outcome of each cycle.
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
"""The groups of tasks: tasks to learn, and tasks that the base can do and must not forget."""

FEEDBACKS = ("corrections", "ratings", "preferences")
"""The kinds of feedback. ``corrections``: ratings, and the reviewer's corrections of failed runs. ``ratings``: ratings, and
successes of own retries, without demonstrations. ``preferences``: ratings alone, used by preference objectives."""


@dataclass(frozen=True)
class Label:
    """The purpose of a run, written in its session, such as ``corrections/2/cycle-1/measure/unseen``."""

    plan: str
    """The kind of feedback."""
    seed: int
    cycle: int
    """From 1; runs before any feedback belong to cycle 0."""
    purpose: str
    """``measure``, ``feedback`` or ``canary``."""
    detail: str
    """The group of tasks of a measurement; for other runs a number, so that each run draws its own arm."""

    def __str__(self) -> str:
        return f"{self.plan}/{self.seed}/cycle-{self.cycle}/{self.purpose}/{self.detail}"

    @classmethod
    def read(cls, session: str | None) -> Label | None:
        """The label in the session's name; None where the name is no label."""
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
        """In [0, 1]; 0 without runs."""
        return self.good / self.runs if self.runs else 0.0

    def __add__(self, other: Count) -> Count:
        return Count(self.good + other.good, self.runs + other.runs)


@dataclass
class Cycle:
    """The effort of one cycle, and the measurements after it."""

    number: int
    tasks: dict[tuple[str, str], Count] = field(default_factory=dict)
    """The measured successes, by group and task."""
    rated: set[UUID] = field(default_factory=set)
    """The runs that were rated in it, those of the canary too."""
    corrections: dict[UUID, str] = field(default_factory=dict)
    """The runs that were corrected in it, with the source of the correction."""
    training_s: float = 0.0
    """The duration of all its completed trainings, in seconds."""
    outcome: str = ""
    """``promoted``, ``rolled back``, ``rejected``, ``declined`` or ``failed``; empty while it is under way."""
    detail: str = ""

    def group(self, group: str) -> Count:
        """The measured successes over all tasks of the group."""
        return sum((count for (of, _), count in self.tasks.items() if of == group), Count())

    def corrected(self, *sources: str) -> int:
        """The number of runs whose correction comes from one of these sources."""
        return sum(Counter(self.corrections.values())[source] for source in sources)


class Learning:
    """Fold of a benchmark's log. One log has one plan and one seed."""

    def __init__(self) -> None:
        self.plan, self.seed = "", 0
        self.role = ""
        """The role whose cycles are counted. Another role in the runs may have cycles of its own."""
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
    """The topics of the events that it reads."""

    def apply(self, event: Event) -> None:
        """Apply the next event."""
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
        """The open cycle. It begins with the first event after the last cycle was closed."""
        newest = self.cycles[-1]
        if newest.number == 0 or newest.outcome:
            return self._cycle(newest.number + 1)
        return newest

    def _cycle(self, number: int) -> Cycle:
        while len(self.cycles) <= number:
            self.cycles.append(Cycle(len(self.cycles)))
        return self.cycles[number]


def is_lost(event: Event | None) -> bool:
    """Whether the environment was lost. Such a run says nothing, and the benchmark repeats it."""
    return isinstance(event, TaskFailed) and event.reason == FailureReason.ENVIRONMENT
