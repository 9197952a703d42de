"""What learns from runs on pages learns from runs of commands too: retries, practice, and a whole benchmark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from grokputer.domain.aggregates.role import RoleImprovement, role_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.events import TaskFailed, TaskSucceeded, TrainingRequested
from grokputer.domain.page.messages import Completion, Message
from grokputer.domain.ports import Model
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.bench.loop import Display, play
from grokputer.runners.bench.plan import Plan
from grokputer.runners.bench.report import read_learning
from grokputer.runners.environments.sandbox.choice import find_sandbox
from grokputer.runners.environments.shell.environment import Shell
from grokputer.runners.environments.shell.families import OWN
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.gather import collect_examples
from grokputer.runners.lessons.retries import RetryPolicy, correct_by_retries
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import change


class Deleter(Model):
    """Knows how a file is deleted, and says so only when it is asked to try."""

    def complete(self, messages: Sequence[Message], *, temperature: float = 0.0, **_: Any) -> Completion:
        [name] = re.findall(r"\w+\.txt", messages[-1]["content"].splitlines()[0])
        return Completion(f"RUN mv {name} .trash/" if temperature else f"RUN rm {name}", 1, 1, 1)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_steps", 2)
    change(ledger, "run.max_resamples", 0)
    with Services(ledger, process_new_events(ledger)) as services:
        services._model, services._model_settings = Deleter(), services.state.policy.model
        yield services


def fail(services: Services, seeds: Sequence[int]) -> list[TaskRun]:
    """Runs that delete a file for good, side by side, and are rated so."""
    ledger = services.ledger
    runner = TaskRunner(ledger, services.model, services.prepare, "tiny", "ada")
    wanted = [RunSpec(Task("shell", "delete-file", seed), uuid4()) for seed in seeds]
    runs = list(run_batch(runner, wanted, services.environment("shell"), services.state))
    assert all(isinstance(run.ended, TaskFailed) and run.ended.reason == "timeout" for run in runs)
    context = ledger.context("ada")
    return [ledger.write(TaskRun, run.id, lambda it: it.rate(1, "human", [], None, context)) for run in runs]


def test_a_failed_command_task_is_tried_again_in_the_sandbox_and_a_success_corrects_it(services: Services) -> None:
    runs = fail(services, range(5))
    sampling = RetryPolicy(None, attempts=2, temperature=0.5, exploration=1.0)  # of commands there is none
    place = services.environment("shell")
    failed = [(run, 1) for run in runs]
    corrected = list(correct_by_retries(services.ledger, failed, place, services.model, sampling, "ada", width=3))
    assert {run.id for run in corrected} == {run.id for run in runs}
    assert all(it.corrections[-1].is_verified and it.corrections[-1].steps == 1 for it in corrected)


def test_tasks_of_commands_are_practised_on_fresh_folders(services: Services) -> None:
    ledger = services.ledger
    for key, value in {"training.retries": 2, "training.practice": 3, "training.held_out_share": 0.0}.items():
        change(ledger, key, value)
    change(ledger, "training.retry_temperature", 0.5)
    fail(services, [1])
    context = ledger.context("ada")
    ledger.write(RoleImprovement, role_id("action"), lambda it: it.open("action", None, "try it", context))
    services.state = process_new_events(ledger)
    [requested] = [it.event for it in ledger.read(1, None, ("TrainingRequested",))]
    assert isinstance(requested, TrainingRequested)
    said: list[str] = []
    collect_examples(ledger, services, requested, services.state.policy, said.append)
    assert said == []
    runs = [ledger.get(TaskRun, it.event.originator_id) for it in ledger.read(1, None, ("TaskStarted",))]
    assert [run.started.task for run in runs if run.started] == ["delete-file"] * 4
    assert all(run.corrections[-1].is_verified for run in runs)


def test_a_run_of_commands_that_does_the_task_succeeds(services: Services) -> None:
    change(services.ledger, "run.temperature", 0.5)
    services.state = process_new_events(services.ledger)
    runner = TaskRunner(services.ledger, services.model, services.prepare, "tiny", "ada")
    run = runner.run(Task("shell", "delete-file", 8), services.environment("shell"), services.state)
    assert isinstance(run.ended, TaskSucceeded) and run.ended.steps == 1


@pytest.mark.slow
def test_the_learning_benchmark_plays_in_a_shell(tmp_path: Path, tiny_base: Path) -> None:
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    values = {
        "model.base": str(tiny_base), "run.max_steps": 1, "run.max_tokens": 16, "rating.minimum": 100,
        "training.retries": 0, "training.epochs": 1, "training.min_examples": 1, "training.held_out_share": 0.0,
        "training.batch": 8, "training.accumulation": 1,
    }  # fmt: skip
    plan = Plan(
        tasks=("delete-file",), old_tasks=(), feedback=5, canary=0, measured=2, environment="shell",
        settings={key: (value, "small") for key, value in values.items()},
    )  # fmt: skip
    ledger = Ledger.create(tmp_path / "events.db")
    play(ledger, plan, "bench", Display())
    learning = read_learning(ledger)
    assert [it.group("unseen").runs for it in learning.cycles] == [2, 2]
    done = Counter(recorded.event.TOPIC for recorded in ledger.read())
    assert done["TaskCorrected"] == 5 and done["TrainingCompleted"] == 1


def test_a_benchmark_suggests_all_tasks_where_the_base_knows_none() -> None:
    learnt, old = Shell(OWN).suggest_tasks()
    assert (len(learnt), old) == (len(OWN.names()), ())
