"""Recording sessions of other programs as runs, each once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...domain.rules.imported import IMPORTED
from ...domain.settings.settings import Policy
from ...domain.vocabulary import Arm, FailureReason
from ..environments.names import CHAT
from .foreign import ForeignRating, ForeignRun, ForeignStep, record_foreign_run
from .imports import Session
from .steps import prompts_of

if TYPE_CHECKING:
    from ..store.ledger import Ledger

SAYS_FAILED = "the session says that it failed"


@dataclass
class ImportedSessions:
    """The result of an import of sessions."""

    new: int = 0
    there: int = 0
    """Sessions that were in the log already, or occurred twice."""
    others: list[str] = field(default_factory=list)
    """Places of sessions with the id of another session but a different task: they are left out."""
    newly_rated: list[UUID] = field(default_factory=list)
    """Existing runs whose session now has a rating that the log lacks."""
    unrated_comments: int = 0
    unknown: list[str] = field(default_factory=list)
    """The keys that this program does not read, each once."""


def record_sessions(ledger: Ledger, sessions: Sequence[Session], role: str, actor: str) -> ImportedSessions:
    """Record each new session as a run of the role, one after another, each completely or not at all."""
    recorded = ImportedSessions()
    before = [_find(ledger, session) for session in sessions]
    for session, existing in zip(sessions, before, strict=True):
        run = existing or ledger.get(TaskRun, session.id)
        if run.started is None and record_session(ledger, session, role, actor):
            recorded.new += 1
            recorded.unrated_comments += session.comment is not None and session.stars is None
            recorded.unknown += [key for key in session.unknown if key not in recorded.unknown]
        elif _is_another(ledger, ledger.get(TaskRun, run.id), session):
            recorded.others.append(session.where)
        else:
            recorded.there += 1
            stars = {rating.stars for rating in ledger.get(TaskRun, run.id).ratings}
            if session.stars is not None and session.stars not in stars:
                recorded.newly_rated.append(run.id)
    return recorded


def record_session(ledger: Ledger, session: Session, role: str, actor: str) -> bool:
    """Record the session as a run of the role; False when it was recorded before.

    The run is pinned: it is no traffic of this log, so it counts for no adapter of this program and for no canary. Its
    feedback can be read and learnt from as of any other run.
    """
    is_new = False

    def record(run: TaskRun) -> None:
        nonlocal is_new
        is_new = run.started is None
        if is_new:  # else another process was first
            record_foreign_run(ledger, run, _run_of(ledger, session, role, actor), Policy(), actor)

    if ledger.get(TaskRun, session.id).started is None:
        ledger.write(TaskRun, session.id, record)
    return is_new


def _run_of(ledger: Ledger, session: Session, role: str, actor: str) -> ForeignRun:
    version = session.lora_version and ledger.name_key(session.lora_version, "lora_version")
    began, ended, *step_times = (
        None if moment is None else moment.isoformat()
        for moment in (session.began, session.ended, *(act.began for act in session.acts))
    )
    logged = {
        "session": json.dumps(session.row, ensure_ascii=False),
        "started": began,
        "ended": ended,
        "step_times": tuple(step_times),
        "success": session.success,
    }
    prompts = prompts_of(session.task, session.acts)
    return ForeignRun(
        origin={
            "role": role, "arm": Arm.PINNED, "adapter": ":".join(filter(None, [IMPORTED, version])), "session": None,
            "environment": CHAT, "base": IMPORTED,
            "policy": {IMPORTED: {"lora_version": version, "iterations": session.iterations}},
        },
        task=session.task,
        steps=[
            ForeignStep(
                prompt, act.answer, duration_ms=act.duration_ms, tools=act.tools, tool_calls=act.tool_calls, made=act.made
            )
            for prompt, act in zip(prompts, session.acts, strict=True)
        ],
        succeeded=session.succeeded,
        is_stated=session.success is not None,
        reason=FailureReason.WRONG,
        detail="; ".join(session.issues) or SAYS_FAILED,
        duration_ms=session.duration_ms,
        rating=None if session.stars is None else ForeignRating(session.stars, session.comment, session.issues, actor),
        logged=logged,
    )  # fmt: skip


def _find(ledger: Ledger, session: Session) -> TaskRun | None:
    """The session's run in the log, under its current id, an earlier one, or the id of an exported run; None without one."""
    ids = [session.id, *session.earlier_ids]
    with suppress(ValueError):  # the other program has its own form of ids
        ids += [] if session.own_id is None else [UUID(session.own_id)]
    for id in ids:
        run = ledger.get(TaskRun, id)
        if run.started is not None:
            return run
    return None


def _is_another(ledger: Ledger, run: TaskRun, session: Session) -> bool:
    """Whether the run's task differs. A run whose text was erased may be the same."""
    assert run.started is not None
    asked = ledger.get_content(run.started.task) if run.started.is_in_words else None
    return asked is not None and asked.strip() != session.task
