"""The Python API: ``grokputer.open`` gives a log, whose methods do what the commands of the same names do.

Each method returns a typed value and raises ``GrokputerError``, or one of its kinds, for what is the caller's business. A log
belongs to the thread that opened it.
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
from grokputer.runners.store.codec import Recorded
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases import corrections, erasures, overview, ratings, rollouts, runs, settings, trainings
from grokputer.runners.use_cases.lookups import find_run, name_actor
from grokputer.runners.use_cases.recordings import UNKNOWN, ProgramRun, ProgramStep, RecordedRun, RunRecorder
from grokputer.runners.wiring.environments import guess_environment
from grokputer.runners.wiring.services import Services

if TYPE_CHECKING:
    from grokputer.domain.ports import Clock

RunId = UUID | str
"""A run: its id, or the beginning of its id in hex digits, four or more."""


class WrongThread(GrokputerError):
    """A log was used by another thread than the one that opened it."""


def open(path: str | Path, *, create: bool = False, actor: str | None = None, clock: Clock | None = None) -> OpenLog:
    """Open the log at the path; with ``create``, make it where there is none.

    ``actor`` is whom decisions are recorded as; None for the user's name. Raises ``LogError``.
    """
    found = Path(path)
    return OpenLog(Ledger.create(found, clock) if create else Ledger.open(found, clock), name_actor(actor))


class OpenLog:
    """One log, opened for reading and writing by one thread. Close it, or use it as a context.

    Another thread opens the log anew: any number of threads and processes may write to one log. A method that is called from
    another thread than the one that opened it raises ``WrongThread``.
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
        """Let the log, and a model that ran tasks, go. Closing twice is closing once."""
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

    # --- runs ---

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
        """Run the task with the model that the settings name, and return how it went.

        ``environment`` is ``chat`` for a task with a blank in it and ``miniwob`` for another, unless it is named. ``adapter``
        pins the run to an adapter or to ``base``; ``as_of`` to what was live then. Without either the traffic decides.
        """
        ledger = self._ledger
        place = environment or guess_environment(task)
        seeds = [random.randrange(1_000_000) if seed is None else seed]
        then = None if as_of is None else overview.find_position(ledger, as_of)
        wanted = runs.TaskRequest(place, task, seeds, role, session, adapter, then)
        state, pinned = runs.choose_route(ledger, process_new_events(ledger), wanted)
        if self._services is None:
            self._services = Services(ledger, state)
        self._services.state = state
        [run] = runs.run_tasks(ledger, self._services, wanted, pinned, actor=self._actor)
        return runs.outcome_of(ledger, run)

    def record(self, run: ProgramRun) -> RecordedRun:
        """Record a run that another program made; see ``batch`` for many."""
        self._ledger  # noqa: B018  (the right thread, and open)
        [recorded] = self._recorder.record([run])
        return recorded

    def batch(self) -> Batch:
        """A context in which runs of another program are collected, to be recorded in one transaction at its end."""
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
        """Rate a run that has ended, 1 to 5. ``step`` names the step that went wrong, ``fault`` the role at fault."""
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
        """Say what should have been done: the right ``answer`` to a task in words, or the ``actions`` that do a task.

        ``step`` is the step that the answer is for, or from which the actions correct the run.
        """
        if (answer is None) == (not actions):
            raise NotPossible("a correction is either an answer or actions; give one of them")
        way: corrections.Way = corrections.Actions(tuple(actions), step or 1)
        if answer is not None:
            way = corrections.Answer(answer, step)
        return corrections.correct(self._ledger, self._find(run), way, actor=self._name(actor))

    def withdraw(self, run: RunId, *, reason: str = "", actor: str | None = None) -> corrections.Withdrawal:
        """Take back the run's latest correction: no dataset that is built from now on uses it."""
        return corrections.withdraw_correction(self._ledger, self._find(run), reason=reason, actor=self._name(actor))

    # --- improvement ---

    def train(self, role: str = "action", *, reason: str, actor: str | None = None) -> trainings.RequestedTraining:
        """Request a training; a worker carries it out."""
        return trainings.request_training(self._ledger, role, reason=reason, actor=self._name(actor))

    def set(self, key: str, value: Any, *, reason: str = "", actor: str | None = None) -> settings.SettingChange:
        """Change a setting from now on."""
        return settings.change_setting(self._ledger, key, value, reason=reason, actor=self._name(actor))

    def unset(self, key: str, *, reason: str = "", actor: str | None = None) -> settings.SettingChange:
        """Let the setting's default hold again."""
        return settings.unset_setting(self._ledger, key, reason=reason, actor=self._name(actor))

    @property
    def rollouts(self) -> Rollouts:
        """The decisions on rollouts."""
        self._ledger  # noqa: B018  (the right thread, and open)
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
            raise NotPossible("words are those of a run or of a person; name one of them")
        target = Target(None if run is None else self._find(run).hex, person)
        return erasures.forget(self._ledger, target, reason=reason, actor=self._name(actor), retrain=retrain)

    # --- reading ---

    @property
    def position(self) -> int:
        """The position of the newest event, 0 in an empty log."""
        return self._ledger.position

    def status(self) -> overview.Status:
        """How everything stands now."""
        return overview.view_status(self._ledger)

    def state_at(self, moment: int | datetime) -> overview.Status:
        """How everything stood at a position, or at a time: after the last event that is not later. Raises ``NotFound``."""
        return overview.view_status(self._ledger, overview.find_position(self._ledger, moment))

    def runs(
        self, limit: int = 20, *, role: str | None = None, failed: bool = False, unrated: bool = False
    ) -> list[overview.RunSummary]:
        """The newest runs, at most so many."""
        return overview.summarize_runs(self._ledger, limit, role=role, failed=failed, unrated=unrated)

    def why(self, name: str) -> Explanation:
        """Why an adapter, a rollout, a run or a setting is as it is: the tree of causes. Raises ``NotFound``."""
        return explain(self._ledger, load_state(self._ledger), name)

    def events(self, first: int = 1, last: int | None = None, topics: Sequence[str] = ()) -> Iterator[Recorded]:
        """The events from one position to another, in order; with topics, those alone. Names and short texts are in words."""
        return map(self._ledger.reveal, self._ledger.read(first, last, topics))

    def text(self, key: str) -> str | None:
        """The words under a content key of an event, such as a prompt or an answer; None where they were erased."""
        return self._ledger.get_content(key)

    # --- names ---

    def _find(self, run: RunId) -> UUID:
        return run if isinstance(run, UUID) else find_run(self._ledger, run)

    def _name(self, actor: str | None) -> str:
        return self._actor if actor is None else name_actor(actor)


class Rollouts:
    """A person's decisions on the rollouts of a log's adapters; each raises ``NotPossible`` where it is not allowed."""

    def __init__(self, log: OpenLog) -> None:
        self._log = log

    def promote(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Give the adapter all runs of its role."""
        return rollouts.promote(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def roll_back(self, adapter: str, *, reason: str, to: str | None = None) -> rollouts.RolloutDecision:
        """Take the adapter's runs away, and give them to what was live before, or to ``to``."""
        return rollouts.roll_back(self._log._ledger, adapter, reason=reason, actor=self._log._actor, to=to)

    def roll_forward(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Make an adapter live whose rollout is over."""
        return rollouts.roll_forward(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def abort(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """End a rollout that is under way."""
        return rollouts.abort(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def pause(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Stop deciding on the rollout."""
        return rollouts.pause(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def resume(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Let a paused rollout go on."""
        return rollouts.resume(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def approve(self, adapter: str, *, reason: str) -> rollouts.RolloutDecision:
        """Let the rollout take the step that waits for approval."""
        return rollouts.approve(self._log._ledger, adapter, reason=reason, actor=self._log._actor)

    def set_share(self, adapter: str, percent: int, *, reason: str) -> rollouts.RolloutDecision:
        """Give the canary another share of the runs, 1 to 99 percent."""
        return rollouts.set_share(self._log._ledger, adapter, percent, reason=reason, actor=self._log._actor)


@dataclass
class Batch:
    """Runs of another program that are recorded together. Where the block raises, none of them is recorded."""

    _log: OpenLog
    _runs: list[ProgramRun] = field(default_factory=list)
    recorded: tuple[RecordedRun, ...] = ()
    """What was recorded, in the order of the runs; empty until the block has ended."""

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
