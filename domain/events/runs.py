"""The events of a run: one task, done once, then rated and perhaps corrected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypedDict

from .base import Event, fact


class Capability(StrEnum):
    """What an environment offers. The set is closed: a further one needs a new version of ``TaskStarted``."""

    VERIFIES = "verifies"
    """It says itself whether a task was done, so corrections can be tried and runs be judged without a person."""
    QUESTION = "question"
    """Its task is a question in words, and one answer in words ends it. The words lie in the content store."""
    SEEDS = "seeds"
    """The same task and seed give the same page again, and another seed gives another page of the task."""
    DEMONSTRATIONS = "demonstrations"
    """It has scripted demonstrations of some of its tasks."""


class Assignment(TypedDict):
    """Where the steps of one role in a run go; the fields are those of ``RunEvent``."""

    role: str
    arm: str
    adapter: str | None
    """None where the role has no adapter of its own: then the run's own lane makes its steps."""
    rollout: str | None


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RunEvent(Event):
    """A fact of a run. Its roles, arms and adapters stand in every fact that is counted, so counting needs no join."""

    AGGREGATE = "TaskRun"
    VERSION = 3
    WORDS: ClassVar[tuple[str, ...]] = ("actor", "adapter")

    role: str
    """The run's own, which begins it."""
    arm: str
    """``stable`` or ``canary``; ``pinned`` for a run with an adapter chosen by hand, which counts for neither."""
    adapter: str | None
    """The adapter's name, None for the bare base; of a run that another program made ``imported`` and the content key of what
    it called its own, after a colon."""
    rollout: str | None
    """The rollout in force when the run began, as hex id."""
    others: tuple[Assignment, ...]
    """The lanes of the other roles that made a step; at the start, of those that may make one. Since version 2."""
    session: str | None
    """The conversation that it is part of, if any. Since version 3 in every fact of a run, before in its start alone."""

    @property
    def lanes(self) -> tuple[Assignment, ...]:
        """The run's own lane and those of the other roles."""
        own: Assignment = {"role": self.role, "arm": self.arm, "adapter": self.adapter, "rollout": self.rollout}
        return (own, *self.others)


@fact("TaskStarted")
class TaskStarted(RunEvent):
    VERSION = 4
    TEXTS = ("task",)
    WORDS = ("actor", "adapter", "policy")

    environment: str
    capabilities: tuple[Capability, ...]
    """What the environment offered at the start, in the order of ``Capability``. Since version 4."""
    task: str
    """The environment's task name; for a question the content key of the words."""
    seed: int
    base: str
    """The base model: name or path as set, and its revision or hash after an ``@``."""
    policy: dict[str, Any]
    """The settings that shaped the run: maximum steps, traffic share, temperature."""

    @property
    def is_question(self) -> bool:
        """Whether the task is a question in words, with one answer in words."""
        return Capability.QUESTION in self.capabilities

    @property
    def is_verified(self) -> bool:
        """Whether the environment says itself if the task was done."""
        return Capability.VERIFIES in self.capabilities

    @property
    def is_repeatable(self) -> bool:
        """Whether the task can be done again, from the same or another seed, and is judged without a person."""
        return self.is_verified and Capability.SEEDS in self.capabilities


@fact("StepTaken")
class StepTaken(Event):
    AGGREGATE = "TaskRun"
    VERSION = 3
    TEXTS = ("prompt", "answer")

    step: int
    """From 1."""
    role: str
    """Who made it; empty where it was stored before version 2: then the run's own role did."""
    prompt: str
    """Content key of the messages, JSON."""
    answer: str
    """Content key of what the model answered."""
    error: str
    """Why the environment could not carry the action out; empty when it could."""
    model_ms: int
    environment_ms: int
    prompt_tokens: int | None
    """None where the model did not say, or no model was asked. Since version 3; before, 0 stood for that."""
    completion_tokens: int | None
    """As ``prompt_tokens``. An answer that was drawn again counts each draw."""


@fact("TaskSucceeded")
class TaskSucceeded(RunEvent):
    steps: int
    duration_ms: int
    reward: float
    implicit_stars: int
    """The implicit rating, 3-5: its own series, never mixed with people's."""


@fact("TaskFailed")
class TaskFailed(RunEvent):
    WORDS = ("actor", "adapter", "detail")

    steps: int
    duration_ms: int
    reward: float
    implicit_stars: int
    reason: str
    """``wrong`` (the task says so), ``timeout`` (out of steps), ``error`` (a fault of the model or its weights: critical),
    ``environment`` (the computer to use was lost: counted for neither arm)."""
    detail: str
    """More of it: the content key of the words; empty where there is no more to say."""
    fault: str | None
    """The role that it is known to have failed by: the only one that made a step, or whose turn it was when the model or its
    weights failed; None where that is not known, or nobody's fault. Since version 2."""


@fact("TaskRated")
class TaskRated(RunEvent):
    TEXTS = ("comment",)
    WORDS = ("actor", "adapter", "issues")

    stars: int
    """1-5."""
    source: str
    """``human`` or ``reviewer``."""
    issues: tuple[str, ...]
    """Those of ``ISSUES`` by name, others by the content keys of the words."""
    comment: str | None
    """Content key."""
    step: int | None
    """The step that went wrong, where it was named. Since version 2."""
    fault: str | None
    """The role that a low rating is attributed to; None for a good one, and where nobody knows. Since version 2."""


@fact("TaskCorrected")
class TaskCorrected(RunEvent):
    TEXTS = ("correction",)

    source: str
    """``human``, ``reviewer`` (a scripted demonstration), ``retry`` (an own success), ``teacher``."""
    correction: str
    """Content key of the steps: JSON list of ``{"messages": [...], "completion": "..."}``."""
    steps: int
    is_verified: bool
    """Whether the correction was carried out in the environment and succeeded."""


@fact("CorrectionWithdrawn")
class CorrectionWithdrawn(RunEvent):
    VERSION = 1
    WORDS = ("actor", "adapter", "reason")

    correction: str
    """The reference of the ``TaskCorrected`` that is used in no dataset from now on."""
    source: str
    """That correction's source."""
    corrected_by: str | None
    """The source of the latest correction that still stands, None where none does."""
    reason: str
    """Content key of why; empty where no reason was given."""
