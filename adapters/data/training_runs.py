"""A role's runs as training needs them: steps, outcome, ratings and corrections, read from the log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ...domain.errors import InvalidExamples
from ...domain.events import (
    CorrectionWithdrawn,
    Event,
    ExamplesSynthesized,
    StepTaken,
    TaskAnswered,
    TaskCorrected,
    TaskEnded,
    TaskFailed,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
    TrainingRequested,
)
from ...domain.rules.attribution import READER
from ...domain.rules.coordination import recorded_bounds
from ...domain.rules.observing import recorded_observe
from ...domain.vocabulary import Finding, StepKind

_FACTS = (
    *(TaskStarted, StepTaken, TaskSucceeded, TaskFailed, TaskAnswered, TaskRated, TaskCorrected, CorrectionWithdrawn),
    ExamplesSynthesized,
)
TOPICS = (*(cls.TOPIC for cls in _FACTS), TrainingRequested.TOPIC)
"""The events that runs are collected from, and the held-out ones are chosen by."""

TRUSTED = ("human", "reviewer", "retry", "teacher")
"""The sources of corrections, the most trusted first."""

Content = Callable[[str], str | None]
"""The text under a content key, None when it was erased."""


@dataclass
class PastRun:
    """One run in which the role made steps. ``steps`` are those of this role alone.

    ``id`` is hex; ``stars`` is the latest rating, 1 to 5, None without one.
    """

    id: str
    role: str
    started: TaskStarted
    instance: str
    """The task instance: runs of one instance have the same task and seed."""
    steps: list[StepTaken] = field(default_factory=list)
    way: list[StepTaken] = field(default_factory=list)
    """The acts of all roles."""
    refused: set[int] = field(default_factory=set)
    """The numbers of the acts that said that a goal is reached, which a check denied."""
    ended: TaskEnded | None = None
    stars: int | None = None
    rating: TaskRated | None = None
    """The latest rating."""
    corrections: list[TaskCorrected] = field(default_factory=list)
    """Corrections that may be learnt from; withdrawn ones are removed."""
    variations: list[ExamplesSynthesized] = field(default_factory=list)
    """A teacher's variations of the run."""

    @property
    def correction(self) -> TaskCorrected | None:
        """The correction that counts for the role: the most trusted, among equals the latest; None without one.

        A correction of readings, which has no act, counts for the reading role alone, and the others do not count for it.
        """
        counted = self.corrections
        if self.is_read:
            counted = [each for each in counted if (each.steps == 0) == (self.role == READER)]
        return min(reversed(counted), key=lambda correction: TRUSTED.index(correction.source), default=None)

    @property
    def is_read(self) -> bool:
        """Whether the run may read its screen."""
        return recorded_observe(self.started.policy) is not None

    @property
    def is_of_readings(self) -> bool:
        """Whether the role's steps in the run are readings."""
        return self.role == READER and self.is_read

    @property
    def fault(self) -> str | None:
        """The role that a low rating or a failure is attributed to; None where it is unknown."""
        if self.rating is not None:
            return self.rating.fault
        return self.ended.fault if isinstance(self.ended, TaskFailed) else None

    @property
    def is_planned(self) -> bool:
        """Whether the run makes plans. Then its correction teaches every role, also one that made no step yet."""
        return recorded_bounds(self.started.policy) is not None

    def has_failed(self, step: StepTaken) -> bool:
        """Whether the act could not be carried out, or a check denied what it said."""
        return bool(step.error) or step.step in self.refused

    @property
    def steps_done(self) -> int:
        """Number of acts, of all roles, that were carried out."""
        return sum(not step.error for step in self.way)

    @property
    def family(self) -> str:
        """The group for drawing tasks evenly; all tasks in words of one environment are one family."""
        return self.started.environment if self.started.is_in_words else self.started.task


@contextmanager
def learning_from(run: PastRun) -> Iterator[None]:
    """A context for making examples of the run: errors of unusable text become ``InvalidExamples`` with the run's id."""
    try:
        yield
    except InvalidExamples:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidExamples(f"run {run.id[:8]} holds text that is no valid example: {error!r}") from None


def collect_runs(events: Iterable[Event], role: str, content: Content) -> list[PastRun]:
    """The runs in which the role made steps, and the planned ones in which it may, in the order they began.

    The same question in words has another salted key each time; its instance is named after the key of its first occurrence.
    The same words about other pictures are another question, and the same page with other pictures is another instance.
    """
    runs: dict[str, PastRun] = {}
    asked: dict[str, str] = {}
    for event in events:
        key = event.run if isinstance(event, ExamplesSynthesized) else event.originator_id.hex
        if isinstance(event, TaskStarted) and any(assignment["role"] == role for assignment in event.assignments):
            runs[key] = PastRun(key, role, event, _name_instance(event, content, asked))
        run = runs.get(key)
        if run is None:
            continue
        match event:
            case StepTaken():
                if event.kind == StepKind.ACT:
                    run.way.append(event)
                elif event.kind == StepKind.CHECK and event.found == Finding.NOT_REACHED:
                    run.refused.add(event.step - 1)
                if role == (event.role or run.started.role):
                    run.steps.append(event)
            case TaskSucceeded() | TaskFailed() | TaskAnswered():
                run.ended = event
            case TaskRated():
                run.stars, run.rating = event.stars, event
            case TaskCorrected() if (
                event.is_verified or not run.started.is_verified or (run.is_read and not event.steps)
            ):
                # Where the environment can verify a correction, an unverified one may be wrong. A reading is not carried out.
                run.corrections.append(event)
            case CorrectionWithdrawn():
                run.corrections = [
                    correction for correction in run.corrections if correction.reference != event.correction
                ]
                # A teacher's variations of a withdrawn correction are dropped too.
                run.variations = [variation for variation in run.variations if variation.caused_by != event.correction]
            case ExamplesSynthesized():
                run.variations.append(event)
    return [run for run in runs.values() if run.steps or run.started.role == role or run.is_planned]


def _name_instance(started: TaskStarted, content: Content, asked: dict[str, str]) -> str:
    if not started.is_in_words:
        shown = f"+{hashlib.sha256(' '.join(started.inputs).encode()).hexdigest()[:8]}" if started.inputs else ""
        return f"{started.environment}/{started.task}#{started.seed}{shown}"
    words = content(started.task)
    asking = " ".join([started.environment, *(words or "").split(), *started.inputs])
    first = started.task if words is None else asked.setdefault(asking, started.task)
    return f"{started.environment}#{first}"
