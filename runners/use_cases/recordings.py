"""Recording runs of another program: steps, outcome and feedback, many runs at a time.

The program names its own environment, and the adapter that made the run if it knows it. Where that adapter, or the
base, is live in the role, the run counts as the role's traffic: its rating is in the window for breaches. It counts for
no arm of a canary, because this log did not assign it. A run of another adapter is pinned, as if with ``--adapter``. A
run of an unknown model is like an imported session: it counts for the base where ``sessions.count`` allows it, and for
nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError

from ...domain.aggregates.base import derive_id
from ...domain.aggregates.run import TaskRun, check_stars
from ...domain.errors import Hint, LogError, NotPossible, UnknownAdapter
from ...domain.events import Capability
from ...domain.rules.imported import IMPORTED, RECORDED, UNKNOWN, Unknown
from ...domain.vocabulary import Arm, FailureReason
from ..agent.runner import without_words
from ..feedback.ratings import keep_issues
from ..improvement.process_manager import process_new_events
from ..store.ledger import RACES
from ..wiring.environments import environment_names
from ..wiring.services import unknown_adapter
from .decisions import position_of_newest
from .lookups import require_person, require_role

if TYPE_CHECKING:
    from ...domain.aggregates.base import Context
    from ...domain.page.messages import Message
    from ...projections.state.state import State
    from ..store.ledger import Ledger

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
REASONS = tuple(FailureReason)


@dataclass(frozen=True)
class ProgramStep:
    """One step: the prompt and the answer of a model."""

    prompt: str | Sequence[Message]
    """The prompt: a text, or a conversation as messages with ``role`` and ``content``."""
    answer: str
    error: str = ""
    """Why the answer could not be carried out; empty where it could."""
    duration_ms: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class ProgramRun:
    """One run of another program, from its start to its rating."""

    environment: str
    """The program's name for its environment, such as ``support``."""
    task: str
    """The task in words."""
    steps: Sequence[ProgramStep] = ()
    succeeded: bool = True
    reason: str = "wrong"
    """Reason of a failure: ``wrong``, ``timeout``, ``error`` (of the model) or ``environment`` (of the rest of the program)."""
    detail: str = ""
    """More about a failure, in words."""
    role: str = "action"
    adapter: str | Unknown | None = UNKNOWN
    """The adapter that made the run; None for the base, ``UNKNOWN`` where it is not known."""
    session: str | None = None
    duration_ms: int = 0
    stars: int | None = None
    """The rating, 1 to 5; None for an unrated run."""
    comment: str | None = None
    issues: Sequence[str] = ()
    fault_step: int | None = None
    """The step that went wrong, from 1."""
    rated_by: str | None = None
    """The rater; None for the actor who records."""
    id: str | None = None
    """The program's own id of the run. A run with an id is recorded only once."""


@dataclass(frozen=True)
class RecordedRun:
    """A recorded run."""

    run: UUID
    position: int
    """Log position of its newest event."""
    is_new: bool
    """False where a run with this id existed, and nothing was recorded."""


class RunRecorder:
    """Records runs on one log. It keeps the latest state, so that a batch does not read it again."""

    def __init__(self, ledger: Ledger, actor: str) -> None:
        self._ledger = ledger
        self._actor = actor
        self._state: State | None = None

    def record(self, runs: Sequence[ProgramRun]) -> list[RecordedRun]:
        """Record the runs in one transaction, all or none; return the recorded runs in order.

        Raises ``NotPossible``, ``BadRating``, ``BadText``, ``NotFound`` and ``UnknownAdapter`` for a run that cannot be
        recorded, and ``LogError``.
        """
        self._state = process_new_events(self._ledger, self._state)
        for attempt in range(RACES):
            with self._ledger.turn(attempt):
                made = self._make(runs, self._state)
                new = {run.id: run for run, is_new in made if is_new}
                try:
                    self._ledger.store(*new.values())
                except IntegrityError:
                    continue  # another process has recorded one of them meanwhile
            self._state = process_new_events(self._ledger, self._state)
            return [RecordedRun(run.id, position_of_newest(self._ledger, run), is_new) for run, is_new in made]
        raise LogError(f"{self._ledger.path} is being written by too many processes at once; try again")

    def _make(self, runs: Sequence[ProgramRun], state: State) -> list[tuple[TaskRun, bool]]:
        """Each run, and whether it is new; a run that occurs twice is made once."""
        for name in {run.environment for run in runs}:  # once each, because plug-ins are searched on the disk
            _check_environment(name)
        made: dict[UUID, TaskRun] = {}
        found, actor = [], self._ledger.name_key(self._actor)  # looked up once for the batch
        raters = {run.rated_by: self._ledger.name_key(require_person(run.rated_by)) for run in runs if run.rated_by}
        for program_run in runs:
            id = uuid4() if program_run.id is None else derive_id("recorded", program_run.environment, program_run.id)
            run = made[id] if id in made else TaskRun(id) if program_run.id is None else self._ledger.get(TaskRun, id)
            is_new = run.started is None
            if is_new:
                _record_run(self._ledger, run, program_run, state, actor, raters.get(program_run.rated_by or "", actor))
            made[id] = run
            found.append((run, is_new))
        return found


def _record_run(ledger: Ledger, run: TaskRun, recorded: ProgramRun, state: State, actor: str, rater: str) -> None:
    """Record everything that the program says about the run."""
    arm, adapter = _place(state, require_role(recorded.role), recorded.adapter)
    run.start(
        ledger.context(actor), role=recorded.role, arm=arm, adapter=adapter, rollout=None, session=recorded.session, seed=0,
        environment=recorded.environment,
        capabilities=(Capability.QUESTION,), task=ledger.put(recorded.task, "the task"), base=RECORDED,
        policy={RECORDED: True},
    )  # fmt: skip
    for step in recorded.steps:
        run.take_step(
            _after(ledger, run, actor),
            prompt=ledger.put(json.dumps(_messages(step.prompt), ensure_ascii=False), "the prompt"),
            answer=ledger.put(step.answer, "the answer"),
            error=without_words(step.error),
            model_ms=step.duration_ms,
            environment_ms=0,
            prompt_tokens=step.prompt_tokens,
            completion_tokens=step.completion_tokens,
        )
    if recorded.succeeded:
        run.succeed(recorded.duration_ms, 1.0, state.policy, _after(ledger, run, actor))
    elif recorded.reason in REASONS:
        detail = ledger.put(recorded.detail, "the detail") if recorded.detail else ""
        run.fail(
            FailureReason(recorded.reason), detail, recorded.duration_ms, 0.0, state.policy, _after(ledger, run, actor)
        )
    else:
        raise NotPossible(f"a run cannot fail for {recorded.reason!r}; it fails for {', '.join(REASONS)}")
    if recorded.stars is not None:
        comment = ledger.put(recorded.comment, "the comment") if recorded.comment else None
        context = _after(ledger, run, rater)
        run.rate(
            check_stars(recorded.stars),
            "human",
            keep_issues(ledger, recorded.issues),
            comment,
            context,
            step=recorded.fault_step,
        )


def _place(state: State, role: str, adapter: str | None) -> tuple[Arm, str | None]:
    """The arm and the adapter of a run that this adapter made."""
    if adapter == UNKNOWN:
        return Arm.PINNED, IMPORTED
    known = state.registry.adapters
    if adapter is not None and adapter not in known:
        raise UnknownAdapter(unknown_adapter(adapter, known), hint=Hint.SEE_ADAPTERS)
    return (Arm.STABLE if state.traffic(role).stable == adapter else Arm.PINNED), adapter


def _check_environment(name: str) -> None:
    """Raise ``NotPossible`` unless the name is a plain word, because the log keeps it, and not in use."""
    if name in environment_names():
        raise NotPossible(
            f"{name} is one of Grokputer's own environments; give the program's own name for its environment"
        )
    if not NAME.fullmatch(name):
        raise NotPossible(
            f"{name!r} is not a name of an environment; it takes up to 64 letters, digits, '.', '_' or '-'"
        )


def _messages(prompt: str | Sequence[Message]) -> list[dict[str, str]]:
    """The prompt as a conversation. Raises ``NotPossible`` for any other form."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    rows = [dict(message) for message in prompt if isinstance(message, Mapping)]
    if len(rows) < len(prompt) or not all(isinstance(row.get(key), str) for row in rows for key in ("role", "content")):
        raise NotPossible("a prompt is a text, or a list of messages that each have a role and a text as content")
    return [{"role": str(row["role"]), "content": str(row["content"])} for row in rows]


def _after(ledger: Ledger, run: TaskRun, actor: str) -> Context:
    return ledger.context(actor, f"{run.id}/{run.version}")
