"""Runs of one question by a model that is told what to do, and logs whose model is behind an endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from command_line import output

from given import OFFERED
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.page.messages import Completion
from grokputer.domain.ports import Model
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.environments.chat import Chat
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger

QUESTION = Task("chat", "What is the capital of France?")


class Answering(Model):
    """A model that does what it was made with, at each question."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def complete(self, messages: Any, **_: Any) -> Completion:
        self.asked += 1
        answered: Completion = self.answer()
        return answered


def runner(ledger: Ledger, model: Any, prepare: Any = lambda name: None) -> TaskRunner:
    return TaskRunner(ledger, model, prepare, "tiny", "ada")


def ask(ledger: Ledger, model: Any) -> TaskRun:
    """The question's run, read back from the log."""
    run = runner(ledger, model).run(QUESTION, Chat(), process_new_events(ledger))
    return ledger.get(TaskRun, run.id)


def endpoint(db: Path, url: str) -> None:
    """A log whose model is behind the URL; a new one where there is none."""
    if not db.exists():
        output("init", db=db)
    for key, value in (("model.backend", "openai"), ("model.endpoint", url), ("model.base", "tiny")):
        output("settings", "set", key, value, db=db)


def begin(ledger: Ledger) -> TaskRun:
    """A run that was begun and is not ended."""
    run = TaskRun(uuid4())
    run.start(
        ledger.context("ada"), role="action", arm="stable", adapter=None, rollout=None, environment="chat",
        capabilities=OFFERED["chat"], task=ledger.put("Why?"), seed=1, base="tiny", session=None, policy={},
    )  # fmt: skip
    ledger.store(run)
    process_new_events(ledger)
    return run
