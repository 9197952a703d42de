"""What is known of a run: how it began, its steps, its end, and what was said of it since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ..events import (
    CorrectionWithdrawn,
    Event,
    PicturesKept,
    SessionImported,
    StepTaken,
    TaskAnswered,
    TaskCorrected,
    TaskEnded,
    TaskFailed,
    TaskGraded,
    TaskJudged,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from ..vocabulary import FailureReason, StepKind
from .base import Aggregate


class RunRecord(Aggregate):
    """The state of a run, as its events leave it. ``TaskRun`` decides these events."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.started: TaskStarted | None = None
        self.imported: SessionImported | None = None
        """Set where another program made the run."""
        self.steps: list[StepTaken] = []
        self.pictures: list[str] = []  # content keys of pictures and sounds, each once
        self.ended: TaskEnded | None = None
        self.judged: TaskJudged | None = None
        """The judgement of an answer whose success was unknown."""
        self.ratings: list[TaskRated] = []
        self.grades: list[TaskGraded] = []
        """The ratings of judge models."""
        self.corrections: list[TaskCorrected] = []
        """Without the withdrawn ones."""

    def role_of(self, step: StepTaken) -> str:
        """The role that made the step."""
        assert self.started is not None
        return step.role or self.started.role

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that made a step so far, the run's own first."""
        assert self.started is not None
        own = self.started.role
        fault = self.ended.fault if isinstance(self.ended, TaskFailed) else None
        others = {self.role_of(step) for step in self.steps} | ({fault} if fault else set())
        return (own, *sorted(others - {own}))

    @property
    def acts(self) -> list[StepTaken]:
        """The steps that acted in the environment: its actions, or its answers."""
        return [step for step in self.steps if step.kind == StepKind.ACT]

    @property
    def succeeded(self) -> bool | None:
        """Whether the run succeeded; None where that is unknown, and before its end."""
        if self.judged is not None:
            return self.judged.succeeded
        return isinstance(self.ended, TaskSucceeded) if self.ended is not None and self.ended.is_known else None

    @property
    def failure(self) -> FailureReason | None:
        """The reason of the failure; None where the run did not fail, or that is unknown."""
        if isinstance(self.ended, TaskFailed):
            return FailureReason(self.ended.reason)
        return FailureReason.WRONG if self.succeeded is False else None

    @property
    def has_tools(self) -> bool:
        """Whether functions were offered or called in a step."""
        return any(step.tools or step.tool_calls for step in self.steps)

    @property
    def tokens(self) -> tuple[int, int] | None:
        """Tokens of all prompts and of all answers; None where a step's are unknown, and without a step."""
        counts = [(step.prompt_tokens, step.completion_tokens) for step in self.steps]
        known = [(prompt, answer) for prompt, answer in counts if prompt is not None and answer is not None]
        if not counts or len(known) < len(counts):
            return None
        return sum(prompt for prompt, _ in known), sum(answer for _, answer in known)

    def _belongs(self, roles: Sequence[str] = ()) -> dict[str, Any]:
        """The fields of ``RunEvent``; ``roles`` are added to the roles that made a step."""
        assert self.started is not None
        start, had_turn = self.started, {*self.roles, *roles}
        others = tuple(assignment for assignment in start.others if assignment["role"] in had_turn)
        own = {"role": start.role, "arm": start.arm, "adapter": start.adapter, "rollout": start.rollout}
        return {**own, "others": others, "session": start.session}

    def is_graded(self, judge: str, criteria: str) -> bool:
        """Whether this judge has graded the run by these criteria."""
        return any((grade.judge, grade.criteria) == (judge, criteria) for grade in self.grades)

    def _apply(self, event: Event) -> None:
        match event:
            case TaskStarted():
                self.started, self.pictures = event, list(dict.fromkeys(event.inputs))
            case SessionImported():
                self.imported = event
            case StepTaken():
                self.steps.append(event)
            case PicturesKept():
                self.pictures += [key for key in event.pictures if key not in self.pictures]
            case TaskSucceeded() | TaskFailed() | TaskAnswered():
                self.ended = event
            case TaskJudged():
                self.judged = event
            case TaskRated():
                self.ratings.append(event)
            case TaskGraded():
                self.grades.append(event)
            case TaskCorrected():
                self.corrections.append(event)
            case CorrectionWithdrawn():
                self.corrections = [
                    correction for correction in self.corrections if correction.reference != event.correction
                ]
