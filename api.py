"""The Python API: ``grokputer.open`` returns a log, whose methods correspond to the commands of the same names.

Each method returns a typed value and raises ``GrokputerError``, or a subclass, for errors of the caller. A log belongs
to the thread that opened it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from grokputer.domain.errors import GrokputerError, NotPossible
from grokputer.runners.archive.erasure import Target
from grokputer.runners.explain.explanation import Explanation, explain
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.sessions.program_runs import UNKNOWN, ProgramRun, ProgramStep
from grokputer.runners.store.codec import Recorded
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases import corrections, erasures, overview, ratings, rollouts, runs, settings, trainings
from grokputer.runners.use_cases.lookups import find_run, name_actor
from grokputer.runners.use_cases.recordings import RecordedRun, RunRecorder
from grokputer.runners.wiring.environments import locate_task
from grokputer.runners.wiring.services import Services
from grokputer.runners.wiring.task_folders import task_folders

if TYPE_CHECKING:
    from grokputer.domain.ports import Clock

RunId = UUID | str
"""A run: its id, or at least the first four hex digits of it."""


class WrongThread(GrokputerError):
    """A log was used by a thread that did not open it."""


def open(path: str | Path, *, create: bool = False, actor: str | None = None, clock: Clock | None = None) -> OpenLog:
    """Open the log at the path; with ``create``, create it where it does not exist.

    ``actor`` is the person that decisions are recorded for; None for the user's name. Raises ``LogError``.
    """
    location = Path(path)
    return OpenLog(Ledger.create(location, clock) if create else Ledger.open(location, clock), name_actor(actor))


class OpenLog:
    """One log, opened for reading and writing by one thread. Close it, or use it as a context manager.

    Another thread opens its own: any number of threads and processes may write to one log. A method called from a
    thread that did not open it raises ``WrongThread``.
    """

    def __init__(self, ledger: Ledger, actor: str) -> None:
        self._open_ledger: Ledger | None = ledger
        self._actor = actor
        self._thread = threading.current_thread()
        self._recorder = RunRecorder(ledger, actor)
        self._services: Services | None = None

    @property
    def _ledger(self) -> Ledger:
        caller = threading.current_thread()
        if caller is not self._thread:
            raise WrongThread(
                f"this log was opened by thread {self._thread.name!r} and is used by {caller.name!r}; open it in each thread"
            )
        if self._open_ledger is None:
            raise NotPossible("this log is closed; open it again")
        return self._open_ledger

    def close(self) -> None:
        """Close the log, and a model that ran tasks. Idempotent."""
        if self._open_ledger is None:
            return
        ledger = self._ledger
        if self._services is not None:
            self._services.close()
        ledger.close()
        self._open_ledger = self._services = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self,
        task: str,
        *,
        environment: str | None = None,
        seed: int | None = None,
        role: str = "action",
        session: str | None = None,
        adapter: str | None = None,
        as_of: int | datetime | None = None,
    ) -> runs.RunOutcome:
        """Run the task with the model in the settings, and return the outcome.

        By default ``environment`` is ``chat`` for a task with a space in it, else the one that has the task, or the one
        named before a slash, as in ``shell/delete-file``. ``adapter`` pins the run to an adapter or to ``base``;
        ``as_of`` pins it to the adapter that was live then. Without either, the traffic decides.
        """
        ledger = self._ledger
        state = process_new_events(ledger)
        folders = task_folders(state.policy, ledger.path)
        place, task = (environment, task) if environment is not None else locate_task(task, folders)
        seeds = [random.randrange(1_000_000) if seed is None else seed]
        then = None if as_of is None else overview.find_position(ledger, as_of)
        request = runs.TaskRequest(place, task, seeds, role, session, adapter, then)
        state, pinned = runs.choose_route(ledger, state, request)
        if self._services is None:
            self._services = Services(ledger, state)
        self._services.state = state
        [run] = runs.run_tasks(ledger, self._services, request, pinned, actor=self._actor)
        return runs.outcome_of(ledger, run)

    def record(self, run: ProgramRun) -> RecordedRun:
        """Record a run that another program made; use ``batch`` for many."""
        self._ledger  # noqa: B018  (checks the thread, and that the log is open)
        [recorded] = self._recorder.record([run])
        return recorded

    def batch(self) -> Batch:
        """A context manager that collects runs of another program, and records them in one transaction at its end."""
        self._ledger  # noqa: B018
        return Batch(self)

    def rate(
        self,
        run: RunId,
        stars: int,
        *,
        issues: Sequence[str] = (),
        comment: str | None = None,
        step: int | None = None,
        fault: str | None = None,
        actor: str | None = None,
    ) -> ratings.Rating:
        """Rate an ended run, 1 to 5 stars. ``step`` names the step that went wrong, ``fault`` the role at fault."""
        by = self._name(actor)
        return ratings.rate(
            self._ledger, self._find(run), stars, actor=by, issues=issues, comment=comment, step=step, fault=fault
        )

    def correct(
        self,
        run: RunId,
        answer: str | None = None,
        *,
        actions: Sequence[str] = (),
        step: int | None = None,
        actor: str | None = None,
    ) -> corrections.Correction:
        """Correct an ended run: give the right ``answer`` to a task in words, or the ``actions`` that do a task.

        ``step`` is the step that the answer is for, or the first step that the actions replace.
        """
        if (answer is None) == (not actions):
            raise NotPossible("a correction is either an answer or actions; give one of them")
        way: corrections.Way = corrections.Actions(tuple(actions), step or 1)
        if answer is not None:
            way = corrections.Answer(answer, step)
        return corrections.correct(self._ledger, self._find(run), way, actor=self._name(actor))

    def withdraw(self, run: RunId, *, reason: str = "", actor: str | None = None) -> corrections.Withdrawal:
        """Withdraw the run's latest correction: no later dataset uses it."""
        return corrections.withdraw_correction(self._ledger, self._find(run), reason=reason, actor=self._name(actor))

    def train(self, role: str = "action", *, reason: str, actor: str | None = None) -> trainings.RequestedTraining:
        """Request a training; a worker runs it."""
        return trainings.request_training(self._ledger, role, reason=reason, actor=self._name(actor))

    def set(self, key: str, value: Any, *, reason: str = "", actor: str | None = None) -> settings.SettingChange:
        """Change a setting."""
        return settings.change_setting(self._ledger, key, value, reason=reason, actor=self._name(actor))

    def unset(self, key: str, *, reason: str = "", actor: str | None = None) -> settings.SettingChange:
        """Remove the value of a setting, so that its default applies again."""
        return settings.unset_setting(self._ledger, key, reason=reason, actor=self._name(actor))

    @property
    def rollouts(self) -> Rollouts:
        """Decisions on rollouts."""
        self._ledger  # noqa: B018  (checks the thread, and that the log is open)
        return Rollouts(self)

    def forget(
        self,
        *,
        run: RunId | None = None,
        person: str | None = None,
        reason: str,
        retrain: bool = False,
        actor: str | None = None,
    ) -> erasures.Erasure:
        """Delete the words of a run or of a person for good."""
        if (run is None) == (person is None):
            raise NotPossible("the words of a run or of a person can be deleted; give either run or person")
        target = Target(None if run is None else self._find(run).hex, person)
        return erasures.forget(self._ledger, target, reason=reason, actor=self._name(actor), retrain=retrain)

    @property
    def position(self) -> int:
        """The position of the newest event; 0 in an empty log."""
        return self._ledger.position

    def status(self) -> overview.Status:
        """The present status of all roles, adapters and rollouts."""
        return overview.view_status(self._ledger)

    def state_at(self, moment: int | datetime) -> overview.Status:
        """The status at a position, or at a time: after the last event that is not later. Raises ``NotFound``."""
        return overview.view_status(self._ledger, overview.find_position(self._ledger, moment))

    def runs(
        self, limit: int = 20, *, role: str | None = None, failed: bool = False, unrated: bool = False
    ) -> list[overview.RunSummary]:
        """The newest runs, at most ``limit``."""
        return overview.summarize_runs(self._ledger, limit, role=role, failed=failed, unrated=unrated)

    def why(self, name: str) -> Explanation:
        """The explanation of an adapter, a rollout, a run or a setting: its tree of causes. Raises ``NotFound``."""
        return explain(self._ledger, load_state(self._ledger), name)

    def events(self, first: int = 1, last: int | None = None, topics: Sequence[str] = ()) -> Iterator[Recorded]:
        """The events between two positions, inclusive, in order; with topics only those. Content keys of names and
        short texts are replaced by the texts."""
        return map(self._ledger.reveal, self._ledger.read(first, last, topics))

    def text(self, key: str) -> str | None:
        """The text under a content key of an event, such as a prompt or an answer; None where it was erased."""
        return self._ledger.get_content(key)

    def _find(self, run: RunId) -> UUID:
        return run if isinstance(run, UUID) else find_run(self._ledger, run)

    def _name(self, actor: str | None) -> str:
        return self._actor if actor is None else name_actor(actor)


class Rollouts:
    """A person's decisions on rollouts; each method raises ``NotPossible`` where it is not allowed."""

    def __init__(self, log: OpenLog) -> None:
        self._log = log

    def promote(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Give the adapter all runs of its role."""
        return rollouts.promote(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def roll_back(self, adapter: str, *, reason: str, to: str | None = None) -> rollouts.RolloutDecision:
        """Take the adapter's runs away, and give them to the adapter that was live before, or to ``to``."""
        return rollouts.roll_back(self._log._ledger, adapter, reason=reason, actor=self._log._actor, to=to)

    def roll_forward(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Make an adapter live after its rollout is over."""
        return rollouts.roll_forward(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def abort(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """End an undecided rollout."""
        return rollouts.abort(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def pause(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Stop automatic decisions on the rollout."""
        return rollouts.pause(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def resume(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Continue automatic decisions on a paused rollout."""
        return rollouts.resume(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def approve(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Take the step that waits for approval."""
        return rollouts.approve(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def set_share(self, adapter: str, percent: int, *, reason: str) -> rollouts.RolloutDecision:
        """Set the canary's share of the runs, 1 to 99 percent."""
        return rollouts.set_share(self._log._ledger, adapter, percent, reason=reason, actor=self._log._actor)


@dataclass
class Batch:
    """Runs of another program that are recorded together. If the block raises, none of them is recorded."""

    _log: OpenLog
    _runs: list[ProgramRun] = field(default_factory=list)
    recorded: tuple[RecordedRun, ...] = ()
    """The recorded runs, in order; empty until the block has ended."""

    def record(self, run: ProgramRun) -> None:
        """Add a run to the batch."""
        self._runs.append(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._log._ledger  # noqa: B018
            self.recorded = tuple(self._log._recorder.record(self._runs))


__all__ = [
    "UNKNOWN",
    "Batch",
    "OpenLog",
    "ProgramRun",
    "ProgramStep",
    "RecordedRun",
    "Rollouts",
    "RunId",
    "WrongThread",
    "open",
]
