"""Corrections of planned runs: they are asked as the run was, carried out, and teach each role its own steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from desks import CAT, PLAN, RADIO, RIGHT, TEA, Desk, Told

from grokputer.adapters.data.dataset import TOPICS, build_dataset
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import NotPossible, UnknownTask
from grokputer.domain.events import TaskFailed
from grokputer.domain.page.media import IMAGE, write_url
from grokputer.domain.page.messages import Completion, Message
from grokputer.domain.ports import PlannedScript
from grokputer.domain.settings.recipe import Recipe
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.feedback.corrections import (
    BadCorrection,
    correct_by_demonstration,
    correct_by_hand,
    correct_by_teacher,
)
from grokputer.runners.feedback.reviewer import review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.retries import RetryPolicy, correct_by_retries
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.corrections import Actions, Plan, correct
from grokputer.runners.wiring.services import Services
from story import change

WRONG_PLAN = "make the tea => cup:tea"
NO_MEDIA: Mapping[str, str] = {}
FAILED = [WRONG_PLAN, TEA, "DONE"]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    return ledger


@pytest.fixture
def services(ledger: Ledger) -> Iterator[Services]:
    with Services(ledger, process_new_events(ledger)) as services:
        services._environments["desk"] = (None, Desk())
        services._model_settings, services._base_label = services.state.policy.model, "told"
        yield services


def play(ledger: Ledger, answers: Sequence[str]) -> TaskRun:
    runner = TaskRunner(ledger, Told(answers), lambda name: None, "told", "ada")
    return runner.run(Task("desk", "tea-and-cat"), Desk(), process_new_events(ledger))


def rows(ledger: Ledger, run: TaskRun) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ledger.get_content(run.corrections[-1].correction) or "")
    return found


def taught(ledger: Ledger, role: str) -> list[tuple[str, str, str]]:
    """What the role would learn: the last line of each prompt, the answer, and its source."""
    events = [recorded.event for recorded in ledger.read(1, None, TOPICS)]
    recipe = Recipe(replay_share=0.5, public_share=0.0, renamings=0, keep_inefficient=True)
    examples = build_dataset(events, ledger.get_content, role, 4, recipe).examples
    return [
        (example.messages[-1]["content"].split("\n")[-1], example.completion, example.source) for example in examples
    ]


def test_a_demonstration_teaches_the_plan_the_acts_for_its_goals_and_the_checks(ledger: Ledger) -> None:
    run = correct_by_demonstration(ledger, play(ledger, FAILED), Desk(), "ada")
    assert run is not None
    assert [(row["role"], row["completion"]) for row in rows(ledger, run)] == [
        ("decomposition", PLAN), ("action", TEA), ("action", CAT), ("action", "DONE"), ("recovery", "yes"), ("action", "DONE"),
    ]  # fmt: skip
    assert rows(ledger, run)[1]["messages"][-1]["content"].endswith("task: make the tea\ndo: ")
    assert run.corrections[-1].steps == 4  # those that act


def test_the_reviewer_blames_the_plan_and_each_role_learns_from_the_correction(ledger: Ledger) -> None:
    run = review(ledger, play(ledger, FAILED), Desk())
    assert (run.ratings[-1].stars, run.ratings[-1].fault, run.ratings[-1].step) == (1, "decomposition", 1)
    assert taught(ledger, "decomposition") == [("plan: ", PLAN, "reviewer")]
    assert taught(ledger, "recovery") == [("reached: ", "yes", "reviewer")]
    assert sorted(answer for _, answer, _ in taught(ledger, "action")) == sorted([TEA, CAT, "DONE", "DONE"])


def test_a_plan_that_asks_for_something_else_than_the_script_s_is_at_fault(ledger: Ledger) -> None:
    change(ledger, "run.max_plans", 1)
    run = review(ledger, play(ledger, ["make the tea and feed the cat", *["junk"] * 12]), Desk())
    assert isinstance(run.ended, TaskFailed) and run.ended.fault == "action"
    assert (run.ratings[-1].fault, run.ratings[-1].step) == ("decomposition", 1)
    run = review(ledger, play(ledger, [PLAN, *["junk"] * 12]), Desk())
    assert (run.ratings[-1].fault, run.ratings[-1].step) == ("action", None)


def test_recovery_learns_the_way_out_of_a_run_whose_plan_was_wrong(ledger: Ledger) -> None:
    change(ledger, "run.max_plans", 1)
    run = review(ledger, play(ledger, ["make the tea and feed the cat", "CLICKlamp", *["junk"] * 11]), Desk())
    [lesson] = [row for row in rows(ledger, run) if row["role"] == "recovery" and row.get("kind") != "check"]
    assert lesson["completion"] == TEA
    asked = lesson["messages"][-1]["content"].split("\n")
    assert asked[-4:] == ["did: CLICKlamp", "error: cannot do CLICKlamp", "task: make the tea", "do: "]


def test_a_run_whose_environment_shows_no_plan_is_corrected_with_the_task_as_its_one_goal(ledger: Ledger) -> None:
    class Unplanned(Desk):
        def demonstrate_plan(self, task: str) -> PlannedScript:
            raise UnknownTask(task)

    place = Unplanned()
    run = correct_by_demonstration(ledger, play(ledger, FAILED), place, "ada")
    assert run is not None
    assert rows(ledger, run)[0]["completion"] == "Make the tea. Then feed the cat."


def test_actions_by_hand_are_tried_by_the_run_s_own_plan(ledger: Ledger) -> None:
    failed = play(ledger, [PLAN, TEA, RADIO, "DONE", "yes", "DONE"])
    run = correct_by_hand(ledger, failed, Desk(), [CAT, "DONE", "DONE"], "ada", first=3)
    assert [row["completion"] for row in rows(ledger, run)] == [CAT, "DONE", "yes", "DONE"]
    run = correct_by_hand(ledger, failed, Desk(), [TEA, CAT, "DONE", "DONE"], "ada")
    assert rows(ledger, run)[0]["completion"] == PLAN
    with pytest.raises(BadCorrection, match="after all 1 the task is not done"):
        correct_by_hand(ledger, failed, Desk(), [RADIO], "ada", first=3)


def test_a_plan_by_hand_is_carried_out_by_the_run_s_own_roles(ledger: Ledger, services: Services) -> None:
    failed = play(ledger, FAILED)
    services._model = told = Told(RIGHT[1:])
    given = correct(ledger, failed.id, Plan(PLAN), actor="ada", services=services)
    assert (given.source, given.is_verified, given.steps) == ("human", True, 4)
    assert told.asked[0][0] == "do: "
    rated = ledger.write(TaskRun, failed.id, lambda run: run.rate(1, "human", [], None, ledger.context("ada")))
    assert rated.ratings[-1].fault == "decomposition"
    assert taught(ledger, "decomposition") == [("plan: ", PLAN, "correction")]


class Seeing(Told):
    """A model that takes pictures, and remembers those that it was shown."""

    takes = frozenset({IMAGE})

    def complete(self, messages: Sequence[Message], *, media: Mapping[str, str] = NO_MEDIA, **how: Any) -> Completion:
        self.shown = dict(media)
        return super().complete(messages, **how)


def test_a_plan_is_tried_with_the_pictures_that_the_run_was_shown(ledger: Ledger, services: Services) -> None:
    url = write_url(b"\x89PNG\r\n\x1a\n" + bytes(40))
    task = Task("desk", "tea-and-cat", inputs={ledger.put_picture(url): url})
    model, state = Seeing(FAILED), process_new_events(ledger)
    failed = TaskRunner(ledger, model, lambda name: None, "told", "ada").run(task, Desk(), state)
    services._model = again = Seeing(RIGHT[1:])
    correct(ledger, failed.id, Plan(PLAN), actor="ada", services=services)
    assert model.shown == again.shown == task.inputs


def test_a_plan_by_which_the_task_is_not_done_is_refused_after_three_attempts(
    ledger: Ledger, services: Services
) -> None:
    failed = play(ledger, FAILED)
    services._model = told = Told([TEA, "DONE"] * 3)
    with pytest.raises(BadCorrection, match="not done in 3 attempts, which came as far as goal 1 of 1"):
        correct(ledger, failed.id, Plan("make tea => cup:tea"), actor="ada", services=services)
    assert not told.answers
    assert not ledger.get(TaskRun, failed.id).corrections


def test_a_plan_can_come_with_the_actions_that_carry_it_out(ledger: Ledger, services: Services) -> None:
    failed = play(ledger, FAILED)
    correct(ledger, failed.id, Plan(PLAN, actions=(TEA, CAT, "DONE", "DONE")), actor="ada", services=services)
    run = ledger.get(TaskRun, failed.id)
    assert [row["completion"] for row in rows(ledger, run)] == RIGHT
    given = correct(ledger, failed.id, Actions((PLAN, TEA, CAT, "DONE", "DONE")), actor="ada", services=services)
    assert not given.is_new


@pytest.mark.parametrize(
    ("way", "error", "word"),
    [
        (Plan("RUN ls"), BadCorrection, "cannot be read; give 1 to 8 goals"),
        (Plan(PLAN, step=2), NotPossible, "step 2 of run .* is no plan; its plans are step 1"),
        (Plan(PLAN, step=9), NotPossible, "no step 9"),
    ],
)  # fmt: skip
def test_what_is_no_plan_and_a_step_that_is_none_are_refused(
    ledger: Ledger, services: Services, way: Plan, error: type[Exception], word: str
) -> None:
    failed = play(ledger, FAILED)
    services._model = Told([])
    with pytest.raises(error, match=word):
        correct(ledger, failed.id, way, actor="ada", services=services)


def test_a_run_without_plans_has_none_to_correct(ledger: Ledger, services: Services) -> None:
    change(ledger, "run.plan", "never")
    failed = play(ledger, [RADIO, "DONE"])
    services._model = Told([])
    with pytest.raises(NotPossible, match="made no plan; correct its actions"):
        correct(ledger, failed.id, Plan(PLAN), actor="ada", services=services)


def test_a_good_run_teaches_its_newest_plan_and_the_checks_that_were_right(ledger: Ledger) -> None:
    review(ledger, play(ledger, ["feed the cat", CAT, "DONE", "yes", "DONE"]), Desk())
    good = play(
        ledger,
        ["make the tea => cup:tea\nrest", TEA, "DONE", "no", RADIO, "DONE", "no", PLAN, CAT, "DONE", "yes", "DONE"],
    )
    review(ledger, good, Desk())
    assert ("plan: ", PLAN, "replay") in taught(ledger, "decomposition")
    assert not [row for row in taught(ledger, "decomposition") if row[1].endswith("rest")]
    assert "no" not in {answer for _, answer, _ in taught(ledger, "recovery")}


def test_an_answer_that_a_check_denied_is_not_learnt(ledger: Ledger) -> None:
    good = play(ledger, ["feed the cat", "DONE", "no", CAT, TEA, "DONE", "yes", "DONE"])
    review(ledger, play(ledger, FAILED), Desk())
    review(ledger, good, Desk())
    first = [row for row in taught(ledger, "action") if row[2] == "replay"]
    assert first and all(row[1] != "DONE" or row[0] == "do: " for row in first)
    run = ledger.get(TaskRun, good.id)
    denied = json.loads(ledger.get_content(run.steps[1].prompt) or "")
    events = [recorded.event for recorded in ledger.read(1, None, TOPICS)]
    recipe = Recipe(replay_share=0.8, public_share=0.0, renamings=0)
    examples = build_dataset(events, ledger.get_content, "action", 4, recipe).examples
    assert [example.completion for example in examples if list(example.messages) == denied] != ["DONE"]


def test_a_teacher_plans_acts_and_checks(ledger: Ledger) -> None:
    run = correct_by_teacher(ledger, play(ledger, FAILED), Desk(), Told(RIGHT), 1, "ada")  # type: ignore[arg-type]
    assert run is not None and [row["completion"] for row in rows(ledger, run)] == RIGHT


def test_retries_of_a_planned_run_ask_each_role_with_its_own_adapter(ledger: Ledger) -> None:
    told = Told([*FAILED, *RIGHT])
    sampling = RetryPolicy("planner-v1", 3, 0.8, role="decomposition", others={"action": "actor-v1", "recovery": None})
    [run] = correct_by_retries(ledger, [(play(ledger, FAILED), 1)], Desk(), told, sampling, "ada")
    assert [row["completion"] for row in rows(ledger, run)] == RIGHT
    assert set(told.asked) == {("plan: ", "planner-v1"), ("do: ", "actor-v1"), ("reached: ", "actor-v1")}
