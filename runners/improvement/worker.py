"""The worker: it carries out what the log asks for, one thing after another, holding a lease so that two never do the same.

It keeps nothing of its own: killed at any point, the next one goes on from the log.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.errors import EnvironmentUnavailable, NotPossible, UnknownTask
from ...domain.events import AlertRaised, CanaryAssessed, TrainingCompleted
from ...projections.state.state import State
from ..alerts.dispatcher import AlertDispatcher
from ..store.ledger import Ledger
from ..store.log import Log
from ..store.tail import Watch
from ..wiring import Services
from .gate import judge
from .process_manager import process_new_events
from .rollouts import prove
from .scheduler import ScheduleKeeper
from .trainings import carry_on_training

if TYPE_CHECKING:
    from ...adapters.training.job import Progress

IDLE_S = 1.0
"""Seconds between two looks at the log when there is nothing to do; chosen."""

AGAIN_S = 60.0
"""Seconds before a gate that has lost its environment is tried again; chosen."""

TELLING = 20
"""Alerts among so many newest events are told at the start; older ones were told by an earlier worker."""


@dataclass(frozen=True)
class Reporter:
    """How the worker tells what it does: a line of text, and the progress of a training and of a gate."""

    say: Callable[[str], None] = lambda line: None
    progress: Callable[[Progress], None] = lambda progress: None
    count: Callable[[int, int], None] = lambda done, total: None
    """How many of the gate's measurements are done."""


@contextmanager
def lease(ledger: Log, reporter: Reporter, *, waits: bool = True) -> Iterator[None]:
    """Hold the log's one lease, waiting for it where another worker has it. The system frees it when a holder dies.

    Raises ``NotPossible`` instead of waiting where ``waits`` is off.
    """
    path = Path(f"{ledger.path.resolve()}.lease")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = f"another worker (process {file.read().strip() or 'unknown'}) is at work on {ledger.path}"
            if not waits:
                raise NotPossible(f"{other}; wait until it ends") from None
            reporter.say(f"{other}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def work(ledger: Ledger, *, once: bool, reporter: Reporter | None = None) -> None:
    """Carry out what the log asks for: everything there is to do now with ``once``, else until interrupted."""
    reporter = reporter or Reporter()
    with (
        lease(ledger, reporter),
        closing(Watch(ledger)) as watch,
        Services(ledger, process_new_events(ledger)) as parts,
    ):
        worker = Worker(ledger, parts, reporter)
        while True:
            did = worker.step()
            if not did and once:
                return
            if not did:
                watch.wait(IDLE_S)


class Worker:
    """One worker's round: the first thing there is to do, done."""

    def __init__(self, ledger: Ledger, parts: Services, reporter: Reporter) -> None:
        self.ledger = ledger
        self.parts = parts
        self.reporter = reporter
        self._looked: datetime | None = None
        self._gate_again: dict[str, float] = {}
        self._began = ledger.position
        self._told = max(0, self._began - TELLING)
        self._schedule = ScheduleKeeper(ledger)
        self._courier = AlertDispatcher(ledger, reporter.say)

    def step(self) -> bool:
        """Follow the log, tell what is new, deliver an alert, keep the schedule, and do the next thing.

        False when there was nothing.
        """
        state = self.parts.state = process_new_events(self.ledger, self.parts.state)
        self._tell(state.position)
        delivered, kept = self._courier.step(), self._schedule.keep(state)
        return self._train(state) or self._prove(state) or self._judge(state) or delivered or kept

    def _train(self, state: State) -> bool:
        for key, training in state.registry.trainings.items():
            if training["status"] in ("requested", "dataset built", "training"):
                again = " again, from its last checkpoint" if training["attempts"] else ""
                self.reporter.say(f"training {key[:8]} for role {training['role']}{again}")
                job = carry_on_training(self.ledger, self.parts, UUID(key), self._progress)
                over = job.over
                if over is None:
                    self.reporter.say(f"training {key[:8]} was interrupted; it goes on from its last checkpoint")
                elif isinstance(over, TrainingCompleted):
                    self.reporter.say(
                        f"training {key[:8]} completed in {over.duration_s:.0f} s, loss {over.final_loss:.3f}"
                    )
                else:
                    self.reporter.say(f"training {key[:8]} {over.TOPIC[8:].lower()}: {over.reason}")
                return True
        return False

    def _prove(self, state: State) -> bool:
        for name, adapter in state.registry.adapters.items():
            if adapter["status"] == "registered":
                refused = prove(self.ledger, self.parts, name).rejected
                self.reporter.say(f"{name}: rejected: {refused.reason}" if refused else f"{name}: proven to be applied")
                return True
        return False

    def _judge(self, state: State) -> bool:
        """Run the gate of a proven adapter; one that has lost its environment is tried again later."""
        for name, adapter in state.registry.adapters.items():
            if adapter["status"] != "proven" or time.monotonic() < self._gate_again.get(name, 0.0):
                continue
            self.reporter.say(f"{name}: held-out instances, with it and with {adapter['parent'] or 'the base'}")
            try:
                done = judge(self.ledger, self.parts, name, self._count)
            except (EnvironmentUnavailable, UnknownTask) as error:
                self._gate_again[name] = time.monotonic() + AGAIN_S
                self.reporter.count(0, 0)  # nothing left to show of it for now
                self.reporter.say(f"{name}: the gate is tried again later, its environment cannot be had: {error}")
                continue
            if done.judged is not None:
                self.reporter.say(f"{name}: {done.judged.verdict} ({done.judged.reason}): {done.judged.message}")
            elif done.rejected is not None:
                self.reporter.say(f"{name}: rejected: {done.rejected.reason}")
            return True
        return False

    def _progress(self, progress: Progress) -> None:
        """Show it; what is due meanwhile need not wait hours for the training's end, which goes on in its own process."""
        self.reporter.progress(progress)
        self._look_around()

    def _count(self, done: int, total: int) -> None:
        self.reporter.count(done, total)
        self._look_around()

    def _look_around(self) -> None:
        """What is due while a training or a gate goes on, once a second: alerts, and looks at ratings and canaries."""
        now = self.ledger.clock.now()
        if self._looked is not None and abs(now - self._looked) < timedelta(seconds=IDLE_S):
            return
        self._looked = now
        self._courier.step()
        if self._schedule.keep(process_new_events(self.ledger)):
            process_new_events(self.ledger)

    def _tell(self, until: int) -> None:
        first, self._told = self._told + 1, until
        for recorded in map(
            self.ledger.reveal, self.ledger.read(first, until, (AlertRaised.TOPIC, CanaryAssessed.TOPIC))
        ):
            event = recorded.event
            if isinstance(event, AlertRaised):
                self.reporter.say(
                    f"ALERT ({event.severity}) at position {recorded.position}, {event.kind}: {event.message}"
                )
            elif isinstance(event, CanaryAssessed) and recorded.position > self._began:
                self.reporter.say(f"{event.adapter}: {event.verdict}: {event.message}")
