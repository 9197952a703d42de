"""Own retries, for real: what failed is tried again by the embedded model, many tasks at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from uuid import uuid4

import pytest

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import GrokputerError, UnknownAdapter
from grokputer.domain.events import TaskFailed
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.feedback.corrections import correct_by_hand
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.retries import RetryPolicy, correct_by_retries
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import change

TASKS = [Task("miniwob", task, seed) for task in ("click-test-2", "enter-text") for seed in (1, 2)]
SURELY = RetryPolicy(None, attempts=2, temperature=0.01)
WILDLY = RetryPolicy(None, attempts=2, temperature=5.0)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    ledger = Ledger.create(tmp_path_factory.mktemp("log") / "events.db")
    change(ledger, "run.temperature", 5.0)
    change(ledger, "run.max_tokens", 32)
    change(ledger, "run.max_steps", 3)
    with Services(ledger, process_new_events(ledger)) as services:
        yield services


def fail(services: Services, tasks: Sequence[Task] = TASKS[1:3]) -> list[TaskRun]:
    """A run of each task that answers at random, and so fails."""
    runner = TaskRunner(services.ledger, services.model, services.prepare, services.base_label, "ada")
    wanted = [RunSpec(task, uuid4()) for task in tasks]
    runs = list(run_batch(runner, wanted, services.environment("miniwob"), services.state))
    assert all(isinstance(run.ended, TaskFailed) for run in runs)
    return runs


def retry(
    services: Services,
    failed: list[tuple[TaskRun, int]],
    sampling: RetryPolicy,
    on_fault: Callable[[GrokputerError], None] | None = None,
) -> list[TaskRun]:
    place = services.environment("miniwob")
    return list(
        correct_by_retries(services.ledger, failed, place, services.model, sampling, "ada", on_fault=on_fault, width=3)
    )


def test_the_first_success_of_each_run_becomes_its_correction_and_does_the_task(services: Services) -> None:
    runs = fail(services, TASKS)
    corrected = retry(services, [(run, 1) for run in runs], SURELY)
    assert {run.id for run in corrected} == {run.id for run in runs}
    for run in corrected:
        [correction] = run.corrections
        assert (correction.source, correction.is_verified) == ("retry", True)
        lessons = json.loads(str(services.ledger.get_content(correction.correction)))
        actions = [lesson["completion"] for lesson in lessons if "is_instead" not in lesson]
        correct_by_hand(services.ledger, run, services.environment("miniwob"), actions, "ada")  # raises if it does not


def test_a_run_is_taken_up_at_the_step_where_it_went_wrong(services: Services) -> None:
    run = next(run for run in fail(services) if len(run.steps) > 1)
    [corrected] = retry(services, [(run, 2)], SURELY)
    lessons = json.loads(str(services.ledger.get_content(corrected.corrections[-1].correction)))
    before = services.ledger.get_content(run.steps[0].answer)
    assert f"did: {before}" in lessons[0]["messages"][-1]["content"]


def test_a_browser_that_is_lost_costs_no_run_its_retries(services: Services) -> None:
    runs = fail(services, TASKS)
    place = services.environment("miniwob")
    faults: list[GrokputerError] = []
    corrected = correct_by_retries(
        services.ledger,
        [(run, 1) for run in runs],
        place,
        services.model,
        SURELY,
        "ada",
        on_fault=faults.append,
        width=2,
    )
    done = [next(corrected)]
    place.close()  # under the next run's feet, which is on its page
    done += corrected
    assert {run.id for run in done} == {run.id for run in runs}
    assert faults == []


def test_a_run_whose_retries_all_fail_gets_no_correction(services: Services) -> None:
    runs = fail(services)
    assert retry(services, [(run, 1) for run in runs], WILDLY) == []
    assert all(not services.ledger.get(TaskRun, run.id).corrections for run in runs)


def test_a_run_that_cannot_be_retried_is_an_error_for_a_person_and_skipped_by_the_trainer(
    services: Services,
) -> None:
    runs = fail(services)
    failed = [(run, 1) for run in runs]
    unknown = RetryPolicy("lora-v9", attempts=1, temperature=1.0)
    with pytest.raises(UnknownAdapter):
        retry(services, failed, unknown)
    faults: list[GrokputerError] = []
    assert retry(services, failed, unknown, faults.append) == []
    assert {type(fault) for fault in faults} == {UnknownAdapter}
    faults.clear()
    beyond = [(runs[0], 9), *failed[1:]]  # its ninth step does not exist
    assert {run.id for run in retry(services, beyond, SURELY, faults.append)} == {run.id for run in runs[1:]}
    assert len(faults) == 1
