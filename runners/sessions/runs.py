"""Recording sessions of other programs as runs, each once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.aggregates.run import ISSUES, TaskRun
from ...domain.events import Capability
from ...domain.rules.imported import IMPORTED
from ...domain.settings.settings import Policy
from ...domain.vocabulary import FailureReason
from ..environments.names import CHAT
from .imports import Session
from .steps import prompts_of

if TYPE_CHECKING:
    from ..store.ledger import Ledger

SAYS_FAILED = "the session says that it failed"


@dataclass
class Recorded:
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


def record_sessions(ledger: Ledger, sessions: Sequence[Session], role: str, actor: str) -> Recorded:
    """Record each new session as a run of the role, one after another, each completely or not at all."""
    recorded = Recorded()
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
    if ledger.get(TaskRun, session.id).started is not None:
        return False
    messages = list(prompts_of(session.task, session.acts))
    logged = json.dumps(session.row, ensure_ascii=False)
    texts = [
        session.task,
        logged,
        *(json.dumps(prompt, ensure_ascii=False) for prompt in messages),
        *(act.answer for act in session.acts),
    ]
    task, logged, *keys = (ledger.put(text) for text in [*texts, *([session.comment] if session.comment else [])])
    issues = [issue if issue in ISSUES else ledger.put(issue) for issue in session.issues]
    detail = ledger.put("; ".join(session.issues) or SAYS_FAILED)
    prompts, answers, comment = (
        keys[: len(messages)],
        keys[len(messages) : 2 * len(messages)],
        keys[2 * len(messages) :],
    )

    is_new = False

    def record(run: TaskRun) -> None:
        nonlocal is_new
        is_new = run.started is None
        if is_new:  # else another process was first
            _start(ledger, run, session, task, logged, role, actor)
            for act, prompt, answer in zip(session.acts, prompts, answers, strict=True):
                run.take_step(
                    _after(ledger, run, actor), prompt=prompt, answer=answer, error="", model_ms=act.duration_ms,
                    environment_ms=0, prompt_tokens=None, completion_tokens=None,
                )  # fmt: skip
            _end(run, session, detail, _after(ledger, run, actor))
            if session.stars is not None:
                key = comment[0] if comment else None
                run.rate(session.stars, "human", issues, key, _after(ledger, run, actor))

    ledger.write(TaskRun, session.id, record)
    return is_new


def _start(ledger: Ledger, run: TaskRun, session: Session, task: str, logged: str, role: str, actor: str) -> None:
    version = session.lora_version and ledger.name_key(session.lora_version, "lora_version")
    details = {"lora_version": version, "iterations": session.iterations}
    run.start(
        ledger.context(actor), role=role, arm="pinned", rollout=None, session=None, seed=0, environment=CHAT,
        capabilities=(Capability.QUESTION,), task=task, base=IMPORTED,
        adapter=":".join(filter(None, [IMPORTED, version])), policy={IMPORTED: details},
    )  # fmt: skip
    began, ended = (None if moment is None else moment.isoformat() for moment in (session.began, session.ended))
    times = tuple(None if act.began is None else act.began.isoformat() for act in session.acts)
    run.import_session(
        _after(ledger, run, actor),
        session=logged,
        started=began,
        ended=ended,
        step_times=times,
        success=session.success,
    )


def _end(run: TaskRun, session: Session, detail: str, context: Any) -> None:
    if session.succeeded:
        run.succeed(session.duration_ms, 1.0, Policy(), context)
    else:
        run.fail(FailureReason.WRONG, detail, session.duration_ms, 0.0, Policy(), context)


def _after(ledger: Ledger, run: TaskRun, actor: str) -> Any:
    return ledger.context(actor, f"{run.id}/{run.version}")


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
    asked = ledger.get_content(run.started.task) if run.started.is_question else None
    return asked is not None and asked != session.task
