"""Practice, for real: before a training the embedded model plays fresh pages of the tasks that it failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from grokputer.domain.aggregates.role import RoleImprovement, role_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskFailed, TrainingRequested
from grokputer.domain.settings.recipe import Recipe
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
def services(tmp_path: Path) -> Iterator[Services]:
    ledger = Ledger.create(tmp_path / "events.db")
    for key, value in SETTINGS.items():
        change(ledger, key, value)
    with Services(ledger, process_new_events(ledger)) as services:
        yield services


def fail(services: Services, task: str = "enter-text") -> TaskRun:
    """A run that goes wrong, and is rated so."""
    runner = TaskRunner(services.ledger, services.model, services.prepare, services.base_label, "ada")
    run = runner.run(Task("miniwob", task, 1), services.environment("miniwob"), services.state, id=uuid4())
    assert isinstance(run.ended, TaskFailed)
    context = services.ledger.context("ada")
    return services.ledger.write(TaskRun, run.id, lambda it: it.rate(1, "human", [], None, context))


def request(services: Services) -> TrainingRequested:
    context = services.ledger.context("ada")
    services.ledger.write(RoleImprovement, role_id("action"), lambda it: it.open("action", None, "try it", context))
    services.state = process_new_events(services.ledger)
    [requested] = [it.event for it in services.ledger.read(1, None, ("TrainingRequested",))]
    assert isinstance(requested, TrainingRequested)
    return requested


def practised(services: Services) -> list[TaskRun]:
    """The runs that the program made by itself."""
    started = services.ledger.read(1, None, ("TaskStarted",))
    return [services.ledger.get(TaskRun, it.event.originator_id) for it in started if it.event.actor == "grokputer"]


def test_failed_tasks_are_practised_once_on_fresh_pages_learnt_from_and_counted_in_no_window(
    services: Services,
) -> None:
    failed = fail(services)
    requested, before = request(services), services.state.window("action")
    for _ in range(2):
        collect_examples(services.ledger, services, requested, services.state.policy, print)
    runs = practised(services)
    assert {(run.started.task, run.started.role, run.started.arm) for run in runs if run.started} == {
        ("enter-text", "action", "pinned")
    }
    assert len({run.started.seed for run in runs if run.started} - {1}) == 2
    learnt = {run.id for run in find_corrected(services.ledger, "action", 4, Recipe(held_out_share=0))}
    assert learnt == {run.id.hex for run in [failed, *runs] if isinstance(run.ended, TaskFailed)}
    assert all(correction.is_verified for run in runs for correction in run.corrections)
    context = services.ledger.context("ada")
    for run in runs:  # and if somebody rates it
        services.ledger.write(TaskRun, run.id, lambda it: it.rate(5, "human", [], None, context))
    assert len(practised(services)) == 2
    assert process_new_events(services.ledger).window("action") == before


def test_there_is_no_practice_without_retries_that_could_correct_it(services: Services) -> None:
    change(services.ledger, "training.retries", 0)
    fail(services)
    collect_examples(services.ledger, services, request(services), process_new_events(services.ledger).policy, print)
    assert practised(services) == []


def test_a_task_that_cannot_be_had_here_is_not_practised_and_the_reason_is_said(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failed = fail(services)
    requested = request(services)
    services.close()
    monkeypatch.setenv("GROKPUTER_BROWSER", str(tmp_path / "nowhere"))
    with Services(services.ledger, process_new_events(services.ledger)) as without:
        lines: list[str] = []
        collect_examples(services.ledger, without, requested, without.state.policy, lines.append)
    assert practised(services) == []
    [retried, practice] = lines
    assert retried.startswith("failed runs of miniwob are not tried again: ")
    assert practice.startswith("tasks of miniwob are not practised: ")
    assert "nowhere" in retried
    assert not services.ledger.get(TaskRun, failed.id).corrections
