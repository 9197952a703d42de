"""What the log tells of a role's runs, as far as training asks: what was done, how it ended, and what was said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ...domain.errors import InvalidExamples
from ...domain.events import (
    CorrectionWithdrawn,
    Event,
    ExamplesSynthesized,
    StepTaken,
    TaskCorrected,
    TaskFailed,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)

_FACTS = (
    *(TaskStarted, StepTaken, TaskSucceeded, TaskFailed, TaskRated, TaskCorrected, CorrectionWithdrawn),
    ExamplesSynthesized,
)
TOPICS = tuple(cls.TOPIC for cls in _FACTS)
"""The facts that runs are gathered from."""

TRUSTED = ("human", "reviewer", "retry", "teacher")
"""Who corrects, the most trusted first."""

Content = Callable[[str], str | None]
"""The text under a content key, None when it was erased."""


@dataclass
class PastRun:
    """One run that the role made steps in, as the role sees it: ``steps`` are its own alone.

    ``id`` is hex; ``stars`` is the latest rating.
    """

    id: str
    role: str
    started: TaskStarted
    instance: str
    """What was to be done, exactly: runs of one instance are given the same task from the same seed."""
    steps: list[StepTaken] = field(default_factory=list)
    way: list[StepTaken] = field(default_factory=list)
    """The steps of all roles."""
    ended: TaskSucceeded | TaskFailed | None = None
    stars: int | None = None
    rating: TaskRated | None = None
    """The latest."""
    corrections: list[TaskCorrected] = field(default_factory=list)
    """Those that stand and may be learnt from."""
    variations: list[ExamplesSynthesized] = field(default_factory=list)
    """What a teacher made of it."""

    @property
    def correction(self) -> TaskCorrected | None:
        """The one that counts: the most trusted, among equals the latest."""
        return min(reversed(self.corrections), key=lambda it: TRUSTED.index(it.source), default=None)

    @property
    def fault(self) -> str | None:
        """The role that a low rating or a failure is attributed to, None where nobody knows."""
        if self.rating is not None:
            return self.rating.fault
        return self.ended.fault if isinstance(self.ended, TaskFailed) else None

    @property
    def steps_done(self) -> int:
        """The steps, whoever made them, that could be carried out."""
        return sum(not step.error for step in self.way)

    @property
    def family(self) -> str:
        """What it is counted under where tasks have an even share; all tasks in words of one environment are one family."""
        return self.started.environment if self.started.is_question else self.started.task


@contextmanager
def learning_from(run: PastRun) -> Iterator[None]:
    """Examples are made of the run within: what none can be made of is told with the run. Raises ``InvalidExamples``."""
    try:
        yield
    except InvalidExamples:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidExamples(f"run {run.id[:8]} holds text that no example can be made of: {error!r}") from None


def collect_runs(events: Iterable[Event], role: str, content: Content) -> list[PastRun]:
    """The runs in which the role made steps, in the order they began.

    A question in words lies under a salted key, another one each time it is asked: its instance is named after the key
    under which it was asked first.
    """
    runs: dict[str, PastRun] = {}
    asked: dict[str, str] = {}
    for event in events:
        key = event.run if isinstance(event, ExamplesSynthesized) else event.originator_id.hex
        if isinstance(event, TaskStarted) and any(lane["role"] == role for lane in event.lanes):
            runs[key] = PastRun(key, role, event, _name_instance(event, content, asked))
        run = runs.get(key)
        if run is None:
            continue
        match event:
            case StepTaken():
                run.way.append(event)
                if role == (event.role or run.started.role):
                    run.steps.append(event)
            case TaskSucceeded() | TaskFailed():
                run.ended = event
            case TaskRated():
                run.stars, run.rating = event.stars, event
            case TaskCorrected() if event.is_verified or not run.started.is_verified:
                # Where an environment can try a correction, one that it did not try is not known to be right.
                run.corrections.append(event)
            case CorrectionWithdrawn():
                run.corrections = [it for it in run.corrections if it.reference != event.correction]
                # What a teacher made of the correction teaches the same.
                run.variations = [it for it in run.variations if it.caused_by != event.correction]
            case ExamplesSynthesized():
                run.variations.append(event)
    return [run for run in runs.values() if run.steps or run.started.role == role]


def _name_instance(started: TaskStarted, content: Content, asked: dict[str, str]) -> str:
    if not started.is_question:
        return f"{started.environment}/{started.task}#{started.seed}"
    words = content(started.task)
    first = (
        started.task
        if words is None
        else asked.setdefault(f"{started.environment} {' '.join(words.split())}", started.task)
    )
    return f"{started.environment}#{first}"
