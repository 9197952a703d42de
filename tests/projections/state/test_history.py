"""Any history at all: what was live at each moment is what time travel finds there, and what a replay makes of the log.

``GROKPUTER_STEPS=100000`` plays as many steps as it says; the suite itself plays fifteen hundred, and
ten thousand among the slow tests. Some of that is played in PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from stores import server

from grokputer.domain.errors import NotPossible
from grokputer.projections.state import canaries as health
from grokputer.projections.state import ratings
from grokputer.projections.state import rings as recent
from grokputer.projections.state.state import State
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import Head, verify
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store import snapshots
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.place import Place
from grokputer.runners.store.states import load_state
from story import Story, Ticking

STEPS = int(os.environ.get("GROKPUTER_STEPS", "1500"))
LENGTH = 50
"""Steps of one history."""


class History(RuleBasedStateMachine):
    """People run, rate, correct, set, train and decide; somebody else writes too; words are forgotten; programs are killed."""

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(snapshots, "EVERY", 16)
        for module, name, few in (
            (recent, "PER_PART", 3), (recent, "REMEMBERED", 5), (ratings, "KEPT", 6), (health, "KEPT", 6),
        ):  # fmt: skip
            self.patch.setattr(module, name, few)  # so that parts are begun and dropped in a short history
        self.folder = Path(tempfile.mkdtemp())
        self.story = Story(self.find_place(), clock := Ticking())
        self.clock, self.live, self.heads = clock, dict[int, dict[str, bytes]](), list[Head]()
        self.trained: list[UUID] = []
        self.known: State | None = None

    def find_place(self) -> Place:
        """Where the log is: a file."""
        return self.folder / "events.db"

    def teardown(self) -> None:
        try:
            assert replay(self.story.ledger).is_equal
        finally:
            self.patch.undo()
            self.story.ledger.close()
            shutil.rmtree(self.folder)

    @rule(succeeds=st.booleans(), session=st.sampled_from([None, "s1", "s2"]))
    def run(self, succeeds: bool, session: str | None) -> None:
        self.story.run(succeeds=succeeds, session=session)

    @precondition(lambda self: self.story.runs)
    @rule(index=st.integers(0, 30), stars=st.integers(1, 5), actor=st.sampled_from(["ada", "bob"]))
    def rate(self, index: int, stars: int, actor: str) -> None:
        self.story.rate(self.story.runs[-1 - index % len(self.story.runs)], stars, actor, "said so")

    @precondition(lambda self: self.story.runs)
    @rule(index=st.integers(0, 30))
    def correct(self, index: int) -> None:
        self.story.correct(self.story.runs[-1 - index % len(self.story.runs)])

    @rule(window=st.integers(5, 30))
    def set(self, window: int) -> None:
        self.story.set("rating.window", window)

    @rule(name=st.sampled_from(["rating", "canary"]), is_sequential=st.booleans())
    def judge_by(self, name: str, is_sequential: bool) -> None:
        self.story.set(f"{name}.rule", "sequential" if is_sequential else "threshold")

    @rule(unit=st.sampled_from(["run", "session"]))
    def count_by(self, unit: str) -> None:
        self.story.set("canary.randomization_unit", unit)

    @precondition(lambda self: len(self.story.runs) > 1)
    @rule()
    def train(self) -> None:
        """A training that waits ends with an adapter, which passes; where none waits a person asks for one."""
        waiting = [UUID(id) for id, it in self.state().registry.trainings.items() if it.status == "requested"]
        try:
            self.story.prove(self.story.train(waiting[0] if waiting else self.story.ask()))
        except NotPossible:
            return  # A cycle is in flight.

    @rule(verdict=st.sampled_from(["hold", "promote", "roll back", "inconclusive"]))
    def assess(self, verdict: str) -> None:
        for rollout in self.state().undecided:
            self.story.assess(UUID(rollout), verdict, verdict)

    @precondition(lambda self: self.story.runs)
    @rule(index=st.integers(0, 30))
    def forget(self, index: int) -> None:
        erase(self.story.ledger, Target(run=self.story.runs[-1 - index % len(self.story.runs)].hex), "asked for", "ada")
        process_new_events(self.story.ledger)

    @rule()
    def restart(self) -> None:
        """Another process goes on."""
        self.story.ledger.close()
        self.story.ledger = Ledger.open(self.story.place, self.clock)

    @rule(lost=st.sampled_from(["checkpoints", "moments", "tracking"]))
    def lose(self, lost: str) -> None:
        """Caches are lost; how far the process has come is not known any more."""
        self.story.ledger.change(lambda it: it.connection.execute(f"DELETE FROM {lost}"))
        process_new_events(self.story.ledger)

    @rule()
    def look_at_all(self) -> None:
        assert replay(self.story.ledger).is_equal
        found = verify(self.story.ledger, self.heads[-5:])
        assert found.fault is None
        self.heads.append(found.head)

    @rule(data=st.data())
    def travel(self, data: st.DataObject) -> None:
        if self.live:
            position = data.draw(st.sampled_from(sorted(self.live)))
            assert load_state(self.story.ledger, position).dump() == self.live[position]

    @invariant()
    def note(self) -> None:
        if hasattr(self, "story"):
            state = self.state()
            self.live[state.position] = state.dump()

    def state(self) -> State:
        """As of the end, from what is kept; and the same where one goes on from what one knows."""
        ways: list[Callable[[], State]] = [
            lambda: process_new_events(self.story.ledger), lambda: process_new_events(self.story.ledger, self.known)
        ]  # fmt: skip
        first = self.story.ledger.position % 2
        states = {first: ways[first]()}
        states[1 - first] = ways[1 - first]()
        self.known = states[1]
        assert states[0].dump() == states[1].dump()
        return states[0]


History.TestCase.settings = settings(
    max_examples=max(1, STEPS // LENGTH), stateful_step_count=LENGTH, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestAnyHistory = History.TestCase


class HistoryInPostgres(History):
    """The same in a database."""

    def find_place(self) -> Place:
        return server().place()


HistoryInPostgres.TestCase.settings = settings(History.TestCase.settings, max_examples=max(1, STEPS // 15 // LENGTH))
TestAnyHistoryInPostgres = HistoryInPostgres.TestCase


class LongHistory(History):
    """The same at length."""


LongHistory.TestCase.settings = settings(History.TestCase.settings, max_examples=10_000 // LENGTH)
TestLongHistory = pytest.mark.slow(LongHistory.TestCase)
