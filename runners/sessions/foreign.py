"""Recording a run that another program made: whole, from its start to its rating.

Imported sessions and runs of programs that use the Python API are both recorded here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...domain.aggregates.run import TaskRun
from ...domain.events import Capability
from ...domain.page.prompt import unmarked
from ...domain.rules.rating import ISSUES
from ...domain.vocabulary import FailureReason
from .made import USUAL, Made

if TYPE_CHECKING:
    from ...domain.aggregates.base import Context
    from ...domain.page.messages import Message
    from ...domain.page.tools import Tool, ToolCall
    from ...domain.settings.settings import Policy
    from ..store.ledger import Ledger


@dataclass(frozen=True)
class ForeignStep:
    """One step: the whole prompt and the answer. Durations and counts are None where they are unknown."""

    prompt: Sequence[Message]
    answer: str
    error: str = ""
    duration_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tools: Sequence[Tool] = ()
    tool_calls: Sequence[ToolCall] = ()
    made: Made = USUAL


@dataclass(frozen=True)
class ForeignRating:
    """A person's rating."""

    stars: int
    comment: str | None
    issues: Sequence[str]
    rater: str
    """The person's name, or its content key."""
    step: int | None = None
    """The step that went wrong, from 1."""


@dataclass(frozen=True)
class ForeignRun:
    """One run of another program, with all texts in words."""

    origin: Mapping[str, Any]
    """The fields of ``TaskStarted`` that say what made the run: role, arm, adapter, session, environment, base, policy."""
    task: str
    steps: Sequence[ForeignStep]
    succeeded: bool | None
    """None where the other program does not say it."""
    is_stated: bool
    """Whether the other program states the failure, or it is only concluded from what was said of the run."""
    reason: FailureReason
    """Of a failure."""
    detail: str
    """Of a failure; empty without one."""
    duration_ms: int | None
    rating: ForeignRating | None
    logged: Mapping[str, Any] | None = None
    """The fields of ``SessionImported``, the session as JSON; None where the run is no logged session."""


def record_foreign_run(ledger: Ledger, run: TaskRun, foreign: ForeignRun, policy: Policy, actor: str) -> None:
    """Record in the new run all that the other program says of it; nothing is stored yet.

    ``actor`` is a name or its content key. Raises ``BadText``, and ``NotPossible`` for a rating that does not fit the run.
    """
    task = ledger.put(foreign.task, "the task")
    run.start(
        ledger.context(actor), rollout=None, seed=0, capabilities=(Capability.QUESTION,), task=task, **foreign.origin
    )
    if foreign.logged is not None:
        session = ledger.put(foreign.logged["session"], "the session")
        run.import_session(_after(ledger, run, actor), **{**foreign.logged, "session": session})
    offered: dict[str, str] = {}
    for step in foreign.steps:
        tools = json.dumps(step.tools, ensure_ascii=False)
        calls = json.dumps(step.tool_calls, ensure_ascii=False)
        if step.tools and tools not in offered:
            offered[tools] = ledger.put(tools, "the tools")
        run.take_step(
            _after(ledger, run, actor),
            prompt=ledger.put(json.dumps(unmarked(step.prompt), ensure_ascii=False), "the prompt"),
            answer=ledger.put(step.answer, "the answer"),
            error=ledger.put(step.error, "the error") if step.error else "",
            model_ms=step.duration_ms,
            environment_ms=0,
            prompt_tokens=step.prompt_tokens,
            completion_tokens=step.completion_tokens,
            tools=offered.get(tools),
            tool_calls=ledger.put(calls, "the calls") if step.tool_calls else None,
            **vars(step.made),
        )
    after = _after(ledger, run, actor)
    if foreign.succeeded is None:
        run.answer(foreign.duration_ms, after)
    elif foreign.succeeded:
        run.succeed(foreign.duration_ms, 1.0, policy, after)
    else:
        detail = ledger.put(foreign.detail, "the detail") if foreign.detail else ""
        run.fail(foreign.reason, detail, foreign.duration_ms, 0.0, policy, after, is_stated=foreign.is_stated)
    if foreign.rating is not None:
        rate_foreign_run(ledger, run, foreign.rating)


def rate_foreign_run(ledger: Ledger, run: TaskRun, rating: ForeignRating) -> None:
    """Record the rating in the ended run; nothing is stored yet. Raises as ``record_foreign_run`` does."""
    issues = [issue if issue in ISSUES else ledger.put(issue, "the issue") for issue in rating.issues]
    comment = ledger.put(rating.comment, "the comment") if rating.comment else None
    run.rate(rating.stars, "human", issues, comment, _after(ledger, run, rating.rater), step=rating.step)


def _after(ledger: Ledger, run: TaskRun, actor: str) -> Context:
    """The context of the run's next event, which the one before it causes."""
    return ledger.context(actor, f"{run.id}/{run.version}")
