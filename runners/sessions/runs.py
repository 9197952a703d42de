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
    """What became of the sessions that were given."""

    new: int = 0
    there: int = 0
    """Sessions that are in the log already, or were given twice."""
    others: list[str] = field(default_factory=list)
    """Where those stand that have the id of another session, with another task: they are left out."""
    newly_rated: list[UUID] = field(default_factory=list)
    """The runs that are there and whose session now has a rating that the log has not."""
    unrated_comments: int = 0
    unknown: list[str] = field(default_factory=list)
    """The keys that nothing reads, each once."""


def record_sessions(ledger: Ledger, sessions: Sequence[Session], role: str, actor: str) -> Recorded:
    """Record each session that is not there yet as a run of the role, one after the other, each whole or not at all."""
    done = Recorded()
    before = [_find(ledger, session) for session in sessions]
    for session, known in zip(sessions, before, strict=True):
        run = known or ledger.get(TaskRun, session.id)
        if run.started is None and record_session(ledger, session, role, actor):
            done.new += 1
            done.unrated_comments += session.comment is not None and session.stars is None
            done.unknown += [key for key in session.unknown if key not in done.unknown]
        elif _is_another(ledger, ledger.get(TaskRun, run.id), session):
            done.others.append(session.where)
        else:
            done.there += 1
            given = {rating.stars for rating in ledger.get(TaskRun, run.id).ratings}
            if session.stars is not None and session.stars not in given:
                done.newly_rated.append(run.id)
    return done


def record_session(ledger: Ledger, session: Session, role: str, actor: str) -> bool:
    """Record the session as a run of the role; False when it was recorded before.

    The run is pinned: it is no traffic of this log, so it counts for no adapter of this program and for no canary, but what was
    said of it is there to be read and learnt from as of any other run.
    """
    if ledger.get(TaskRun, session.id).started is not None:
        return False
    asked = list(prompts_of(session.task, session.acts))
    logged = json.dumps(session.row, ensure_ascii=False)
    words = [
        session.task,
        logged,
        *(json.dumps(it, ensure_ascii=False) for it in asked),
        *(act.answer for act in session.acts),
    ]
    task, logged, *keys = (ledger.put(it) for it in [*words, *([session.comment] if session.comment else [])])
    issues = [issue if issue in ISSUES else ledger.put(issue) for issue in session.issues]
    detail = ledger.put("; ".join(session.issues) or SAYS_FAILED)
    prompts, answers, comment = keys[: len(asked)], keys[len(asked) : 2 * len(asked)], keys[2 * len(asked) :]

    is_new = False

    def tell(run: TaskRun) -> None:
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
                said = comment[0] if comment else None
                run.rate(session.stars, "human", issues, said, _after(ledger, run, actor))

    ledger.write(TaskRun, session.id, tell)
    return is_new


def _start(ledger: Ledger, run: TaskRun, session: Session, task: str, logged: str, role: str, actor: str) -> None:
    version = session.lora_version and ledger.name_key(session.lora_version, "lora_version")
    told = {"lora_version": version, "iterations": session.iterations}
    run.start(
        ledger.context(actor), role=role, arm="pinned", rollout=None, session=None, seed=0, environment=CHAT,
        capabilities=(Capability.QUESTION,), task=task, base=IMPORTED,
        adapter=":".join(filter(None, [IMPORTED, version])), policy={IMPORTED: told},
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
    """The run that the session is in the log, under today's id, an earlier one, or the id of a run that was exported."""
    ids = [session.id, *session.earlier_ids]
    with suppress(ValueError):  # where the other program names its sessions in its own way
        ids += [] if session.own_id is None else [UUID(session.own_id)]
    for id in ids:
        run = ledger.get(TaskRun, id)
        if run.started is not None:
            return run
    return None


def _is_another(ledger: Ledger, run: TaskRun, session: Session) -> bool:
    """Whether the run was asked for something else. One whose words were erased may be the same."""
    assert run.started is not None
    asked = ledger.get_content(run.started.task) if run.started.is_question else None
    return asked is not None and asked != session.task
