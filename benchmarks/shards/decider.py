"""The decider, as a process: it follows the decision log and decides on canaries, by the product's own rules.

    python -m grokputer.benchmarks.shards.decider FLEET

``Decisions`` is a function of the decision log alone. Each letter of a batch becomes the events that the product's state takes,
and what follows is asked of ``domain.process`` after each run, as on one log. It takes the runs to come one after the other, in
the order of the batches. A verdict has the time of the batch that it follows, so that folding the log again gives it again.

Only decisions on rollouts are made here. Breaches of ratings would need every rating in order, not only those of rollouts.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from eventsourcing.persistence import PersistenceError, Tracking

from grokputer.domain.aggregates.base import ACTOR, Aggregate, Context
from grokputer.domain.errors import GrokputerError, LogError
from grokputer.domain.events import Event, RolloutEvent
from grokputer.domain.process.commands import (
    PauseRollout,
    PromoteAdapter,
    RecordVerdict,
    RollBackAdapter,
    WeighCanary,
)
from grokputer.domain.process.improvement import decide
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import carry_out
from grokputer.runners.store.lease import lease
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.place import read_place

from .counted import RunsCounted, known
from .layout import AGAIN_S, Layout, patiently
from .tally import outcomes

NAME = "decider"
IDLE_S = 0.02
"""Seconds between two looks at the decision log; chosen: a look is one point read."""
DECISIONS = (RecordVerdict, WeighCanary, PromoteAdapter, RollBackAdapter, PauseRollout)
A = TypeVar("A", bound=Aggregate)


class Decisions:
    """The fold of the decision log: where each rollout is, and what must be decided after each event."""

    def __init__(self) -> None:
        self.state = State()
        """The product's state. Its positions number what it was given, because a batch stands for many events."""
        self.runs = 0
        """Runs that were counted for a rollout under way."""
        self._histories: dict[UUID, list[Event]] = {}

    def get(self, kind: type[A], id: UUID) -> A:
        """The aggregate after its decisions so far, made or stored."""
        return kind.project(id, self._histories.get(id, ()))

    def take(self, event: Event) -> list[Event]:
        """Follow the next event of the decision log; the decisions that follow from it."""
        if isinstance(event, RunsCounted):
            self.state.apply(self.state.position + 1, event)
            made = list[Event]()
            for run in outcomes(event, self.runs, self.state.undecided):
                self.runs += 1
                made += self._follow(run)
            return made
        if isinstance(event, RolloutEvent):
            history = self._histories.setdefault(event.originator_id, [])
            if event.originator_version <= len(history):
                self._require_same(history[event.originator_version - 1], event)
                return []
            history.append(event)
        return self._follow([event])

    def _require_same(self, made: Event, stored: Event) -> None:
        """Raise ``LogError`` unless the stored decision is the one that was made here."""
        if made != stored:
            raise LogError(f"{stored.TOPIC} {stored.reference} is not what follows from the decision log")

    def _follow(self, events: Iterable[Event]) -> list[Event]:
        """Apply the events, and then what follows from them: decisions come after all events of a run, as in one log."""
        waiting, made = deque(events), list[Event]()
        while waiting:
            event = waiting.popleft()
            self.state.apply(self.state.position + 1, event)
            for command in decide(event, self.state):
                if isinstance(command, DECISIONS):
                    context = Context(event.time, ACTOR, event.reference)
                    target = carry_out(self, command, self.state.policy, context)
                    decisions = target.collect_events()
                    self._histories.setdefault(target.id, []).extend(decisions)
                    made += decisions
                    waiting += decisions
        return made


class Decider:
    """Follows the decision log and stores what must be decided, once."""

    def __init__(self, decisions: Ledger) -> None:
        self._decisions = decisions
        self._fold, self.position = Decisions(), 0
        self._stored = decisions.tracked(NAME)

    @property
    def runs(self) -> int:
        """Runs that were counted for a rollout under way."""
        return self._fold.runs

    def follow(self) -> bool:
        """Take the new events; whether there were any. After ``IntegrityError`` and ``LogError`` a new decider begins."""
        before = self.position
        for position, event in self._decisions.read(self.position + 1):
            made = self._fold.take(event)
            if made and position > self._stored:
                self._store(position, made)
            self.position = position
        return self.position > before

    def _store(self, position: int, made: Sequence[Event]) -> None:
        targets = list[Aggregate]()
        for id in dict.fromkeys(event.originator_id for event in made):
            targets.append(Aggregate(id))
            targets[-1].take_back([event for event in made if event.originator_id == id])
        self._decisions.store(*targets, tracking=Tracking(NAME, position))
        self._stored = position


def main() -> None:
    """Decide until this is killed."""
    layout = Layout.load(Path(sys.argv[1]))
    with known(), layout.file("decider.decided").open("a") as times:
        decisions = patiently(lambda: Ledger.open(read_place(layout.decisions)))
        print("ready", flush=True)
        while True:
            try:
                with lease(decisions):
                    decider = Decider(decisions)
                    while True:
                        if decider.follow():
                            times.write(f"{decider.position} {time.time():.6f}\n")
                            times.flush()
                        else:
                            time.sleep(IDLE_S)
            except (GrokputerError, PersistenceError):
                time.sleep(AGAIN_S)


if __name__ == "__main__":
    main()
