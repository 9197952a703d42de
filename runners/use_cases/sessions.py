"""Sessions: importing those of another program, conversations turn by turn, and ratings of whole sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from ...domain.errors import Hint, NotEnded, NotFound, NotPossible
from ...domain.rules.rating import check_stars
from ...domain.vocabulary import FailureReason
from ..agent.preface import earlier_turns, runs_of_session
from ..environments.names import CHAT
from ..explain.explanation import Explanation, explain
from ..feedback.ratings import record_rating
from ..improvement.process_manager import process_new_events
from ..sessions.runs import ImportedSessions, record_sessions
from ..store.states import load_state
from . import corrections, ratings, runs
from .lookups import require_role

if TYPE_CHECKING:
    from datetime import datetime

    from ...domain.aggregates.run import TaskRun
    from ...projections.state.state import State
    from ..sessions.imports import Session
    from ..store.ledger import Ledger
    from ..wiring.services import Services


@dataclass(frozen=True)
class SessionImport:
    """The result of an import."""

    role: str
    sessions: ImportedSessions
    are_counted: bool
    """Whether their ratings count for the base (setting sessions.count)."""


def import_sessions(ledger: Ledger, sessions: Sequence[Session], *, role: str, actor: str) -> SessionImport:
    """Record each session as a run of the role, with its rating and comment; the same session once."""
    recorded = record_sessions(ledger, sessions, require_role(role), actor)
    state = process_new_events(ledger)
    return SessionImport(role, recorded, state.policy.sessions(role).count)


@dataclass(frozen=True)
class SessionRating:
    """What the rating of a whole session came to."""

    session: str
    stars: int
    rated: tuple[UUID, ...]
    """The turns that it rated, oldest first."""
    skipped: int
    """Turns that this person has rated already; those ratings stand."""


def rate_session(
    ledger: Ledger,
    session: str,
    stars: Any,
    *,
    actor: str,
    cause: str | None = None,
    until: datetime | None = None,
    runs: Sequence[TaskRun] | None = None,
    known: State | None = None,
) -> SessionRating:
    """Rate each ended run of the session that the person has not rated; with ``until``, those that had ended by then.

    A run that was interrupted, or whose environment was lost, has no outcome to rate. ``cause`` is the reference of the
    event that the ratings follow from. ``runs`` are those of ``runs_to_rate``, ``known`` is a state that follows the log,
    where the caller has them. Raises ``BadRating``, and as ``runs_to_rate`` does.
    """
    number = check_stars(stars)
    ended = [
        run
        for run in (runs_to_rate(ledger, session) if runs is None else runs)
        if until is None or _end_of(run) <= until
    ]
    wanted = [
        run for run in ended if not any(actor in (rating.actor, ledger.say(rating.actor)) for rating in run.ratings)
    ]
    for run in wanted:
        record_rating(ledger, run, number, [], None, actor, cause=cause)
    process_new_events(ledger, known)
    return SessionRating(session, number, tuple(run.id for run in wanted), len(ended) - len(wanted))


def runs_to_rate(ledger: Ledger, session: str) -> list[TaskRun]:
    """The ended runs of the session, oldest first. Raises ``NotFound`` where there is none, and ``NotEnded`` where its
    first run has not ended yet."""
    found = list(runs_of_session(ledger, session))[::-1]
    ended = [run for run in found if run.ended and run.failure is not FailureReason.ENVIRONMENT]
    if not ended and (open := [run.id.hex for run in found if run.ended is None]):
        raise NotEnded(f"session {session!r} has no ended run yet; it can be rated after that", open)
    if not ended:
        raise NotFound(f"session {session!r} has no ended run", hint=Hint.SEE_RUNS)
    return ended


def _end_of(run: TaskRun) -> datetime:
    assert run.ended is not None
    return run.ended.time


class Conversation:
    """Questions of one session, each an ordinary run, and feedback on the last answer.

    ``services`` keep the model loaded. Each method raises what its use case raises.
    """

    def __init__(
        self,
        ledger: Ledger,
        services: Services,
        *,
        actor: str,
        session: str | None = None,
        role: str = "action",
        adapter: str | None = None,
    ) -> None:
        self.ledger = ledger
        self.services = services
        self.actor = actor
        self.session = session or f"chat-{uuid4().hex[:8]}"
        self.last: runs.RunOutcome | None = None
        """The last turn that ended here."""
        self._request = runs.TaskRequest("", CHAT, role=require_role(role), session=self.session)
        self.pin(adapter)

    @property
    def remembered(self) -> int:
        """The number of earlier turns that the next question is asked with."""
        memory = load_state(self.ledger).policy.run(self._request.role).memory
        return len(earlier_turns(self.ledger, self.session, self._request.role, CHAT, memory)) // 2

    @property
    def pinned(self) -> str | None:
        """The adapter that answers, or ``base``; None where the traffic decides."""
        return self._request.adapter

    def pin(self, adapter: str | None) -> None:
        """Let this adapter, or ``base``, answer the next turns; None lets the traffic decide. Raises ``UnknownAdapter``."""
        request = replace(self._request, adapter=adapter)
        runs.check_request(self.ledger, request)
        self._request = request

    def ask(
        self, question: str, progress: runs.TaskProgress = runs.SILENT, inputs: Sequence[str] = ()
    ) -> runs.RunOutcome:
        """Ask the question with these pictures and sounds (``data:`` URLs), and return the outcome of its run.

        An interruption ends that run alone.
        """
        request = replace(self._request, task=question, inputs=tuple(inputs))
        self.last = None
        self.last = runs.run_task(self.ledger, self.services, request, actor=self.actor, progress=progress).outcome
        return self.last

    def rate(self, stars: Any) -> ratings.Rating:
        """Rate the last answer."""
        return ratings.rate(self.ledger, self._turn().run, stars, actor=self.actor)

    def correct(self, answer: str) -> corrections.Correction:
        """Record the right answer to the last question."""
        way = corrections.Answer(answer)
        return corrections.correct(self.ledger, self._turn().run, way, actor=self.actor, services=self.services)

    def explain(self) -> Explanation:
        """Why the last answer came from its adapter."""
        return explain(self.ledger, load_state(self.ledger), self._turn().run.hex)

    def _turn(self) -> runs.RunOutcome:
        if self.last is None:
            raise NotPossible("there is no answer yet; ask a question first")
        return self.last
