"""A correction that was withdrawn: it stays in the log, is shown as withdrawn, and teaches nothing from then on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import call, output, refused

from given import ID, SOMEONE, given
from grokputer.adapters.data.training_runs import TOPICS, collect_runs
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import CorrectionWithdrawn, TaskCorrected
from grokputer.domain.settings.settings import Policy
from grokputer.runners.improvement.process_manager import process_new_events
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def withdraw(story: Story) -> None:
    [run] = story.runs
    context = story.ledger.context("bob")
    reason = story.ledger.put("the wrong page")
    story.ledger.write(TaskRun, run, lambda it: it.withdraw_correction(reason, context))
    process_new_events(story.ledger)


def correct(run: TaskRun, key: str = "sha256:cc", source: str = "human") -> None:
    run.correct(source, key, 1, True, SOMEONE)


def begin(run: TaskRun) -> None:
    run.start(
        SOMEONE, role="action", arm="stable", adapter=None, rollout=None, environment="miniwob", task="click-button",
        seed=1, base="embedded", session=None, policy={},
    )  # fmt: skip
    run.fail("wrong", "", 900, -1.0, Policy(), SOMEONE)


def test_the_latest_correction_that_stands_is_withdrawn_and_the_one_before_it_counts_again() -> None:
    given(TaskRun, begin, lambda it: correct(it, "sha256:aa", "reviewer"), correct).when(
        lambda it: it.withdraw_correction("", SOMEONE)
    ).then((CorrectionWithdrawn, {"correction": f"{ID}/4", "source": "human", "corrected_by": "reviewer"}))


def test_a_run_without_a_correction_has_none_to_withdraw() -> None:
    given(TaskRun, begin, correct, lambda it: it.withdraw_correction("", SOMEONE)).when(
        lambda it: it.withdraw_correction("", SOMEONE)
    ).then_refused("no correction")


def test_a_withdrawn_correction_can_be_recorded_again() -> None:
    def again(run: TaskRun) -> None:
        run.withdraw_correction("", SOMEONE)
        correct(run)
        correct(run)

    given(TaskRun, begin, correct).when(again).then(
        (CorrectionWithdrawn, {"corrected_by": None}), (TaskCorrected, {"correction": "sha256:cc"})
    )


def test_a_withdrawn_correction_is_in_no_dataset_and_its_run_is_uncorrected_again(story: Story) -> None:
    story.correct(story.run(succeeds=False))
    assert _learnt(story) == ["human"]
    withdraw(story)
    assert _learnt(story) == [None]


def _learnt(story: Story) -> list[str | None]:
    events = (it.event for it in story.ledger.read(1, None, TOPICS))
    runs = collect_runs(events, "action", story.ledger.get_content)
    return [None if run.correction is None else run.correction.source for run in runs]


def test_a_withdrawn_correction_is_shown_as_withdrawn_wherever_the_run_is_read(story: Story) -> None:
    story.correct(story.run(succeeds=False))
    withdraw(story)
    run = story.runs[0].hex
    shown = output("show", run, db=story.path)
    assert "(human, verified, withdrawn)" in shown
    assert "withdrawn by bob" in shown
    assert "the wrong page" in shown
    assert "withdrawn by bob" in output("why", run, db=story.path)
    assert "withdrawn by bob" in output("lineage", run, db=story.path)
    assert "CorrectionWithdrawn" in output("log", db=story.path)
    with closing(sqlite3.connect(story.path)) as connection:
        [row] = connection.execute(
            "SELECT source, withdrawn IS NOT NULL, text FROM corrections JOIN content ON key = withdrawn_by"
        ).fetchall()
        [corrected] = connection.execute("SELECT corrected_by FROM runs").fetchall()
    assert row == ("human", 1, "bob")
    assert corrected == (None,)


def test_an_adapter_that_learnt_from_it_says_so(story: Story) -> None:
    adapter = story.train(story.fall())
    run, context = story.runs[0], story.ledger.context("bob")
    story.ledger.write(TaskRun, run, lambda it: it.withdraw_correction("", context))
    position = story.ledger.position
    story.prove(adapter)
    assert f"withdrawn at position {position} by bob" in output("lineage", "lora-v1", db=story.path)
    assert f"withdrawn since: {run.hex[:8]}" in output("why", "lora-v1", db=story.path)


def test_a_correction_is_withdrawn_on_the_command_line_with_its_reason(story: Story) -> None:
    run = story.run(succeeds=False)
    story.correct(run)
    said = output("correct", run.hex, "--withdraw", "--reason", "the wrong page", "--as", "bob", db=story.path)
    assert said == f"the correction (human) of {run.hex[:8]} is withdrawn; no correction of the run stands\n"
    assert "no correction" in refused("correct", run.hex, "--withdraw", db=story.path)
    assert call("correct", run.hex, "--withdraw", "--answer", "x", db=story.path).exit_code == 2
