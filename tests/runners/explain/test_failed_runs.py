"""The runs that failures are counted from: what fails, at which step, and what is not counted."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import output
from failing import LOGIN, PRESS, play
from logged_sessions import write_lines

from grokputer.domain.aggregates.base import ACTOR
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.page.tools import write_call
from grokputer.projections.explain.failures.ended_run import EndedRun
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.explain.failed_runs import examine
from grokputer.runners.explain.run_filter import RunFilter
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import Standing, Story, change

EVERYTHING = 10**9


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "events.db", Standing())


def only(ledger: Ledger) -> EndedRun:
    [run] = examine(ledger, EVERYTHING, RunFilter()).runs
    return run


@pytest.mark.parametrize(
    ("ends", "stars", "is_failure", "is_known"),
    [
        ("wrong", None, True, True),
        ("timeout", None, True, True),
        ("error", None, True, True),
        ("wrong", 5, True, True),
        ("succeeded", None, False, True),
        ("succeeded", 3, True, True),
        ("succeeded", 4, False, True),
    ],
)
def test_a_run_fails_by_its_end_or_by_a_low_rating(
    ledger: Ledger, ends: str, stars: int | None, is_failure: bool, is_known: bool
) -> None:
    play(ledger, ends=ends, stars=stars)
    run = only(ledger)
    assert (run.is_failure, run.is_known) == (is_failure, is_known)


@pytest.mark.parametrize(("stars", "is_failure", "is_known"), [(None, False, False), (2, True, True), (5, False, True)])
def test_an_answer_that_nothing_judges_is_known_by_its_rating_alone(
    ledger: Ledger, stars: int | None, is_failure: bool, is_known: bool
) -> None:
    play(ledger, ["Capital of France?"], ["Paris"], environment="chat", ends="answered", stars=stars)
    run = only(ledger)
    assert (run.family, run.is_failure, run.is_known) == ("chat", is_failure, is_known)


def test_an_error_of_a_run_that_nothing_judges_is_a_failure_of_no_rate(ledger: Ledger) -> None:
    play(ledger, ["Capital of France?"], [], environment="chat", ends="error")
    run = only(ledger)
    assert (run.is_failure, run.is_known) == (True, False)


def test_an_answer_that_was_judged_a_failure_fails(ledger: Ledger) -> None:
    change(ledger, "rating.success_stars", 5)
    run = play(ledger, ["Capital of France?"], ["Rome"], environment="chat", ends="answered", stars=4)
    process_new_events(ledger)
    assert ledger.get(TaskRun, run).succeeded is False
    assert only(ledger).is_failure


def test_the_newest_rating_counts(ledger: Ledger) -> None:
    run = play(ledger, ends="succeeded", stars=1)
    ledger.write(TaskRun, run, lambda played: played.rate(5, "human", [], None, ledger.context("ada")))
    assert not only(ledger).is_failure


def test_the_step_that_a_low_rating_names_is_the_one_that_went_wrong(ledger: Ledger) -> None:
    play(ledger, answers=["CLICKspan:Username[1]", PRESS, PRESS], errors=["", "", "no"], stars=2, step=1)
    run = only(ledger)
    assert run.step == 1
    assert run.trace is not None and run.trace.target == "span"


def test_without_a_named_step_it_is_the_first_with_an_error_and_else_the_last(ledger: Ledger) -> None:
    play(ledger, answers=[PRESS] * 4, errors=["", "no", "no", ""])
    assert only(ledger).step == 2
    play(ledger, answers=[PRESS] * 4)
    assert examine(ledger, 1, RunFilter()).runs[0].step == 4


def test_a_run_that_failed_before_its_first_step_has_no_step_and_a_trace_of_its_reason(ledger: Ledger) -> None:
    play(ledger, answers=[], ends="error")
    run = only(ledger)
    assert run.step is None and run.trace is not None
    assert (run.trace.verb, run.trace.target) == ("NO STEP", "error")


def test_a_step_that_called_a_function_is_told_by_its_name(ledger: Ledger) -> None:
    calls = ledger.put(json.dumps([write_call("get_weather", {})]))
    play(ledger, ["Weather?"], ["it calls"], environment="chat", ends="answered", stars=1, calls=calls)
    run = only(ledger)
    assert run.trace is not None and run.trace.target == "get_weather"


def test_runs_that_go_on_were_lost_or_are_the_programs_own_are_not_counted(ledger: Ledger) -> None:
    play(ledger, ends="running")
    play(ledger, ends="environment")
    play(ledger, arm="pinned", adapter="lora-v1", actor=ACTOR)
    play(ledger, arm="pinned", adapter="lora-v1", actor="ada")
    examined = examine(ledger, EVERYTHING, RunFilter())
    assert examined.left_out == {"running": 1, "lost": 1, "trials": 1}
    assert [run.adapter for run in examined.runs] == ["lora-v1"]


def test_the_newest_runs_that_meet_the_conditions_are_examined(ledger: Ledger) -> None:
    for task in ("login-user", "click-tab", "login-user", "click-tab", "login-user"):
        play(ledger, task=task)
    examined = examine(ledger, 2, RunFilter(task="login-*"))
    assert [run.family for run in examined.runs] == ["miniwob/login-user"] * 2
    assert examined.runs[0].position > examined.runs[1].position


@pytest.mark.parametrize("erased", ["prompt", "answer", "error"])
def test_a_failure_with_an_erased_text_has_no_trace(ledger: Ledger, erased: str) -> None:
    run = play(ledger, answers=[PRESS], errors=["covered"])
    [step] = ledger.get(TaskRun, run).steps
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute("DELETE FROM content WHERE key = ?", (getattr(step, erased),))
    assert only(ledger).trace is None


def test_a_forgotten_run_is_a_failure_without_a_trace(ledger: Ledger) -> None:
    run = play(ledger, stars=1, issues=["wrong_action"])
    erase(ledger, Target(run=run.hex), "asked for", "bob")
    told = only(ledger)
    assert (told.is_failure, told.trace, told.stars) == (True, None, 1)


def test_an_imported_session_is_counted_by_its_rating_under_the_adapter_it_names(tmp_path: Path) -> None:
    db = Ledger.create(tmp_path / "events.db").path
    session = {
        "task": "Sort the invoices", "user_rating": 2, "what_went_wrong": ["wrong_action", "too slow"], "lora_version": "v7",
        "iterations": [{"response": "Documents"}, {"action": "open", "observation": "empty folder"}],
    }  # fmt: skip
    output("runs", "import", write_lines(tmp_path / "sessions.jsonl", session), db=db)
    run = only(Ledger.open(db))
    assert (run.is_failure, run.family, run.adapter) == (True, "chat", "imported:v7")
    assert set(run.issues) == {"wrong_action", "too slow"}
    assert (run.step, run.trace is not None) == (2, True)


def test_a_run_of_several_roles_counts_for_each_that_made_a_step(ledger: Ledger) -> None:
    play(ledger, answers=[PRESS, PRESS], roles=["action", "recovery"], stars=1, step=2)
    run = only(ledger)
    assert (run.roles, run.fault) == (("action", "recovery"), "recovery")


def test_a_correction_counts_until_it_is_withdrawn(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    run = story.run(succeeds=False)
    story.correct(run)
    assert examine(story.ledger, 1, RunFilter()).runs[0].is_corrected
    output("correct", run.hex, "--withdraw", db=story.path)
    assert not examine(story.ledger, 1, RunFilter()).runs[0].is_corrected


def test_edited_tables_change_no_count(ledger: Ledger) -> None:
    play(ledger, LOGIN)
    process_new_events(ledger)
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute("UPDATE runs SET status = 'succeeded', succeeded = 1, stars = 5")
    assert only(ledger).is_failure


def test_an_empty_log_has_nothing_to_count(ledger: Ledger) -> None:
    examined = examine(ledger, EVERYTHING, RunFilter())
    assert (examined.runs, examined.left_out.total()) == ([], 0)
