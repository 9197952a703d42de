"""The worker: it does the work that the log requests, one thing after another. A lease prevents two workers at once.

It has no state of its own: after it is killed, the next worker continues from the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ...domain.errors import EnvironmentUnavailable, NotServed, UnknownTask
from ...domain.events import AlertRaised, AlertResolved, CanaryAssessed, TrainingCompleted
from ...domain.vocabulary import FOR_THE_GATE, AdapterStatus, Place
from ...projections.explain.standing.waits import has_begun, is_due, waits_for, worker_task
from ...projections.state.state import State
from ...projections.wording.sentences import describe_left_out
from ..agent.abandoned import GONE, end_abandoned
from ..alerts.dispatcher import AlertDispatcher
from ..store.lease import lease
from ..store.ledger import Ledger
from ..store.port import Unreachable
from ..store.states import load_state
from ..store.tail import Watch
from ..wiring.services import Services
from .gate import judge
from .grading import GradingQueue
from .process_manager import process_new_events
from .publishing import Publisher
from .role_views import view_roles
from .rollouts import prove
from .scheduler import ScheduleKeeper
from .trainings import run_training
from .weights import note_missing, note_refused, tend

if TYPE_CHECKING:
    from ...adapters.training.job import Progress
    from ...projections.state.registry import Adapter

IDLE_S = 1.0
"""Seconds between two checks of the log when there is nothing to do; chosen."""

AGAIN_S = 60.0
"""Seconds before a gate that lost its environment is tried again; chosen."""

RETELL_S = 60.0
"""Seconds between two lines of an idle worker that differ only in numbers; chosen."""

UNREACHABLE_S = 2.0
"""Seconds before a worker whose log was lost looks for it again; chosen: a server takes about as long to start again."""

ABANDONED_S = 60.0
"""Seconds between two searches for runs whose process has ended; chosen."""

TEND_S = 5.0
"""Seconds between two looks at the endpoints that serve adapters; chosen: vLLM takes longer to start."""

NOTHING = "nothing to do: no role has ratings or a training yet; "
RUN = "'grokputer run' makes runs to rate"
ASK = "rate the runs of programs on the pages, by /v1/feedback, or with 'grokputer rate'"
"""What leads to work: on a log for one person, and on one with keys, whose runs programs make through its gateway."""

TELLING = 20
"""At the start, alerts among this many newest events are reported; an earlier worker reported the older ones."""


@dataclass(frozen=True)
class Reporter:
    """How the worker reports: a line of text, the progress of a training, and of a gate."""

    say: Callable[[str], None] = lambda line: None
    progress: Callable[[Progress], None] = lambda progress: None
    count: Callable[[int, int], None] = lambda done, total: None
    """Called with the number of the gate's measurements done, and their total."""


def work(ledger: Ledger, *, once: bool, reporter: Reporter | None = None, waits: bool = True) -> None:
    """Do the work that the log requests: with ``once`` everything that is due now, else until interrupted.

    When there is nothing to do, it says what it waits for. Without ``once`` it waits until a lost server of the log answers,
    and begins again. Raises ``NotPossible`` where another worker has the lease and ``waits`` is off, and ``LogError``.
    """
    reporter, lost_at = reporter or Reporter(), float("-inf")
    while True:
        try:
            _work_while_there(ledger, once=once, reporter=reporter, waits=waits)
            return
        except Unreachable as error:
            if once:
                raise
            if time.monotonic() - lost_at > 5 * UNREACHABLE_S:  # once for each loss, whose words change meanwhile
                reporter.say(f"{error}; the worker goes on when it answers")
            lost_at = time.monotonic()
            time.sleep(UNREACHABLE_S)


def _work_while_there(ledger: Ledger, *, once: bool, reporter: Reporter, waits: bool) -> None:
    """Work as ``work`` says until there is nothing to do, or the log is lost."""

    def task() -> str:
        return worker_task(load_state(ledger)) or "alerts, ratings and canaries"

    with (
        lease(ledger, reporter.say, task=task, waits=waits) as held,
        closing(Watch(ledger)) as watch,
        Services(ledger, process_new_events(ledger), reporter.say) as services,
    ):
        worker, idle = Worker(ledger, services, reporter), Idle(ledger, reporter.say)
        while True:
            held.keep()
            did = worker.step()
            if not did:
                idle.tell(services.state)
            if not did and once:
                return
            if not did:
                watch.wait(IDLE_S)


class Idle:
    """Says what each role waits for: at once when that changes, and once a minute when only its numbers change."""

    def __init__(
        self, ledger: Ledger, say: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.ledger, self.say, self.monotonic = ledger, say, monotonic
        self._position = -1
        """The position that the lines describe."""
        self._kinds: list[str] | None = None
        self._lines: list[str] = []
        self._told: list[str] = []
        self._told_at = 0.0

    def tell(self, state: State) -> None:
        """Say the lines if they are due."""
        is_due = self.monotonic() - self._told_at >= RETELL_S
        if state.position != self._position:
            self._position, before = state.position, self._kinds
            views = [view for view in view_roles(self.ledger, state, "this worker") if has_begun(view)]
            waits = {view.role: waits_for(view) for view in views}
            self._kinds = [f"{role} {wait.on}" for role, wait in waits.items()]
            self._lines = [f"{role} {wait.message}" for role, wait in waits.items()] or [
                NOTHING + (ASK if state.access.valid() else RUN)
            ]
            is_due = is_due or self._kinds != before
        if is_due and self._lines != self._told:
            self._told, self._told_at = self._lines, self.monotonic()
            for line in self._lines:
                self.say(line)


class Worker:
    """One worker: each step does the first thing that is due."""

    def __init__(self, ledger: Ledger, services: Services, reporter: Reporter) -> None:
        self.ledger = ledger
        self.services = services
        self.reporter = reporter
        self._looked: datetime | None = None
        self._gate_again: dict[str, float] = {}
        self._said: set[str] = set()
        """Lines about waiting adapters that were said, each once."""
        self._abandoned_again = self._tend_again = 0.0
        self._began = ledger.position
        self._told = max(0, self._began - TELLING)
        self._schedule = ScheduleKeeper(ledger)
        self._courier = AlertDispatcher(ledger, reporter.say)
        self._grading = GradingQueue(ledger, reporter.say)
        self._publisher = Publisher(ledger, reporter.say)

    def step(self) -> bool:
        """Follow the log, report news, deliver an alert, keep the schedule, and do the next thing. False when there was
        nothing."""
        state = self.services.state = process_new_events(self.ledger, self.services.state)
        if self._end_abandoned(state):
            state = self.services.state = process_new_events(self.ledger, state)
        self._tell(state.position)
        state = self.services.state = self._tend(state)
        noted = note_missing(self.ledger, state, self.services.store) | note_refused(self.ledger, state)
        delivered, kept, pushed = self._courier.step(), self._schedule.keep(state), self._publisher.step(state)
        did = self._train(state) or self._prove(state) or self._judge(state) or self._grading.step(self.services)
        return did or delivered or kept or pushed or noted

    def _tend(self, state: State) -> State:
        """Look after the endpoints that serve adapters, every few seconds; the state after that.

        A lost machine may be silent for long, so the worker spends a tenth of its time on that at most.
        """
        began = time.monotonic()
        if began < self._tend_again:
            return state
        tend(self.services, state)
        now = time.monotonic()
        self._tend_again = now + max(TEND_S, 9 * (now - began))
        return process_new_events(self.ledger, state)

    def _end_abandoned(self, state: State) -> bool:
        """End runs whose process has ended: at the worker's start, and once a minute."""
        if time.monotonic() < self._abandoned_again:
            return False
        self._abandoned_again = time.monotonic() + ABANDONED_S
        ended = end_abandoned(self.ledger, state.policy)
        for run in ended:
            self.reporter.say(f"run {run.id.hex[:8]} has failed (environment): {GONE}")
        return bool(ended)

    def _train(self, state: State) -> bool:
        for key, training in state.registry.trainings.items():
            if is_due(training, state.policy):
                again = " again" if training.launcher == Place.OPENAI else " again, from its last checkpoint"
                again = again if training.attempts else ""
                self.reporter.say(f"training {key[:8]} for role {training.role}{again}")
                job = run_training(
                    self.ledger, self.services, training.uuid, self._progress, self.reporter.say, self._look_around
                )
                over = job.over
                if over is None and job.held is not None and job.is_held:
                    self.reporter.say(f"training {key[:8]} waits for approval: {job.held.reason}")
                elif over is None and job.running is not None:
                    self.reporter.say(
                        f"training {key[:8]} waits to be carried: 'grokputer train export' writes its file"
                    )
                elif over is None:
                    goes_on = "continues from its last checkpoint" if job.sent is None else "is begun again"
                    self.reporter.say(f"training {key[:8]} was interrupted; it {goes_on}")
                elif isinstance(over, TrainingCompleted):
                    loss = f", loss {over.final_loss:.3f}" if over.steps else ""
                    self.reporter.say(
                        f"training {key[:8]} completed in {over.duration_s:.0f} s{loss}{describe_left_out(over)}"
                    )
                else:
                    self.reporter.say(f"training {key[:8]} {over.TOPIC[8:].lower()}: {over.reason}")
                return True
        return False

    def _prove(self, state: State) -> bool:
        """Prove a new adapter; while the model is behind an endpoint, which does not expose logits, only models of its own."""
        for name, adapter in state.registry.adapters.items():
            if adapter.status == AdapterStatus.REGISTERED and self._is_its_turn(state, adapter):
                try:
                    refused = prove(self.ledger, self.services, name).rejected
                except (NotServed, EnvironmentUnavailable) as error:
                    self._say_once(f"{name} waits: {error}")
                    if adapter.is_tuned:  # an answer of an endpoint is paid for
                        self._gate_again[name] = time.monotonic() + AGAIN_S
                    continue
                passed = (
                    "answers by its name, which is less than a proof" if adapter.is_tuned else "proven to be applied"
                )
                self.reporter.say(f"{name}: {f'rejected: {refused.reason}' if refused else passed}")
                return True
        return False

    def _is_its_turn(self, state: State, adapter: Adapter) -> bool:
        """Whether the adapter can be proven or judged now. An endpoint cannot do that for one of our own. After a failed try
        it waits."""
        can_be = adapter.is_tuned or not state.policy.is_remote
        return can_be and time.monotonic() >= self._gate_again.get(adapter.name, 0.0)

    def _judge(self, state: State) -> bool:
        """Run the gate of a proven adapter; one that lost its environment is tried again later."""
        for name, adapter in state.registry.adapters.items():
            if adapter.status not in FOR_THE_GATE or not self._is_its_turn(state, adapter):
                continue
            self.reporter.say(f"{name}: held-out instances, with it and with {adapter.parent or 'the base'}")
            try:
                done = judge(self.ledger, self.services, name, self._count, self.reporter.say)
            except NotServed as error:
                self._say_once(f"{name} waits: {error}")
                continue
            except (EnvironmentUnavailable, UnknownTask) as error:
                self._gate_again[name] = time.monotonic() + AGAIN_S
                self.reporter.count(0, 0)  # close its progress bar
                self.reporter.say(
                    f"{name}: the gate is tried again later, because its environment is not available: {error}"
                )
                continue
            if done.judged is not None:
                self.reporter.say(f"{name}: {done.judged.verdict} ({done.judged.reason}): {done.judged.message}")
            elif done.rejected is not None:
                self.reporter.say(f"{name}: rejected: {done.rejected.reason}")
            return True
        return False

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.reporter.say(line)

    def _progress(self, progress: Progress) -> None:
        """Show the progress; other work that is due need not wait for the training, which runs in its own process."""
        self.reporter.progress(progress)
        self._look_around()

    def _count(self, done: int, total: int) -> None:
        self.reporter.count(done, total)
        self._look_around()

    def _look_around(self) -> None:
        """Do what is due during a training or a gate, once a second: alerts, and checks of ratings and canaries."""
        now = self.ledger.clock.now()
        if self._looked is not None and abs(now - self._looked) < timedelta(seconds=IDLE_S):
            return
        self._looked = now
        self._courier.step()
        state = process_new_events(self.ledger)
        state = self._tend(state)
        noted = note_missing(self.ledger, state, self.services.store) | note_refused(self.ledger, state)
        if self._schedule.keep(state) or noted:
            process_new_events(self.ledger)

    def _tell(self, until: int) -> None:
        first, self._told = self._told + 1, until
        topics = (AlertRaised.TOPIC, AlertResolved.TOPIC, CanaryAssessed.TOPIC)
        for recorded in map(self.ledger.reveal, self.ledger.read(first, until, topics)):
            event = recorded.event
            if isinstance(event, AlertRaised):
                self.reporter.say(
                    f"ALERT ({event.severity}) at position {recorded.position}, {event.kind}: {event.message}"
                )
            elif isinstance(event, AlertResolved):
                self.reporter.say(f"RESOLVED at position {recorded.position}: {event.message}")
            elif isinstance(event, CanaryAssessed) and recorded.position > self._began:
                self.reporter.say(f"{event.adapter}: {event.verdict}: {event.message}")
