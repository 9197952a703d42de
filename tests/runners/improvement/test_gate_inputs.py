"""The gate repeats held-out tasks with the pictures and sounds that they had."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from desks import Desk, Told

from grokputer.adapters.data.held_out import HeldOut
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.page.media import IMAGE, write_url
from grokputer.domain.vocabulary import AdapterStatus
from grokputer.projections.state.registry import Adapter
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import TaskRunner
from grokputer.runners.improvement.gate import _Bench, add_fresh, repeated_task
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import change

URL = write_url(b"\x89PNG\r\n\x1a\n" + bytes(40))


class Seeing(Told):
    """A model that takes pictures."""

    takes = frozenset({IMAGE})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.plan", "never")
    return ledger


def held(ledger: Ledger, *, has_picture: bool = True, seed: int = 7) -> HeldOut:
    inputs = (ledger.put_picture(URL),) if has_picture else ()
    return HeldOut(
        "r", "desk", "tea-and-cat", seed, "failed", (), f"desk/tea#{seed}", is_repeatable=True, inputs=inputs
    )


def play(ledger: Ledger, held_out: HeldOut) -> TaskRun:
    task = repeated_task(ledger, held_out, "gate/x")
    assert task is not None
    runner = TaskRunner(ledger, Seeing(["DONE"]), lambda name: None, "told", "ada")
    [run] = run_batch(runner, [RunSpec(task, uuid4())], Desk(), process_new_events(ledger))
    return run


def test_a_run_of_the_gate_has_the_pictures_of_the_original_run(ledger: Ledger) -> None:
    original = held(ledger)
    run = play(ledger, original)
    assert run.started is not None and (run.started.inputs, run.started.seed) == (original.inputs, 7)
    assert original.inputs[0] in (ledger.get_content(run.steps[0].prompt) or "")


def test_a_task_whose_picture_was_erased_is_not_repeated(ledger: Ledger) -> None:
    gone = HeldOut("r", "desk", "tea", 1, "failed", (), "desk/tea#1", inputs=("sha256:" + "0" * 64,))
    assert repeated_task(ledger, gone, "gate/x") is None


def test_fresh_pages_are_made_of_tasks_without_pictures(ledger: Ledger) -> None:
    pictured, plain = held(ledger), held(ledger, has_picture=False, seed=8)
    assert add_fresh([pictured], 4, uuid4()) == [pictured]
    filled = add_fresh([pictured, plain], 4, uuid4())
    assert len(filled) == 4 and [it.inputs for it in filled[1:]] == [(), (), ()]


def test_a_task_whose_picture_the_model_does_not_take_is_left_out_and_said(ledger: Ledger) -> None:
    said, pictured = list[str](), held(ledger)
    with Services(ledger, process_new_events(ledger)) as services:
        services._model, services._model_settings = Told([]), services.state.policy.model
        services._base_label, services._environments["desk"] = "told", (None, Desk())
        services.state.registry.adapters["x"] = Adapter(  # type: ignore[index]
            "x", uuid4().hex, "action", AdapterStatus.PROVEN, "", "", "told", "", None, "", "", 1, ""
        )
        bench = _Bench(ledger, services, "x", lambda done, total: None, said.append)
        assert bench.play([pictured]) == []
    assert said == [
        "desk/tea#7 does not count for the gate: the model told takes no pictures; set model.base to a model that does, or "
        "model.backend to openai and model.endpoint to a server of one"
    ]
