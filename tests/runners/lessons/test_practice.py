"""Practice, for real: before a training the embedded model plays fresh pages of the tasks that it failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from grokputer.domain.aggregates.role import RoleImprovement, role_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskFailed, TrainingRequested
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.gather import collect_examples, find_corrected
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import change

SETTINGS = {
    "run.temperature": 5.0, "run.max_tokens": 32, "run.max_steps": 3, "training.retries": 2,
    "training.retry_temperature": 0.01, "training.held_out_share": 0.0, "training.practice": 2,
}  # fmt: skip
"""Runs answer at random and fail; what tries again does not, and succeeds."""


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    ledger = Ledger.create(tmp_path / "events.db")
    for key, value in SETTINGS.items():
        change(ledger, key, value)
    with Services(ledger, process_new_events(ledger)) as parts:
        yield parts


def fail(parts: Services, task: str = "enter-text") -> TaskRun:
    """A run that goes wrong, and is rated so."""
    runner = TaskRunner(parts.ledger, parts.model, parts.prepare, parts.base_label, "ada")
    run = runner.run(Task("miniwob", task, 1), parts.environment("miniwob"), parts.state, id=uuid4())
    assert isinstance(run.ended, TaskFailed)
    context = parts.ledger.context("ada")
    return parts.ledger.write(TaskRun, run.id, lambda it: it.rate(1, "human", [], None, context))


def request(parts: Services) -> TrainingRequested:
    context = parts.ledger.context("ada")
    parts.ledger.write(RoleImprovement, role_id("action"), lambda it: it.open("action", None, "try it", context))
    parts.state = process_new_events(parts.ledger)
    [requested] = [it.event for it in parts.ledger.read(1, None, ("TrainingRequested",))]
    assert isinstance(requested, TrainingRequested)
    return requested


def practised(parts: Services) -> list[TaskRun]:
    """The runs that the program made by itself."""
    started = parts.ledger.read(1, None, ("TaskStarted",))
    return [parts.ledger.get(TaskRun, it.event.originator_id) for it in started if it.event.actor == "grokputer"]


def test_what_was_failed_is_practised_on_fresh_pages_and_learnt_from(parts: Services) -> None:
    failed = fail(parts)
    requested = request(parts)
    collect_examples(parts.ledger, parts, requested, parts.state.policy, print)
    runs = practised(parts)
    assert {(run.started.task, run.started.role, run.started.arm) for run in runs if run.started} == {
        ("enter-text", "action", "pinned")
    }
    assert len({run.started.seed for run in runs if run.started} - {1}) == 2
    learnt = {run.id for run in find_corrected(parts.ledger, "action", 4, 0.0)}
    assert learnt == {run.id.hex for run in [failed, *runs] if isinstance(run.ended, TaskFailed)}
    assert all(correction.is_verified for run in runs for correction in run.corrections)


def test_practice_counts_in_no_window_and_is_done_once_for_each_training(parts: Services) -> None:
    fail(parts)
    requested, before = request(parts), parts.state.window("action")
    for _ in range(2):
        collect_examples(parts.ledger, parts, requested, parts.state.policy, print)
    context = parts.ledger.context("ada")
    for run in practised(parts):  # and if somebody rates it
        parts.ledger.write(TaskRun, run.id, lambda it: it.rate(5, "human", [], None, context))
    assert len(practised(parts)) == 2
    assert process_new_events(parts.ledger).window("action") == before


def test_there_is_no_practice_without_retries_that_could_correct_it(parts: Services) -> None:
    change(parts.ledger, "training.retries", 0)
    fail(parts)
    collect_examples(parts.ledger, parts, request(parts), process_new_events(parts.ledger).policy, print)
    assert practised(parts) == []


def test_a_task_that_cannot_be_had_here_is_not_practised_and_the_reason_is_said(
    parts: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failed = fail(parts)
    requested = request(parts)
    parts.close()
    monkeypatch.setenv("GROKPUTER_BROWSER", str(tmp_path / "nowhere"))
    with Services(parts.ledger, process_new_events(parts.ledger)) as without:
        lines: list[str] = []
        collect_examples(parts.ledger, without, requested, without.state.policy, lines.append)
    assert practised(parts) == []
    [retried, practice] = lines
    assert retried.startswith("failed runs of miniwob are not tried again: ")
    assert practice.startswith("tasks of miniwob are not practised: ")
    assert "nowhere" in retried
    assert not parts.ledger.get(TaskRun, failed.id).corrections
