"""Runs with plans: which step is of which kind, what is recorded of it, and who is at fault where the run fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from desks import CAT, PLAN, RADIO, RIGHT, TEA, Desk, Told

from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskFailed, TaskSucceeded
from grokputer.domain.ports import RoleModel
from grokputer.domain.rules.routing import Route
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change

TASK = Task("desk", "tea-and-cat")
NO_PLAN = "RUN ls"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    return ledger


def runner(ledger: Ledger, model: Told, **options: Any) -> TaskRunner:
    return TaskRunner(ledger, model, lambda name: None, "told", "ada", **options)


def play(ledger: Ledger, answers: Sequence[str], **options: Any) -> TaskRun:
    return runner(ledger, Told(answers)).run(TASK, Desk(), process_new_events(ledger), **options)


def kinds(run: TaskRun) -> list[tuple[str, str, int, str]]:
    return [(step.kind, step.role, step.goal, step.found) for step in run.steps]


def prompts(ledger: Ledger, run: TaskRun) -> list[list[str]]:
    found = [json.loads(ledger.get_content(step.prompt) or "") for step in run.steps]
    return [messages[-1]["content"].split("\n") for messages in found]


def test_every_step_of_a_planned_run_says_its_kind_its_role_its_goal_and_what_was_found(ledger: Ledger) -> None:
    run = play(ledger, RIGHT)
    assert isinstance(run.ended, TaskSucceeded)
    assert kinds(run) == [
        ("plan", "decomposition", 0, ""),
        ("act", "action", 1, "reached"),
        ("act", "action", 2, ""),
        ("act", "action", 2, ""),
        ("check", "recovery", 2, "reached"),
        ("act", "action", 0, ""),
    ]
    assert {assigned["role"] for assigned in run.ended.assignments} == {"action", "decomposition", "recovery"}


def test_an_act_is_asked_for_with_its_goal_and_what_was_done_for_it(ledger: Ledger) -> None:
    asked = prompts(ledger, play(ledger, RIGHT))
    assert asked[0][-1] == "plan: "
    assert asked[2][-2:] == ["task: feed the cat", "do: "] and not any("did:" in line for line in asked[2])
    assert asked[3][-3:] == [f"did: {CAT}", "task: feed the cat", "do: "]
    assert asked[4][-2:] == ["now: feed the cat", "reached: "]
    assert asked[5][-4:] == [f"did: {TEA}", f"did: {CAT}", f"task: {Desk().reset('', 0).task}", "do: "]


def test_without_plans_the_same_task_runs_as_any_other(ledger: Ledger) -> None:
    change(ledger, "run.plan", "never")
    run = play(ledger, [TEA, CAT, "DONE"])
    assert kinds(run) == [("act", "action", 0, "")] * 3
    assert run.started is not None
    assert [assigned["role"] for assigned in run.started.assignments] == ["action", "recovery"]
    assert not {"run.plan", "run.max_plans"} & run.started.policy.keys()
    assert prompts(ledger, run)[1][-3:] == [f"did: {TEA}", f"task: {Desk().reset('', 0).task}", "do: "]


@pytest.mark.parametrize("plan", [NO_PLAN, f"do: {TEA}", f"1. {TEA} => cup:tea\n2. feed the cat"])
def test_a_plan_that_cannot_be_read_leaves_the_run_without_one(ledger: Ledger, plan: str) -> None:
    run = play(ledger, [plan, TEA, CAT, "DONE"])
    assert isinstance(run.ended, TaskSucceeded)
    assert kinds(run)[:2] == [("plan", "decomposition", 0, "unreadable"), ("act", "action", 0, "")]


def test_recovery_acts_after_a_failed_check_and_a_second_one_makes_a_new_plan(ledger: Ledger) -> None:
    run = play(ledger, ["feed the cat", "DONE", "no", RADIO, "DONE", "no", PLAN, TEA, CAT, "DONE", "yes", "DONE"])
    assert kinds(run)[:8] == [
        ("plan", "decomposition", 0, ""),
        ("act", "action", 1, ""),
        ("check", "recovery", 1, "not reached"),
        ("act", "recovery", 1, ""),
        ("act", "action", 1, ""),
        ("check", "recovery", 1, "not reached"),
        ("plan", "decomposition", 1, ""),
        ("act", "action", 1, "reached"),
    ]
    assert isinstance(run.ended, TaskSucceeded)
    asked = prompts(ledger, run)
    assert "error: a check found that the goal is not reached" in asked[3]


def test_saying_that_a_goal_is_reached_which_the_page_does_not_show_ends_no_task(ledger: Ledger) -> None:
    run = play(ledger, [PLAN, "DONE", TEA, CAT, "DONE", "yes", "DONE"])
    assert kinds(run)[1:3] == [("act", "action", 1, "not reached"), ("act", "recovery", 1, "reached")]
    assert ledger.get_content(run.steps[1].error) == "the goal is not reached: the page does not show it"
    assert isinstance(run.ended, TaskSucceeded)


def test_a_check_that_cannot_be_read_reaches_no_goal_that_the_page_does_not_show(ledger: Ledger) -> None:
    change(ledger, "run.max_plans", 1)
    run = play(ledger, [PLAN, "DONE", "DONE", "perhaps", TEA, CAT, "DONE", "yes", "DONE"])
    assert kinds(run)[2:5] == [
        ("act", "recovery", 1, ""),
        ("check", "recovery", 1, "unreadable"),
        ("act", "recovery", 1, "reached"),
    ]
    assert "error: the goal is not reached: the page does not show it" in prompts(ledger, run)[4]
    assert isinstance(run.ended, TaskSucceeded)


@pytest.mark.parametrize(
    ("answers", "steps", "fault"),
    [
        (["make the tea => cup:tea", TEA, "DONE"], 12, "decomposition"),
        ([NO_PLAN, RADIO, "DONE"], 12, "decomposition"),
        ([PLAN, TEA, RADIO], 2, "action"),
        ([PLAN, "DONE", RADIO], 2, "recovery"),
    ],
)  # fmt: skip
def test_a_failed_run_is_attributed_to_the_plan_or_to_the_last_act_of_the_goal_not_reached(
    ledger: Ledger, answers: list[str], steps: int, fault: str
) -> None:
    change(ledger, "run.max_steps", steps)
    run = play(ledger, answers)
    assert isinstance(run.ended, TaskFailed) and run.ended.fault == fault
    context = ledger.context("ada")
    run = ledger.write(TaskRun, run.id, lambda run: run.rate(1, "human", [], None, context))
    assert run.ratings[-1].fault == fault


def test_a_batch_plans_as_a_single_run_does(ledger: Ledger) -> None:
    state = process_new_events(ledger)
    specs = [RunSpec(TASK, derive_id("batch", number)) for number in range(2)]
    answers = [answer for answer in RIGHT for _ in specs]
    runs = list(run_batch(runner(ledger, Told(answers)), specs, Desk(), state))
    assert [kinds(run) for run in runs] == [kinds(play(ledger, RIGHT))] * 2


def test_a_role_s_own_model_makes_its_steps_and_each_names_it(ledger: Ledger) -> None:
    planner, actor = Told([PLAN]), Told(RIGHT[1:])
    own = {"decomposition": RoleModel(planner, "grok@http://there")}
    playing = runner(ledger, actor, beside=own.get)
    run = playing.run(TASK, Desk(), process_new_events(ledger), pinned=Route("pinned", "lora-v1", None, "action"))
    assert isinstance(run.ended, TaskSucceeded)
    assert [step.model for step in run.steps] == ["grok@http://there", None, None, None, None, None]
    assert planner.asked == [("plan: ", None)]
    assert {adapter for _, adapter in actor.asked} == {"lora-v1"}


def test_the_settings_of_a_role_with_its_own_model_are_recorded_and_used(ledger: Ledger) -> None:
    change(ledger, "decomposition.run.temperature", 0.7)
    own = {"decomposition": RoleModel(Told([PLAN]), "grok@http://there")}
    run = runner(ledger, Told(RIGHT[1:]), beside=own.get).run(TASK, Desk(), process_new_events(ledger))
    assert run.started is not None
    assert run.started.policy["decomposition.run.temperature"] == 0.7


def test_an_adapter_of_role_decomposition_makes_the_plans_beside_the_live_ones(ledger: Ledger) -> None:
    told = Told(RIGHT)
    pinned = Route("pinned", "lora-v1", None, "decomposition")
    run = runner(ledger, told).run(TASK, Desk(), process_new_events(ledger), pinned=pinned)
    assert isinstance(run.ended, TaskSucceeded)
    assert [adapter for _, adapter in told.asked] == ["lora-v1", None, None, None, None, None]
    assert {it["role"]: it["adapter"] for it in run.ended.assignments} == {
        "action": None, "decomposition": "lora-v1", "recovery": None,
    }  # fmt: skip
