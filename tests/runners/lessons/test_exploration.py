"""Exploring: what the page allows is tried, and of a lucky success what it takes is kept."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from uuid import UUID

import pytest

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.page.action import parse_action
from grokputer.domain.page.messages import Page
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.feedback.corrections import correct_by_hand
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.exploration import explore, named_words, rewrite
from grokputer.runners.lessons.retries import RetryPolicy, correct_by_retries
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services

LOGIN = Page(
    'Enter the username "riley" and the password "myL6a" into the text fields and press login.',
    ("input.text:Username[1]", "input.password:Password[2]", "button:Login[3]"),
)


def test_the_words_of_a_task_are_those_in_quotes_or_else_its_names_and_numbers() -> None:
    assert named_words(LOGIN.task) == ["riley", "myL6a"]
    assert named_words("Search for action movies directed by Rosales from year 2003.") == ["Rosales", "2003"]
    assert named_words("Click Ok.") == ["Ok"]


def test_every_action_is_one_that_the_page_allows_and_none_is_done_twice() -> None:
    history: list[str] = []
    for number in range(5):
        history.append(explore(LOGIN, history, random.Random(number)))
    assert sorted(history) == [
        "CLICKbutton:Login[3]", "TYPEinput.password:Password[2]myL6a", "TYPEinput.password:Password[2]riley",
        "TYPEinput.text:Username[1]myL6a", "TYPEinput.text:Username[1]riley",
    ]  # fmt: skip
    assert explore(LOGIN, history, random.Random(0)) == "DONE"


def test_a_field_that_holds_something_is_left_alone() -> None:
    filled = Page(LOGIN.task, ("input.text=riley:Username[1]", "input.password=myL6a:Password[2]", "button:Login[3]"))
    assert {explore(filled, [], random.Random(number)) for number in range(20)} == {"CLICKbutton:Login[3]"}


def test_what_can_be_chosen_from_a_list_is_selected() -> None:
    page = Page("Select Bob.", ("select#who[1]", "option:Ann[2]", "option:Bob[3]"))
    found = {explore(page, [], random.Random(number)) for number in range(20)}
    assert found == {"SELECToption:Ann[2]", "SELECToption:Bob[3]"}


def test_an_action_is_written_for_the_page_as_it_is_now() -> None:
    later = Page(LOGIN.task, ("input.text=riley:Username[1]",))
    assert rewrite("TYPEinput.text:Username[1]enola", later) == "TYPEinput.text=riley:Username[1]enola"
    assert rewrite("CLICKbutton:Login[3]", later) is None
    assert rewrite("DONE", later) == "DONE"
    assert rewrite("no action", later) is None


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    ledger = Ledger.create(tmp_path_factory.mktemp("log") / "events.db")
    with Services(ledger, process_new_events(ledger)) as services:
        yield services


def retry(services: Services, failed: list[TaskRun], attempts: int, exploration: float) -> list[TaskRun]:
    sampling = RetryPolicy(None, attempts, temperature=0.01, exploration=exploration)
    place = services.environment("miniwob")
    return list(
        correct_by_retries(services.ledger, [(run, 1) for run in failed], place, services.model, sampling, "ada")
    )


@pytest.mark.slow
def test_exploring_finds_the_shortest_solution_of_a_task_that_the_model_never_solves(
    services: Services,
) -> None:
    runner = TaskRunner(services.ledger, services.model, services.prepare, services.base_label, "ada")
    tasks = ("click-button-sequence", "enter-password")
    wanted = [RunSpec(Task("miniwob", task, 1), UUID(int=number)) for number, task in enumerate(tasks, 1)]
    failed = list(run_batch(runner, wanted, services.environment("miniwob"), services.state))
    assert retry(services, failed, attempts=4, exploration=0.0) == []
    corrected = retry(services, failed, attempts=24, exploration=0.5)
    steps = {run.started.task: run.corrections[0].steps for run in corrected if run.started}
    assert steps == {"click-button-sequence": 2, "enter-password": 3}
    for run in corrected:
        lessons = json.loads(str(services.ledger.get_content(run.corrections[0].correction)))
        actions = [lesson["completion"] for lesson in lessons]
        for lesson, action in zip(lessons, actions, strict=True):
            line = action.removeprefix(str(parse_action(action).verb))  # type: ignore[union-attr]
            assert line.split("]")[0] + "]" in lesson["messages"][-1]["content"].split("\n")
        correct_by_hand(services.ledger, run, services.environment("miniwob"), actions, "ada")  # raises if it does not
