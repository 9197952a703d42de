"""Recording runs of another program: steps, outcome and feedback, many runs at a time.

The program names its own environment, and the adapter that made the run if it knows it. Where that adapter, or the
base, is live in the role, the run counts as the role's traffic: its rating is in the window for breaches. It counts for
no arm of a canary, because this log did not assign it. A run of another adapter is pinned, as if with ``--adapter``. A
run of an unknown model is like an imported session: it counts for the base where ``sessions.count`` allows it, and for
nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID, uuid4

from ....domain.aggregates.base import derive_id
from ....domain.aggregates.run import TaskRun
from ....domain.errors import GrokputerError, Hint, LogError, NotPossible, UnknownAdapter
from ....domain.rules.imported import IMPORTED, RECORDED, UNKNOWN
from ....domain.vocabulary import Arm, FailureReason
from ...improvement.process_manager import LIVE, process_new_events
from ...sessions.comparing import is_rated_so, require_same
from ...sessions.foreign import ForeignRating, ForeignRun, ForeignStep, rate_foreign_run, record_foreign_run
from ...sessions.program_runs import NAME, ProgramRun, check_run, show
from ...store.ledger import refuse_if_stored_since
from ...wiring.environments import environment_names
from ...wiring.services import unknown_adapter
from ..lookups import require_role

if TYPE_CHECKING:
    from ....domain.page.messages import Message
    from ....projections.state.state import State
    from ...store.ledger import Ledger


@dataclass(frozen=True)
class RecordedRun:
    """A recorded run."""

    run: UUID
    position: int
    """Log position of its newest event."""
    is_new: bool
    """False where the same run was recorded before under its id."""
    is_newly_rated: bool = False
    """Whether a run that was recorded before got its rating now."""


@dataclass
class _Made:
    """A run of the batch, and what of it is to be stored."""

    run: TaskRun
    is_new: bool
    is_newly_rated: bool = False


class RunRecorder:
    """Records runs on one log. It keeps the latest state, so that a batch does not read it again."""

    def __init__(self, ledger: Ledger, actor: str) -> None:
        self._ledger = ledger
        self._actor = actor
        self._state: State | None = None

    def record(self, runs: Sequence[ProgramRun]) -> list[RecordedRun]:
        """Record the runs in one transaction, all or none; return the recorded runs in order.

        A run whose id was recorded before is compared: an equal one is left as it is, and a rating by a person who has
        not rated it is added. Raises ``NotPossible``, ``BadRating``, ``BadText``, ``NotFound`` and ``UnknownAdapter`` for
        a run that cannot be recorded, with its number in the batch, and ``LogError``.
        """
        checked = []
        taken = environment_names()  # once, because plug-ins are searched on the disk
        for number, run in enumerate(runs, 1):
            with _naming(number, run, len(runs)):
                checked.append(_check(run, taken))

        def make_and_store() -> list[_Made]:
            self._state = state = process_new_events(self._ledger, self._state)
            made = self._make(checked, state)
            runs = {one.run.id: one.run for one in made if one.run.pending}.values()
            self._ledger.store(*runs, also=refuse_if_stored_since(state.position, LIVE, 0))
            return made

        made = self._ledger.until_stored(make_and_store)
        self._state = process_new_events(self._ledger, self._state)
        return [
            RecordedRun(one.run.id, self._ledger.position_of_newest(one.run), one.is_new, one.is_newly_rated)
            for one in made
        ]

    def _make(self, runs: Sequence[ProgramRun], state: State) -> list[_Made]:
        """Each run with its new events; a run that occurs twice is made once."""
        known: dict[UUID, TaskRun] = {}
        made, actor = [], self._ledger.name_key(self._actor)  # looked up once for the batch
        for number, given in enumerate(runs, 1):
            id = uuid4() if given.id is None else derive_id("recorded", given.environment, given.id)
            run = known[id] if id in known else TaskRun(id) if given.id is None else self._ledger.get(TaskRun, id)
            known[id] = run
            with _naming(number, given, len(runs)):
                if run.started is None:
                    record_foreign_run(self._ledger, run, _run_of(given, state, self._actor), state.policy, actor)
                    made.append(_Made(run, is_new=True))
                else:
                    made.append(_Made(run, is_new=False, is_newly_rated=self._rate_again(run, given)))
        return made

    def _rate_again(self, run: TaskRun, given: ProgramRun) -> bool:
        """Whether the given run, which was recorded before, adds a rating. Raises ``NotPossible`` for another run."""
        require_same(self._ledger, run, given)
        rating = _rating_of(given, self._actor)
        if rating is None or is_rated_so(self._ledger, run, given, rating):
            return False
        rate_foreign_run(self._ledger, run, rating)
        return True


@contextmanager
def _naming(number: int, run: object, total: int) -> Iterator[None]:
    """Within the block, errors say which run of the batch they concern, and that nothing was recorded."""
    try:
        yield
    except LogError:
        raise
    except GrokputerError as error:
        if total == 1:
            raise
        id = run.id if isinstance(run, ProgramRun) else None
        which = f"run {number} of {total}" + ("" if id is None else f" (id {show(id)})")
        message = f"{which}: {error}; none of the {total} runs was recorded"
        raise type(error)(message, hint=error.hint, about=error.about) from None


def _check(run: ProgramRun, taken: Collection[str]) -> ProgramRun:
    """The run in the form of ``check_run``. Raises as ``RunRecorder.record`` does."""
    checked = check_run(run)
    if checked.environment in taken:
        raise NotPossible(
            f"environment is {show(checked.environment)}, one of Grokputer's own environments; give the program's own name "
            "for its environment"
        )
    require_role(checked.role)
    return checked


def _run_of(given: ProgramRun, state: State, actor: str) -> ForeignRun:
    arm, adapter = _place(state, given.role, given.adapter)
    return ForeignRun(
        origin={
            "role": given.role, "arm": arm, "adapter": adapter, "session": given.session,
            "environment": given.environment, "base": RECORDED, "policy": {RECORDED: True},
        },
        task=given.task,
        steps=[
            ForeignStep(
                cast("Sequence[Message]", step.prompt), step.answer or "", step.error, step.duration_ms, step.prompt_tokens,
                step.completion_tokens, step.tools or (), step.tool_calls or (),
            )
            for step in given.steps
        ],
        succeeded=given.succeeded,
        is_stated=given.succeeded is not None,
        reason=FailureReason(given.reason or FailureReason.WRONG),
        detail=given.detail,
        duration_ms=given.duration_ms,
        rating=_rating_of(given, actor),
    )  # fmt: skip


def _rating_of(given: ProgramRun, actor: str) -> ForeignRating | None:
    if given.stars is None:
        return None
    return ForeignRating(given.stars, given.comment, given.issues, given.rated_by or actor, given.fault_step)


def _place(state: State, role: str, adapter: str | None) -> tuple[Arm, str | None]:
    """The arm and the adapter of a run that this adapter made."""
    if adapter == UNKNOWN:
        return Arm.PINNED, IMPORTED
    known = state.registry.adapters
    if adapter is not None and adapter not in known:
        shown = adapter if NAME.fullmatch(adapter) else show(adapter)
        raise UnknownAdapter(unknown_adapter(shown, known), hint=Hint.SEE_ADAPTERS)
    return (Arm.STABLE if state.traffic(role).stable == adapter else Arm.PINNED), adapter
