"""Errors of steps: they may quote what a person or a page wrote, so they are kept whole, and can be erased."""

from __future__ import annotations

from pathlib import Path

from asking import Answering, runner
from command_line import output
from stored_text import NAME, files_of

from grokputer.domain.events import Capability, StepTaken, TaskFailed
from grokputer.domain.page.messages import Completion, Page
from grokputer.domain.ports import Environment
from grokputer.runners.agent.runner import Task
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger

ERROR = f"can't open the user's file of {NAME}\nit's locked"


class Locked(Environment):
    """A page on which every action fails with an error that has apostrophes and quotes a name."""

    capabilities = frozenset[Capability]()

    def reset(self, task: str, seed: int) -> Page:
        return Page("Open the file.", ("button:Ok[1]",))

    def act(self, action: str) -> Page:
        return Page("Open the file.", ("button:Ok[1]",), is_done=True, error=ERROR)

    def beside(self, seat: int) -> Locked:
        return self


def fail(ledger: Ledger) -> str:
    """A run that fails with the error; its id."""
    model = Answering(lambda: Completion("CLICKbutton:Ok[1]", 1, 1, 1))
    run = runner(ledger, model).run(Task("miniwob", "open-file"), Locked(), process_new_events(ledger))
    process_new_events(ledger)
    return run.id.hex


def test_an_error_with_apostrophes_is_read_as_it_was(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    run = fail(ledger)
    shown = [ledger.reveal(it).event for it in ledger.read()]
    assert [event.error for event in shown if isinstance(event, StepTaken)] == [ERROR]
    assert [event.detail for event in shown if isinstance(event, TaskFailed)] == [ERROR]
    assert f"can't open the user's file of {NAME}" in output("show", run, db=ledger.path)
    ledger.close()


def test_words_that_an_error_quotes_without_quotation_marks_go_with_the_run(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    run = fail(ledger)
    assert NAME.encode() in files_of(ledger.path)
    erase(ledger, Target(run=run), "asked for", "bob")
    assert NAME.encode() not in files_of(ledger.path)
    assert "error: (erased)" in output("show", run, db=ledger.path)
    ledger.close()
