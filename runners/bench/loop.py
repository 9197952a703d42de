"""The loop: measure, give feedback, train, then gate and canary decide; cycle after cycle on one log.

There are no shortcuts: runs use the task runner, ratings and corrections the reviewer, and training, proof, gate and
rollout the worker, as in normal use. The progress is read from the log, so a killed loop continues where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ...domain.aggregates.run import TaskRun
from ...domain.errors import EnvironmentUnavailable, GrokputerError, Hint
from ...domain.events import CycleClosed, TaskSucceeded
from ...domain.ports import Reviewer
from ...domain.rules.routing import Route
from ...domain.settings.settings import ROLES
from ...domain.vocabulary import Arm
from ...projections.bench import is_lost
from ...projections.wording.escaping import escape_text
from ...projections.wording.sentences import short_text
from ..agent.attempts import ATTEMPTS, find_runs
from ..agent.batch import WIDTH, RunSpec, run_batch
from ..agent.runner import Task, TaskRunner
from ..feedback.reviewer import REVIEWER, TaskReviewer, review
from ..improvement.process_manager import process_new_events
from ..improvement.worker import Reporter, Worker
from ..store.lease import lease
from ..store.ledger import Ledger
from ..use_cases.rollouts import RolloutDecision, promote, roll_back
from ..use_cases.settings import change_setting, unset_setting
from ..use_cases.trainings import request_training
from ..wiring.services import Services
from .plan import Plan, Planned, Reasoned

if TYPE_CHECKING:
    from ...adapters.training.job import Progress

ROLE = "action"

T = TypeVar("T")
L = TypeVar("L", bound="Loop")


class Display:
    """The output of a loop; this class shows nothing."""

    def phase(self, title: str) -> None:
        """A part of the loop begins."""

    def say(self, line: str) -> None:
        """Show one line."""

    def track(self, items: Iterable[T], total: int, title: str) -> Iterable[T]:
        """The items as they come, with a progress bar."""
        return items

    progress: Callable[[Progress], None] = staticmethod(lambda progress: None)
    """Called with each step of the trainer."""


class Lines(Display):
    """Shows whole lines on stderr, with a name where several loops write there."""

    def __init__(self, name: str = "") -> None:
        self.lead = f"{name}: " if name else ""

    def phase(self, title: str) -> None:
        """Show a heading."""
        print(escape_text(f"{self.lead}{title}"), file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Show a line under it."""
        print(escape_text(f"{self.lead}  {line}"), file=sys.stderr, flush=True)


def play(ledger: Ledger, plan: Plan, actor: str, display: Display, reviewer: Reviewer | None = None) -> None:
    """Run the plan on the log, from its present state to its end. Raises ``GrokputerError`` where it cannot continue."""
    with open_loop(Loop, ledger, plan, actor, display, reviewer) as loop:
        loop.play()


@contextmanager
def open_loop(
    kind: type[L], ledger: Ledger, plan: Plan, actor: str, display: Display, reviewer: Reviewer | None = None
) -> Iterator[L]:
    """The loop of this kind on the log, which no other process improves meanwhile. Raises ``GrokputerError``."""
    reporter = Reporter(display.say, display.progress)
    with lease(ledger, reporter.say), Services(ledger, process_new_events(ledger), reporter.say) as services:
        worker = Worker(ledger, services, reporter)
        reviewer = reviewer or TaskReviewer(services.environment(plan.environment))
        yield kind(ledger, services, worker, plan, actor, display, reviewer)


def cycles_closed(ledger: Ledger) -> list[CycleClosed]:
    """The closed cycles, in their order."""
    events = (recorded.event for recorded in ledger.read(1, None, (CycleClosed.TOPIC,)))
    return [event for event in events if isinstance(event, CycleClosed) and event.role == ROLE]


class Loop:
    """A plan on its way. What another benchmark does differently, it overrides: ``measure``, ``give_feedback``, ``task_of``."""

    AFTER = "the same tasks, on new pages"

    def __init__(
        self,
        ledger: Ledger,
        services: Services,
        worker: Worker,
        plan: Plan,
        actor: str,
        display: Display,
        reviewer: Reviewer,
    ) -> None:
        self.ledger = ledger
        self.services = services
        self.worker = worker
        self.plan = plan
        self.actor = actor
        self.display = display
        self.reviewer = reviewer

    def play(self) -> None:
        """Play what is left of the plan. Raises ``GrokputerError`` where it cannot continue."""
        self.display.phase("Settings, recorded with their reasons")
        if minutes := sum(self.plan.minutes.values()):
            self.display.say(f"all of it takes about {minutes} minutes on two cores")
        for key, (value, reason) in self.plan.settings.items():
            self._set(key, value, reason)
        self._phase("before", f"Before any feedback: {self.plan.about}")
        self.measure(0)
        for cycle in range(1, self.plan.cycles + 1):
            of = f" of cycle {cycle} of {self.plan.cycles}" if self.plan.cycles > 1 else ""
            if len(cycles_closed(self.ledger)) < cycle:
                corrects = " and corrects the failures" * ("feedback" in self.plan.corrected)
                self._phase("feedback", f"Feedback{of}: the reviewer rates each run{corrects}")
                self.give_feedback(cycle)
                self._phase("training", f"Training{of}, then the proof and the gate")
                self._improve(cycle)
            self._phase("after", f"Measurement{of}: {self.AFTER}")
            self.measure(cycle)

    def _phase(self, part: str, title: str) -> None:
        self.display.phase(title)
        if part in self.plan.minutes:
            self.display.say(f"takes about {self.plan.minutes[part]} minutes on two cores")

    def _set(self, key: str, value: Any, reason: str) -> None:
        change_setting(self.ledger, key, value, reason=reason, actor=self.actor)
        self.display.say(f"{key} = {short_text(str(value))}: {reason}")
        self.services.state = process_new_events(self.ledger, self.services.state)

    def measure(self, cycle: int) -> None:
        """Runs pinned to the live adapter, unrated: they only measure, and count in no window."""
        live = Route(Arm.PINNED, self.services.state.traffic(ROLE).stable, None)
        for settings, planned in self.plan.measurements(cycle):
            found = find_runs(self.ledger, [plan.id for plan in planned])
            is_played = all(run is not None for run, _ in found)
            with self._holding({} if is_played else settings, settings):
                runs = self.display.track(self.runs(planned, live), len(planned), "measured")
                good = sum(isinstance(run.ended, TaskSucceeded) for run in runs)
            groups = ", ".join(dict.fromkeys(plan.label.detail for plan in planned))
            self.display.say(f"{good} of {len(planned)} succeeded with {live.adapter or 'the base'} ({groups})")
            self.services.state = process_new_events(self.ledger, self.services.state)

    @contextmanager
    def _holding(self, settings: Reasoned, after: Collection[str]) -> Iterator[None]:
        """These settings hold within. After it the keys have the values of the plan again."""
        for key, (value, reason) in settings.items():
            self._set(key, value, reason)
        yield
        for key in after:
            if key in self.plan.settings:
                self._set(key, *self.plan.settings[key])
            elif key in self.services.state.policy.changed:
                unset_setting(self.ledger, key, reason="the measurement has ended", actor=self.actor)
                self.services.state = process_new_events(self.ledger, self.services.state)

    def give_feedback(self, cycle: int) -> None:
        """Make the cycle's rated runs."""
        planned = self.plan.rated(cycle, "feedback")
        for _ in self.display.track(self.rated_runs(planned, 2 * WIDTH), len(planned), "feedback"):
            pass
        window = self.services.state.window(ROLE)
        self.display.say(f"the mean of the last {len(window.ratings)} ratings is {window.mean:.2f}")

    def rated_runs(self, planned: Sequence[Planned], at_a_time: int) -> Iterator[TaskRun]:
        """The runs, rated in groups, so that a correction does not reuse a page of an active run."""
        for start in range(0, len(planned), at_a_time):
            for run in list(self.runs(planned[start : start + at_a_time])):
                if all(rating.actor != REVIEWER for rating in run.ratings):
                    review(
                        self.ledger,
                        run,
                        self.services.environment_of_many(self.plan.environment),
                        corrects=planned[0].label.purpose in self.plan.corrected,
                        reviewer=self.reviewer,
                    )
                yield run
            self.services.state = process_new_events(self.ledger, self.services.state)

    def runs(self, planned: Sequence[Planned], pinned: Route | None = None) -> Iterator[TaskRun]:
        """Each planned run, ended: from the log, or made now. One that lost its browser is repeated."""
        specs: dict[Planned, RunSpec] = {}
        for plan, (run, id) in zip(planned, find_runs(self.ledger, [plan.id for plan in planned]), strict=True):
            if run is not None:
                yield run
            elif id is not None:
                specs[plan] = RunSpec(self.task_of(plan), id, pinned)
            else:
                raise EnvironmentUnavailable(
                    f"the environment was lost {ATTEMPTS} times in {plan.task} with seed {plan.seed}"
                )
        if not specs:
            return
        runner = TaskRunner(
            self.ledger,
            self.services.model,
            self.services.prepare,
            self.services.base_label,
            self.actor,
            beside=self.services.beside,
        )
        place = self.services.environment_of_many(self.plan.environment)
        for run in run_batch(runner, list(specs.values()), place, self.services.state):
            if not is_lost(run.ended):
                yield run
        lost = [plan for plan, spec in specs.items() if is_lost(self.ledger.get(TaskRun, spec.id).ended)]
        if lost:
            yield from self.runs(lost, pinned)

    def task_of(self, planned: Planned) -> Task:
        """The task of the planned run."""
        return Task(self.plan.environment, planned.task, planned.seed, ROLE, str(planned.label))

    def _improve(self, cycle: int) -> None:
        """Run the role's cycle to its end; without an open one, request a training."""
        if self.services.state.rollouts.cycle(ROLE) is None:
            self._open(cycle)
        self._work()
        if not self.plan.canary:
            self._promote_by_plan()
        elif self.services.state.traffic(ROLE).canary is not None:
            self._roll_out(cycle)
        closed = cycles_closed(self.ledger)
        if len(closed) < cycle:
            raise GrokputerError(f"cycle {cycle} did not end", hint=Hint.SEE_STATUS_OF, about=self.ledger.label)
        self.display.say(f"the cycle is closed: {closed[-1].outcome} ({closed[-1].detail})")

    def _open(self, cycle: int) -> None:
        window = self.services.state.window(ROLE)
        reason = (
            f"cycle {cycle} of the plan: no breach, the mean of the last {len(window.ratings)} is {window.mean:.2f}"
        )
        request_training(self.ledger, ROLE, reason=reason, actor=self.actor)
        self.display.say(reason)

    def _work(self) -> None:
        while self.worker.step():
            pass
        self.services.state = process_new_events(self.ledger, self.services.state)

    def _promote_by_plan(self) -> None:
        """Promote every adapter that passed the gate, also of other roles."""
        for role in ROLES:
            if self.services.state.traffic(role).canary is not None:
                self._decide(role, promote, "the plan has no canary: it measures training and gate alone")

    def _roll_out(self, cycle: int) -> None:
        self._phase("canary", "Canary: a share of the runs goes to the adapter")
        for _ in self.display.track(self._canary_runs(cycle), self.plan.canary, "canary"):
            pass
        if self.services.state.traffic(ROLE).canary is not None:
            self._decide(ROLE, roll_back, f"the canary was not decided within {self.plan.canary} rated runs")

    def _canary_runs(self, cycle: int) -> Iterator[TaskRun]:
        """Rated runs, with a check of the canary after every few, until it is decided."""
        planned, every = self.plan.rated(cycle, "canary"), self.plan.look_every
        for start in range(0, len(planned), every):
            yield from self.rated_runs(planned[start : start + every], every)
            self._work()
            if self.services.state.traffic(ROLE).canary is None:
                return

    def _decide(self, role: str, decide: Callable[..., RolloutDecision], reason: str) -> None:
        canary = self.services.state.traffic(role).canary
        assert canary is not None
        decide(self.ledger, canary, reason=reason, actor=self.actor)
        self.services.state = process_new_events(self.ledger, self.services.state)
