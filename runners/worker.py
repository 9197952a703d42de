"""The worker: it carries out what the log asks for, one thing after another, holding a lease so that two never do the same.

It keeps nothing of its own: killed at any point, the next one goes on from the log.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ..domain.breach import RoleImprovement, Window, role_id
from ..domain.errors import EnvironmentUnavailable, NotPossible, UnknownTask
from ..domain.events import AlertRaised, TrainingCompleted
from ..domain.settings import ROLES
from ..projections.state import State
from .courier import Courier
from .gate import judge
from .improvement import ACTOR, follow
from .ledger import Ledger
from .rollouts import assess, prove
from .trainings import carry_on_training
from .wiring import Parts

if TYPE_CHECKING:
    from ..adapters.job import Progress

LOOK_S = 4 * 3600
"""Seconds between two looks at all ratings that no rating causes (a changed threshold, say); the project's user."""

IDLE_S = 1.0
"""Seconds between two looks at the log when there is nothing to do; chosen."""

AGAIN_S = 60.0
"""Seconds before a gate that has lost its environment is tried again; chosen."""

TELLING = 20
"""Alerts of this many newest positions are told at the start; older ones were told by an earlier worker."""


@dataclass(frozen=True)
class Reporter:
    """How the worker tells what it does: a line of text, and the progress of a training and of a gate."""

    say: Callable[[str], None] = lambda line: None
    progress: Callable[[Progress], None] = lambda progress: None
    count: Callable[[int, int], None] = lambda done, total: None
    """How many of the gate's measurements are done."""


@contextmanager
def lease(ledger: Ledger, reporter: Reporter, *, waits: bool = True) -> Iterator[None]:
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
    with lease(ledger, reporter), Parts(ledger, follow(ledger)) as parts:
        worker = Worker(ledger, parts, reporter)
        worker.look_at_ratings()
        while True:
            did = worker.step()
            if not did and once:
                return
            if not did:
                time.sleep(IDLE_S)
                worker.look_at_ratings()


class Worker:
    """One worker's round: the first thing there is to do, done."""

    def __init__(self, ledger: Ledger, parts: Parts, reporter: Reporter) -> None:
        self.ledger = ledger
        self.parts = parts
        self.reporter = reporter
        self._looked: dict[str, tuple[float, int]] = {}
        self._looked_at_ratings = 0.0
        self._gate_again: dict[str, float] = {}
        self._told = max(0, ledger.position - TELLING)
        self._courier = Courier(ledger, reporter.say)

    def step(self) -> bool:
        """Follow the log, tell new alerts, deliver one, and do the next thing. False when there was nothing."""
        state = self.parts.state = follow(self.ledger)
        self._tell_alerts()
        delivered = self._courier.step()
        return self._train(state) or self._prove(state) or self._judge(state) or self._assess(state) or delivered

    def look_at_ratings(self) -> None:
        """Look at every role's window, at the start and every four hours."""
        now = time.monotonic()
        if self._looked_at_ratings and now - self._looked_at_ratings < LOOK_S:
            return
        self._looked_at_ratings = now
        for role in ROLES:
            window = self.parts.state.window(role)
            if window.ratings:
                self._look(window)

    def _look(self, window: Window) -> None:
        cause = self.ledger.at(window.ratings[-1][0]).event.reference
        context, policy = self.ledger.context(ACTOR, cause), self.parts.state.policy
        self.ledger.write(RoleImprovement, role_id(window.role), lambda it: it.look(window, policy, context))

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

    def _assess(self, state: State) -> bool:
        """Look at each canary when its interval has passed and there is news. A hold is nothing done."""
        did = False
        for rollout, lane in state.lanes.state["rollouts"].items():
            if lane["phase"] != "progressing":
                continue
            looked_at, runs_then = self._looked.get(rollout, (-1e9, -1))
            runs = len(state.health.outcomes(rollout, "canary"))
            interval = state.policy.get("canary.interval_s", lane["role"])
            if time.monotonic() - looked_at < interval:
                continue
            self._looked[rollout] = (time.monotonic(), runs)
            verdict = assess(self.ledger, state, rollout)
            if runs != runs_then or verdict.verdict != "hold":
                self.reporter.say(f"{lane['adapter']}: {verdict.verdict}: {verdict.message}")
            did = did or verdict.verdict != "hold"
        return did

    def _progress(self, progress: Progress) -> None:
        """Show it; what is due meanwhile need not wait hours for the training's end, which goes on in its own process."""
        self.reporter.progress(progress)
        self._courier.step()

    def _count(self, done: int, total: int) -> None:
        self.reporter.count(done, total)
        self._courier.step()

    def _tell_alerts(self) -> None:
        for recorded in self.ledger.read(self._told + 1, None, (AlertRaised.TOPIC,)):
            event = recorded.event
            assert isinstance(event, AlertRaised)
            self.reporter.say(
                f"ALERT ({event.severity}) at position {recorded.position}, {event.kind}: {event.message}"
            )
            self._told = recorded.position
