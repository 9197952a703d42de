"""Many runs at a time, for real: the embedded model in tabs of one browser."""

from __future__ import annotations

import weakref
from pathlib import Path
from uuid import uuid4

import pytest
from desks import Desk, Told

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import UnknownTask
from grokputer.domain.events import TaskFailed, TaskSucceeded
from grokputer.domain.rules.routing import Route
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner, acts_of
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services


def test_no_more_episodes_are_alive_than_are_played_at_once(tmp_path: Path) -> None:
    alive, most = weakref.WeakSet[Desk](), list[int]()

    class Counted(Desk):
        def beside(self, seat: int) -> Desk:
            desk = Desk()
            alive.add(desk)
            most.append(len(alive))
            return desk

    ledger = Ledger.create(tmp_path / "events.db")
    runner = TaskRunner(ledger, Told(["DONE"] * 80), lambda name: None, "told", "ada")
    specs = [RunSpec(Task("desk", "tea-and-cat", seed), uuid4()) for seed in range(8)]
    state = process_new_events(ledger)
    assert len(list(run_batch(runner, specs, Counted(), state, width=2))) == 8
    assert len(most) == 8 and max(most) == 2


def test_a_batch_of_runs_is_what_the_runs_are_alone_and_a_fault_is_of_one_run(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    with Services(ledger, process_new_events(ledger)) as parts:
        runner = TaskRunner(ledger, parts.model, parts.prepare, parts.base_label, "ada")
        environment = parts.environment("miniwob")
        tasks = [
            Task("miniwob", task, seed) for task in ("click-test-2", "click-dialog", "enter-text") for seed in (1, 2)
        ]
        wanted = [RunSpec(task, uuid4()) for task in tasks]
        wanted.append(RunSpec(tasks[0], uuid4(), Route("pinned", "lora-v9", None)))
        wanted.append(RunSpec(Task("miniwob", "click-test-2", 3), uuid4()))
        together = {run.id: run for run in run_batch(runner, wanted, environment, parts.state, width=4)}
        assert together.keys() == {it.id for it in wanted}
        for it in wanted[:6]:
            alone = runner.run(it.task, environment, parts.state)
            stored = ledger.get(TaskRun, it.id)
            assert stored.ended == together[it.id].ended
            assert [type(stored.ended), acts_of(ledger, stored)] == [type(alone.ended), acts_of(ledger, alone)]
        broken = together[wanted[6].id].ended
        assert isinstance(broken, TaskFailed) and broken.reason == "error"
        assert isinstance(together[wanted[7].id].ended, TaskSucceeded)
        before = ledger.position
        with pytest.raises(UnknownTask):
            list(run_batch(runner, [RunSpec(Task("miniwob", "click-buton"), uuid4())], environment, parts.state))
        assert ledger.position == before
