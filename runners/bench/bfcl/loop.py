"""The loop of the benchmark: the base with and without examples, then corrections, a training, and the adapter it made.

<out>/plan.json          the arguments, so that a later start cannot use different ones
<out>/events.db          the log: runs, ratings, corrections, trainings, proofs and gates
<out>/text.json          the losses on a general text
<out>/bfcl.json, bfcl.md the results
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path

from ....domain.aggregates.run import TaskRun
from ....domain.errors import GrokputerError
from ....domain.events import AdapterRegistered, CycleClosed, TaskStarted, TaskSucceeded
from ....domain.rules.routing import Route
from ....domain.vocabulary import Arm
from ....projections.bench import Label
from ...agent.batch import WIDTH
from ...agent.runner import Task
from ...environments.bfcl.package import load_checker
from ...environments.bfcl.split import split_entries
from ...improvement.process_manager import process_new_events
from ...store.ledger import Ledger
from ...store.log import Log
from ..arguments import keep_plan, read_plan
from ..loop import ROLE, Display, Loop, open_loop
from ..plan import Planned
from .plan import Arguments, CallPlan

ACTOR = "bench"


def run_bfcl(out: Path, arguments: Arguments, display: Display) -> None:
    """Play the benchmark in the folder, or what is left of it. Raises ``GrokputerError`` where it cannot continue."""
    split_entries(arguments.seed)  # before anything is written: whether package, tasks and checker are there
    load_checker()
    out.mkdir(parents=True, exist_ok=True)
    keep_plan(out, asdict(arguments))
    with open_loop(CallLoop, Ledger.create(log_of(out)), arguments.plan(), ACTOR, display) as loop:
        loop.play()


def log_of(out: Path) -> Path:
    """The log in the folder."""
    return out / "events.db"


def earlier_arguments(out: Path) -> Arguments:
    """The arguments of the folder's last start. Raises ``GrokputerError``."""
    kept = read_plan(out)
    if kept.keys() != {field.name for field in fields(Arguments)}:
        raise GrokputerError(f"{out} is the folder of another benchmark; give another --out")
    return Arguments(**kept)


def adapters_by_cycle(log: Log) -> list[str | None]:
    """The adapter that each closed cycle trained, whether it got traffic or not; None where it trained none."""
    adapters: list[str | None] = []
    newest: str | None = None
    for recorded in log.read(1, None, (AdapterRegistered.TOPIC, CycleClosed.TOPIC)):
        match recorded.event:
            case AdapterRegistered(role=role, adapter=adapter) if role == ROLE:
                newest = adapter
            case CycleClosed(role=role) if role == ROLE:
                adapters.append(newest)
                newest = None
    return adapters


class CallLoop(Loop):
    """The loop of a ``CallPlan``."""

    AFTER = "the same functions, which no training saw"

    plan: CallPlan

    def measure(self, cycle: int) -> None:
        """Pinned runs, unrated: of the base, or of the adapter that the cycle trained, whatever the gate said of it."""
        adapter = adapters_by_cycle(self.ledger)[cycle - 1] if cycle else None
        if cycle and adapter is None:
            self.display.say("the cycle trained no adapter, so there is nothing to measure")
            return
        for _, planned in self.plan.measurements(cycle):
            pinned = Route(Arm.PINNED, adapter, None)
            runs = self.display.track(self.runs(planned, pinned), len(planned), "measured")
            good = sum(isinstance(run.ended, TaskSucceeded) for run in runs)
            self.display.say(f"{good} of {len(planned)} right with {adapter or 'the base'} ({planned[0].label.detail})")
        self.services.state = process_new_events(self.ledger, self.services.state)

    def give_feedback(self, cycle: int) -> None:
        """Runs until so many of them failed and were corrected, of tasks that no earlier cycle had."""
        wanted = self.plan.wanted(cycle)
        given = sum(1 for _ in self.display.track(self._corrected(cycle, wanted), wanted, "corrections"))
        if given < wanted:
            self.display.say(f"only {given} of {wanted} corrections: every task that may be trained on was played")

    def _corrected(self, cycle: int, wanted: int) -> Iterator[TaskRun]:
        """The corrected runs. No more runs at a time than corrections are missing, so there are never too many."""
        known = self._played_before(cycle)
        waiting = [
            planned for planned in self.plan.rated(cycle, "feedback") if (planned.task, planned.seed) not in known
        ]
        while wanted and waiting:
            size = min(2 * WIDTH, wanted)
            now, waiting = waiting[:size], waiting[size:]
            for run in self.rated_runs(now, size):
                if self.ledger.get(TaskRun, run.id).corrections:
                    wanted -= 1
                    yield run

    def _played_before(self, cycle: int) -> set[tuple[str, int]]:
        played = set()
        for recorded in self.ledger.read(1, None, (TaskStarted.TOPIC,)):
            event = recorded.event
            assert isinstance(event, TaskStarted)
            label = Label.read(event.session)
            if label is not None and label.purpose == "feedback" and label.cycle < cycle:
                played.add((event.task, event.seed))
        return played

    def task_of(self, planned: Planned) -> Task:
        """The task of the planned run; some are measured with examples as earlier turns of a conversation."""
        task = super().task_of(planned)
        has_examples = planned.label.detail == f"{self.plan.shots}-shot"
        return replace(task, earlier=self.plan.examples(planned.task)) if has_examples else task
