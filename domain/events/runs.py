"""The events of a run: one task, done once, then rated and perhaps corrected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypedDict

from .base import KEY, Event, fact


class Capability(StrEnum):
    """What an environment offers. The set is closed: another member needs a new version of ``TaskStarted``."""

    VERIFIES = "verifies"
    """It decides whether a task was done, so corrections can be tested and runs judged without a person."""
    QUESTION = "question"
    """Its task is a question in words, and one answer in words ends it. The words are in the content store."""
    SEEDS = "seeds"
    """The same task and seed give the same page; another seed gives another page of the task."""
    DEMONSTRATIONS = "demonstrations"
    """It has scripted demonstrations of some of its tasks."""


class Assignment(TypedDict):
    """The arm and the adapter that make the steps of one role in a run; the fields are those of ``RunEvent``."""

    role: str
    arm: str
    adapter: str | None
    """None where the role has no adapter of its own: then the run's own assignment makes its steps."""
    rollout: str | None


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RunEvent(Event):
    """An event of a run. Each counted event repeats roles, arms and adapters, so counting needs no joins."""

    AGGREGATE = "TaskRun"
    VERSION = 3
    WORDS: ClassVar[tuple[str, ...]] = ("actor", "adapter")

    role: str
    """The run's own role, which makes its first step."""
    arm: str
    """``stable`` or ``canary``; ``pinned`` for a run whose adapter was chosen by hand, which counts for neither."""
    adapter: str | None
    """The adapter's name; None for the bare base. For a run of another program: ``imported``, with the content key of
    that program's own name for it after a colon."""
    rollout: str | None
    """The rollout in force when the run began, as hex id."""
    others: tuple[Assignment, ...]
    """The assignments of the other roles that made a step; in ``TaskStarted``, of those that may make one. Since version 2."""
    session: str | None
    """The conversation that the run is part of, if any. Since version 3 in every event of a run, before in its start alone."""

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """The assignments of the run's own role and of the other roles."""
        own: Assignment = {"role": self.role, "arm": self.arm, "adapter": self.adapter, "rollout": self.rollout}
        return (own, *self.others)


@fact("TaskStarted")
class TaskStarted(RunEvent):
    VERSION = 5
    TEXTS = ("task", "inputs")
    WORDS = ("actor", "adapter", "policy")

    environment: str
    capabilities: tuple[Capability, ...]
    """What the environment offered at the start, in the order of ``Capability``. Since version 4."""
    task: str
    """The environment's task name; for a task in words of a person the content key of them, empty where they are not kept.
    Words of a task that is no question stand here themselves in events of early logs."""
    seed: int
    base: str
    """The base model: name or path as set, and its revision or hash after an ``@``."""
    policy: dict[str, Any]
    """The settings that apply to the run: maximum steps, traffic share, temperature."""
    inputs: tuple[str, ...]
    """Content keys of the pictures and sounds that came with the task, as ``data:`` URLs. Since version 5."""

    @property
    def is_question(self) -> bool:
        """Whether the task is a question in words, with one answer in words."""
        return Capability.QUESTION in self.capabilities

    @property
    def is_in_words(self) -> bool:
        """Whether ``task`` is the content key of a person's words: of a question, or of a task that any words are."""
        return self.is_question or KEY.fullmatch(self.task) is not None

    @property
    def is_verified(self) -> bool:
        """Whether the environment decides if the task was done."""
        return Capability.VERIFIES in self.capabilities

    @property
    def is_repeatable(self) -> bool:
        """Whether the task can be repeated, from the same or another seed, and judged without a person."""
        return self.is_verified and Capability.SEEDS in self.capabilities


class Screen(TypedDict):
    """What a screen showed before a step."""

    picture: str | None
    """Content key of the picture, as a ``data:`` URL; None where it was not kept (setting log.screenshots)."""
    width: int
    """Of the picture, in pixels."""
    height: int
    box: tuple[int, int, int, int] | None
    """The element that the step named: left, top, width and height in pixels of the picture; None without one."""


@fact("StepTaken")
class StepTaken(Event):
    AGGREGATE = "TaskRun"
    VERSION = 7
    TEXTS = ("prompt", "answer", "tools", "tool_calls", "screen", "completion")
    WORDS = ("actor", "error")

    step: int
    """From 1."""
    role: str
    """The role that made the step; empty before version 2: then the run's own role."""
    prompt: str
    """Content key of the messages, JSON. Empty where no texts of the run are kept (setting gateway.texts_percent)."""
    answer: str
    """Content key of the model's answer. Empty as ``prompt``."""
    error: str
    """Why the environment could not carry out the action, which it may quote: a content key since version 4, and before
    the sentence without what was between quotation marks. Empty when it could."""
    model_ms: int | None
    """None where another program made the step and its duration is unknown. Since version 4; before, 0 stood for that."""
    environment_ms: int
    prompt_tokens: int | None
    """None where the model did not report it, or no model was asked. Since version 3; before, 0 stood for that."""
    completion_tokens: int | None
    """As ``prompt_tokens``. Where answers were resampled, the sum over all samples."""
    tools: str | None
    """Content key of the definitions of the functions that were offered, a JSON list in OpenAI's form; the steps of a run
    that were offered the same have the same key. None where none were offered. Since version 5."""
    tool_calls: str | None
    """Content key of the calls in the answer, a JSON list in OpenAI's form; None without one. Since version 5."""
    kind: str
    """What the step did: ``act`` in the environment, ``plan`` the run's goals, ``read`` a picture, or ``check`` whether a goal
    is reached. Since version 6, as are the fields below; before, every step was an act."""
    goal: int
    """The goal of the newest plan that the step served, from 1; 0 without a plan."""
    found: str
    """What was found after the step: a member of ``Finding``; empty where nothing was looked for."""
    model: str | None
    """The model that answered, in the form of ``TaskStarted.base``; None where it was the run's base."""
    screen: Screen | None
    """What a screen showed before the step; None without one."""
    confidence: float | None
    """The lowest score, 0 to 1, of the read words that the step used; None where it used none."""
    completion: str | None
    """Content key of the whole answer as OpenAI's API writes it, JSON, with all choices and fields that the model's server
    gave: where a gateway may be asked for it again by its idempotency key. Else None. Since version 7."""

    @property
    def run(self) -> str:
        """The id of its run, hex."""
        return self.originator_id.hex


@fact("PicturesKept")
class PicturesKept(Event):
    """The next step's prompt had pictures. It names each where it stood, as ``[image_url KEY]``."""

    AGGREGATE = "TaskRun"
    VERSION = 1
    TEXTS = ("pictures",)

    pictures: tuple[str, ...]
    """Content keys of the pictures, as ``data:`` URLs; each once. The same picture has the same key in all runs."""


@fact("TaskSucceeded")
class TaskSucceeded(RunEvent):
    VERSION = 4

    steps: int
    duration_ms: int | None
    """None where another program made the run and its duration is unknown. Since version 4; before, 0 stood for that."""
    reward: float
    implicit_stars: int | None
    """The implicit rating, 3 to 5: a series of its own, never mixed with people's. None where the duration is unknown."""

    @property
    def is_known(self) -> bool:
        """Whether the end says if the run succeeded."""
        return True


@fact("TaskFailed")
class TaskFailed(RunEvent):
    VERSION = 4
    WORDS = ("actor", "adapter", "detail")

    steps: int
    duration_ms: int | None
    """As in ``TaskSucceeded``."""
    reward: float
    implicit_stars: int | None
    """The implicit rating, 1; None where the failure is not judged."""
    reason: str
    """``wrong`` (the task says so), ``timeout`` (out of steps), ``error`` (a fault of the model or its weights:
    critical), ``environment`` (the environment was lost: counted for neither arm)."""
    detail: str
    """Why, in one line; empty where no more is known. It is a content key where it has words of a fault or of another
    program, else a sentence of this program or of the environment."""
    fault: str | None
    """The role at fault: the only one that made a step, or the one whose turn it was when the model or its weights
    failed. None where that is unknown, or no role is at fault. Since version 2."""
    is_judged: bool
    """Whether the failure counts in the success rate. False where nothing judges the runs that end well: the rate would
    then count failures alone. It still counts as an error. Since version 4; before, every failure counted."""

    @property
    def is_known(self) -> bool:
        """Whether the end says if the run succeeded, among runs whose successes are known too."""
        return self.is_judged


@fact("TaskAnswered")
class TaskAnswered(RunEvent):
    """The run ended, and nothing has judged it: its success is unknown."""

    VERSION = 1

    steps: int
    duration_ms: int | None
    """As in ``TaskSucceeded``."""

    @property
    def is_known(self) -> bool:
        """Whether the end says if the run succeeded."""
        return False


@fact("TaskJudged")
class TaskJudged(RunEvent):
    """A run whose success was unknown was judged. It is judged once."""

    VERSION = 1

    succeeded: bool
    source: str
    """The source of the rating that judged it, as in ``TaskRated``; ``judge`` where a judge model's grade did."""


TaskEnded = TaskSucceeded | TaskFailed | TaskAnswered
"""The events that end a run."""


@fact("TaskRated")
class TaskRated(RunEvent):
    TEXTS = ("comment",)
    WORDS = ("actor", "adapter", "issues")

    stars: int
    """1 to 5."""
    source: str
    """``human`` or ``reviewer``."""
    issues: tuple[str, ...]
    """Names from ``ISSUES``, or content keys of other words."""
    comment: str | None
    """Content key; None without a comment."""
    step: int | None
    """The step that went wrong, where the rating names one. Since version 2."""
    fault: str | None
    """The role that a low rating is attributed to; None for a good rating, and where it is unknown. Since version 2."""


@fact("TaskGraded")
class TaskGraded(RunEvent):
    """A judge model rated an answer. Its grades are a series of their own: no window of ratings has them."""

    VERSION = 1
    TEXTS = ("prompt", "reason")

    stars: int
    """1 to 5."""
    reason: str | None
    """Content key of the judge's reason; None where it gave none."""
    judge: str
    """The judge's model name and its endpoint, with an ``@`` between them."""
    criteria: str
    """The first 12 hex digits of the SHA-256 of the criteria's text. Grades by other criteria are another series."""
    prompt: str
    """Content key of the messages that the judge was asked with, JSON."""


@fact("TaskCorrected")
class TaskCorrected(RunEvent):
    TEXTS = ("correction",)

    source: str
    """``human``, ``reviewer`` (a scripted demonstration), ``retry`` (a success of a later attempt), ``teacher``."""
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
    """The reference of the ``TaskCorrected``, which no later dataset uses."""
    source: str
    """That correction's source."""
    corrected_by: str | None
    """The source of the latest correction that remains; None where none does."""
    reason: str
    """Content key of the reason; empty where none was given."""
