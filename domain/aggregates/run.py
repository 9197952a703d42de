"""A run: one task done once, step by step, then rated and perhaps corrected."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..errors import BadStep, NotEnded, NotPossible
from ..events import (
    Assignment,
    Capability,
    CorrectionWithdrawn,
    PicturesKept,
    Screen,
    SessionImported,
    StepTaken,
    TaskAnswered,
    TaskCorrected,
    TaskFailed,
    TaskGraded,
    TaskJudged,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from ..rules.attribution import role_at_fault
from ..rules.rating import SOURCES, check_stars, rate_implicitly
from ..rules.roles import GOOD_STARS
from ..settings.settings import Policy
from ..vocabulary import CorrectionSource, FailureReason, Finding, StepKind
from .base import Context
from .run_record import RunRecord

LARGEST_SEED = 2**31 - 1
"""The largest seed that every environment's generator takes."""

CORRECTION_SOURCES = tuple(CorrectionSource)


class TaskRun(RunRecord):
    """States: started, then ended (succeeded, failed or answered); judgement, ratings and corrections come after the end."""

    def start(
        self,
        context: Context,
        *,
        others: Sequence[Assignment] = (),
        capabilities: Collection[Capability] = (),
        inputs: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        """Start the run; the fields are those of ``TaskStarted``. Raises ``NotPossible`` when it has started.

        ``capabilities`` are those of the environment, in any order; by default none.
        """
        if self.started is not None:
            raise NotPossible(f"run {self.id.hex} has already started")
        if not 0 <= fields["seed"] <= LARGEST_SEED:
            raise NotPossible(f"{fields['seed']} is not a seed; it takes a whole number from 0 to {LARGEST_SEED}")
        offered = tuple(capability for capability in Capability if capability in capabilities)
        self._record(TaskStarted, context, others=tuple(others), capabilities=offered, inputs=tuple(inputs), **fields)

    def import_session(self, context: Context, **fields: Any) -> None:
        """Record that another program made the run; the fields are those of ``SessionImported``.

        Raises ``NotPossible`` once the run has steps.
        """
        self._require_running()
        if self.steps or self.imported is not None:
            raise NotPossible(f"run {self.id.hex} already has steps; a session is imported before its first step")
        self._record(SessionImported, context, **fields)

    def keep_pictures(self, pictures: Sequence[str], context: Context) -> None:
        """Record the pictures of the next step's prompt, by their content keys, each once."""
        self._require_running()
        self._record(PicturesKept, context, pictures=tuple(pictures))

    def take_step(
        self,
        context: Context,
        *,
        role: str | None = None,
        tools: str | None = None,
        tool_calls: str | None = None,
        kind: StepKind = StepKind.ACT,
        goal: int = 0,
        found: Finding | str = "",
        model: str | None = None,
        screen: Screen | None = None,
        confidence: float | None = None,
        completion: str | None = None,
        **fields: Any,
    ) -> None:
        """Record one step, by the run's own role or the one given; the fields are those of ``StepTaken`` without its
        number."""
        started = self._require_running()
        allowed = [assignment["role"] for assignment in started.assignments]
        if role is not None and role not in allowed:
            raise NotPossible(f"role {role} cannot make a step in run {self.id.hex}; {' and '.join(allowed)} can")
        self._record(
            StepTaken,
            context,
            step=len(self.steps) + 1,
            role=role or started.role,
            tools=tools,
            tool_calls=tool_calls,
            kind=str(kind),
            goal=goal,
            found=str(found),
            model=model,
            screen=screen,
            confidence=confidence,
            completion=completion,
            **fields,
        )

    def succeed(self, duration_ms: int | None, reward: float, policy: Policy, context: Context) -> None:
        """End the run as a success. A duration is None where it is unknown."""
        self._require_running()
        self._record(
            TaskSucceeded,
            context,
            steps=len(self.steps),
            duration_ms=duration_ms,
            reward=reward,
            implicit_stars=rate_implicitly(True, duration_ms, policy),
            **self._belongs(),
        )

    def answer(self, duration_ms: int | None, context: Context) -> None:
        """End the run with unknown success: no rule of its environment judges what was done."""
        self._require_running()
        self._record(TaskAnswered, context, steps=len(self.steps), duration_ms=duration_ms, **self._belongs())

    def judge(self, succeeded: bool, source: str, context: Context) -> None:
        """Record whether an answer was a success. Without effect on a run that has not ended, or whose success is known."""
        if isinstance(self.ended, TaskAnswered) and self.judged is None:
            self._record(TaskJudged, context, succeeded=succeeded, source=source, **self._belongs())

    def fail(
        self,
        reason: str,
        detail: str,
        duration_ms: int | None,
        reward: float,
        policy: Policy,
        context: Context,
        *,
        turn: str | None = None,
        is_stated: bool = False,
        are_all_reached: bool = False,
    ) -> None:
        """End the run as a failure: ``wrong``, ``timeout``, ``error`` or ``environment``.

        ``turn`` is the role whose turn it was when the model or its weights failed. ``is_stated`` says that another
        program, which made the run, states the failure. Where neither this nor the environment judges, the success of the
        run stays unknown. ``are_all_reached`` says that the run had a plan, and reached all its goals.
        """
        is_judged = self._require_running().is_verified or is_stated
        fault = role_at_fault(self.steps, self.roles[0], are_all_reached=are_all_reached)
        if reason == FailureReason.ERROR:
            fault = turn or fault
        self._record(
            TaskFailed,
            context,
            steps=len(self.steps),
            duration_ms=duration_ms,
            reward=reward,
            reason=reason,
            detail=detail,
            fault=None if reason == FailureReason.ENVIRONMENT else fault,
            implicit_stars=rate_implicitly(False, duration_ms, policy) if is_judged else None,
            is_judged=is_judged,
            **self._belongs([fault] if fault else []),
        )

    def rate(
        self,
        stars: Any,
        source: str,
        issues: Sequence[str],
        comment: str | None,
        context: Context,
        *,
        step: int | None = None,
        fault: str | None = None,
    ) -> None:
        """Rate the ended run. The log keeps every rating. In the window's mean, a later rating of the run by the same
        person replaces the earlier one.

        A low rating is attributed to the role of the ``step`` that went wrong, or to the role named as ``fault``.
        Where neither is given, it is attributed to the role that the run is known to have failed by, if any.
        """
        number = check_stars(stars)
        self._require_ended("rated")
        if source not in SOURCES:
            raise NotPossible(f"a rating cannot come from {source!r}; it comes from {' or '.join(SOURCES)}")
        self._record(
            TaskRated,
            context,
            stars=number,
            source=source,
            issues=tuple(issues),
            comment=comment,
            step=step,
            fault=self.attribute(number, step, fault),
            **self._belongs(),
        )

    def require_gradable(self) -> None:
        """Raise ``NotPossible`` unless the run ended as an answer that nothing in its environment judges."""
        self._require_ended("graded")
        if not isinstance(self.ended, TaskAnswered):
            raise NotPossible(
                f"run {self.id.hex[:8]} cannot be graded: its end says whether it succeeded; a judge grades answers whose "
                "success is unknown"
            )

    def grade(
        self, stars: Any, *, reason: str | None, judge: str, criteria: str, prompt: str, context: Context
    ) -> None:
        """Record a judge model's rating of an answer. Idempotent for one judge and its criteria: the first grade stands."""
        number = check_stars(stars)
        self.require_gradable()
        if self.is_graded(judge, criteria):
            return
        fields = {"stars": number, "reason": reason, "judge": judge, "criteria": criteria, "prompt": prompt}
        self._record(TaskGraded, context, **fields, **self._belongs())

    def attribute(self, stars: int, step: int | None, fault: str | None) -> str | None:
        """The role that such a rating is attributed to. Raises ``NotPossible`` for a step or role that this run does
        not have."""
        if stars >= GOOD_STARS:
            if step is not None or fault is not None:
                raise BadStep(
                    f"a rating of {stars} finds no fault; a step or role at fault goes with fewer than {GOOD_STARS} stars"
                )
            return None
        if step is not None:
            self.require_step(step)
            made_by = self.role_of(self.steps[step - 1])
            if fault not in (None, made_by):
                raise NotPossible(f"step {step} of run {self.id.hex[:8]} was made by {made_by}, not by {fault}")
            return made_by
        if fault is not None:
            if fault not in self.roles:
                raise NotPossible(f"role {fault} made no step in run {self.id.hex[:8]}; {' and '.join(self.roles)} did")
            return fault
        if isinstance(self.ended, TaskFailed):
            return self.ended.fault
        return self.roles[0] if len(self.roles) == 1 else None

    def require_step(self, step: int) -> None:
        """Raise ``BadStep`` where the run has no such step."""
        if not 1 <= step <= len(self.steps):
            has = f"its steps are 1 to {len(self.steps)}" if self.steps else "it has none"
            raise BadStep(f"run {self.id.hex[:8]} has no step {step}; {has}")

    def correct(self, source: str, correction: str, steps: int, is_verified: bool, context: Context) -> None:
        """Record a correction. Idempotent, unless the same correction was withdrawn in between."""
        self._require_ended("corrected")
        if source not in CORRECTION_SOURCES:
            raise NotPossible(
                f"a correction cannot come from {source!r}; it comes from {', '.join(CORRECTION_SOURCES)}"
            )
        if any(known.correction == correction for known in self.corrections):
            return
        self._record(
            TaskCorrected,
            context,
            source=source,
            correction=correction,
            steps=steps,
            is_verified=is_verified,
            **self._belongs(),
        )

    def withdraw_correction(self, reason: str, context: Context) -> None:
        """Withdraw the latest correction: no later dataset uses it. Raises ``NotPossible`` without one."""
        if not self.corrections:
            raise NotPossible(f"run {self.id.hex[:8]} has no correction to withdraw")
        *others, latest = self.corrections
        self._record(
            CorrectionWithdrawn,
            context,
            correction=latest.reference,
            source=latest.source,
            corrected_by=others[-1].source if others else None,
            reason=reason,
            **self._belongs(),
        )

    def _require_running(self) -> TaskStarted:
        if self.started is None or self.ended is not None:
            raise NotPossible(f"run {self.id.hex} is not running")
        return self.started

    def _require_ended(self, what: str) -> None:
        if self.ended is None:
            raise NotEnded(f"run {self.id.hex} has not ended; it can be {what} after that", [self.id.hex])
