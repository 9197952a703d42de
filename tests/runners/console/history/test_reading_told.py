"""What the command line tells of a run that read its screen: who made the lines, what was wrong with them, what counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import output, refused
from desks import Told
from panes import Pane

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.ports import RoleModel
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change

LINES = "window:Draft\nbutton:Save all\nbutton:Quit"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.create(tmp_path / "events.db")
    settings = {"run.observe": "ocr", "run.max_steps": 2, "run.max_resamples": 0, "rating.rule": "threshold"}
    for key, value in settings.items():
        change(ledger, key, value)
    return ledger


def play(ledger: Ledger, reader: RoleModel | None = None) -> TaskRun:
    """A run that presses the wrong button on a screen whose words it read."""
    runner = TaskRunner(
        ledger, Told(["CLICKtext:Quit[3]", "DONE"]), lambda name: None, "told", "ada",
        beside=lambda role: reader if role == "ocr" else None,
    )  # fmt: skip
    return runner.run(Task("pane", "save"), Pane(), process_new_events(ledger))


def test_a_reading_is_blamed_corrected_and_told_from_the_run_to_the_metric_of_its_role(ledger: Ledger) -> None:
    run, path = play(ledger).id.hex, ledger.path
    ledger.close()
    rated = output("rate", run, "2", "--issue", "ocr_confidence_low", db=path)
    assert rated.splitlines()[0].endswith("is rated 2, ocr at fault")
    assert "is corrected (human, a reading)" in output("correct", run, "--step", "1", "--answer", LINES, db=path)
    shown = " ".join(output("show", run, db=path).split())
    assert "role ocr, arm stable, without an adapter" in shown and "step 1 by ocr, reading text:Draft[1]" in shown
    assert "what was read, corrected by reviewer (reviewer, verified) window*:Draft[1]" in shown
    assert "(human, not verified) window:Draft[1] button:Save all[2] button:Quit[3]" in shown
    told = output("why", run, db=path)
    assert "role ocr: no adapter of its own was live, so its lines are laid out without a model" in told
    assert "role recovery: no adapter of its own was live, so the base makes its steps too" in told
    assert f"what was read in run {run[:8]} corrected by reviewer (reviewer, verified)" in told
    status = output("status", db=path)
    assert "ocr needs 9 more ratings before a training can start: 1 of 10" in status
    assert "ocr, score of the words used: 97.0 % over 1 act, target 92 %" in status
    assert "give 1 to 200, one a line" in refused("correct", run, "--step", "1", "--answer", " ", db=path)


def test_a_role_with_a_model_of_its_own_is_said_to_make_its_steps(ledger: Ledger) -> None:
    run = play(ledger, RoleModel(Told(["button:Save all[1]"]), "eyes@http://localhost")).id.hex
    ledger.close()
    told = output("why", run, db=ledger.path)
    assert "role ocr: no adapter of its own was live, so its own model makes its steps" in told
