"""A planned run as it is told: by the commands and on its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import output
from desks import CAT, PLAN, RIGHT, TEA, Desk, Told
from gateways import serving
from page_forms import ask, cookie_of

from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.explain.run_story import tell_run
from grokputer.runners.gateway.pages.runs import describe_run
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change

SENTENCES = ["1. make the tea, until the page shows cup:tea", "2. feed the cat, until a check says so"]


@pytest.fixture
def run(tmp_path: Path) -> TaskRun:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    runner = TaskRunner(ledger, Told([PLAN, "DONE", TEA, *RIGHT[2:]]), lambda name: None, "told", "ada")
    played = runner.run(Task("desk", "tea-and-cat"), Desk(), process_new_events(ledger))
    process_new_events(ledger)
    ledger.close()
    return played


def test_a_run_is_shown_with_its_plan_its_goals_and_what_was_found(tmp_path: Path, run: TaskRun) -> None:
    shown = output("show", run.id.hex, db=tmp_path / "events.db")
    assert "step 1 by decomposition, plan" in shown
    assert all(f"        {sentence}\n" in shown for sentence in SENTENCES)
    assert "step 2 by action, for goal 1  DONE" in shown
    assert "step 3 by recovery, for goal 1" in shown
    assert "step 6 by recovery, check of goal 2  yes" in shown
    assert shown.count("        the goal is reached") == 2


def test_why_tells_the_plan_and_which_steps_reached_its_goals(tmp_path: Path, run: TaskRun) -> None:
    told = output("why", run.id.hex, db=tmp_path / "events.db")
    assert f"plan by decomposition in step 1: {'; '.join(SENTENCES)}" in " ".join(told.split())
    assert "goal 1, step 3 by recovery: the goal is reached" in told


def test_the_page_of_a_run_tells_its_plan_in_sentences(tmp_path: Path, run: TaskRun) -> None:
    db = tmp_path / "events.db"
    shown = describe_run(Ledger.open(db), tell_run(Ledger.open(db), run.id))
    assert shown["steps"][0]["plan"] == SENTENCES
    assert [step["purpose"] for step in shown["steps"]][1:4] == ["for goal 1", "for goal 1", "for goal 2"]
    assert shown["steps"][3]["answer"] == CAT
    with serving(db, with_api=False) as gateway:
        signed_in = {"cookie": cookie_of(gateway, gateway.key)}
        page = ask(gateway, "GET", f"/runs/{run.id.hex}", signed_in).text
        assert all(sentence in page for sentence in SENTENCES) and "check of goal 2" in page
        assert "The right plan, one goal a line" in ask(gateway, "GET", f"/rate/{run.id.hex}", signed_in).text
