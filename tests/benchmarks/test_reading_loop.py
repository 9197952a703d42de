"""The benchmark of readings counts what a run saw, also where the answer of role ``ocr`` could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from desks import Told
from panes import READ, TREE, Pane

from grokputer.benchmarks.reading_loop import add, rate_run, readings_of
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.page.reading import LineShare, compare_lines
from grokputer.domain.ports import RoleModel
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change


def play(ledger: Ledger, reads: Sequence[str], pressed: str = READ[1]) -> TaskRun:
    change(ledger, "run.max_resamples", 0)
    change(ledger, "run.observe", "ocr")
    own = RoleModel(Told(reads), "reader@here")
    beside = {"ocr": own}.get
    runner = TaskRunner(ledger, Told([f"CLICK{pressed}"]), lambda name: None, "told", "ada", beside=beside)
    return runner.run(Task("pane", "save"), Pane(), process_new_events(ledger))


@pytest.mark.parametrize("answer", ["I see a draft.\nAnd a button.\nAnd more.\nAnd more.\nAnd more.", "", "  \n"])
def test_an_answer_that_cannot_be_read_counts_as_the_lines_of_the_words(tmp_path: Path, answer: str) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    run = play(ledger, [answer])
    assert run.steps[0].found == "unreadable"
    [(_, read, tree)] = readings_of(ledger, run)
    assert (read, tree) == (list(READ), list(TREE))
    assert compare_lines(tree, read, by_text=True).given == len(READ)


def test_a_run_without_one_readable_answer_is_rated_and_role_ocr_blamed(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    run = play(ledger, ["nothing that is a line"])
    rate_run(ledger, run, readings_of(ledger, run))
    [rating] = ledger.get(TaskRun, run.id).ratings
    assert (rating.stars, rating.fault) == (1, "ocr")


def test_an_answer_of_lines_counts_as_they_are(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    [(_, read, tree)] = readings_of(ledger, play(ledger, ["\n".join(TREE)], TREE[1]))
    assert add(LineShare(0, 0, 0), compare_lines(tree, read)) == (len(TREE), len(TREE), len(TREE))
