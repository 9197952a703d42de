"""Roles within one run: who makes which step, whom a rating counts for, and how runs of one role only are still read."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from given import SOMEONE, START, STEP, Given, given
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import (
    Assignment,
    Event,
    RolloutStarted,
    StepTaken,
    TaskFailed,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from grokputer.domain.page.messages import Page
from grokputer.domain.rules.roles import assignments_counted, effective_answers, role_of_next_step, roles_in
from grokputer.domain.settings.settings import Policy
from grokputer.projections.state.canaries import Health
from grokputer.projections.state.metrics import Metrics
from grokputer.projections.state.ratings import Ratings
from grokputer.runners.store.codec import decode

OWN: Assignment = {"role": "action", "arm": "canary", "adapter": "lora-v2", "rollout": UUID(int=1).hex}
RECOVERY: Assignment = {"role": "recovery", "arm": "canary", "adapter": "lora-v3", "rollout": UUID(int=2).hex}

# --- who makes a step ------------------------------------------------------------------------------------------------

PAGE = Page("Click Ok.", ("button:Ok[1]", "button:No[2]"))
PRESSED = Page("Click Ok.", ("button*:Ok[1]", "button:No[2]"))


def test_a_step_that_gets_nowhere_is_followed_by_one_of_recovery() -> None:
    unreadable = Page(PAGE.task, PAGE.lines, error="cannot read 'CLOCK' as an action")
    assert role_of_next_step("action", PAGE, unreadable, is_repeated=False) == "recovery"
    assert role_of_next_step("action", PAGE, PAGE, is_repeated=True) == "recovery"
    assert role_of_next_step("action", PAGE, PRESSED, is_repeated=True) == "action"


def test_what_a_step_does_need_not_show_the_first_time() -> None:
    assert role_of_next_step("action", PAGE, PAGE, is_repeated=False) == "action"


def test_a_task_that_is_done_needs_no_recovery() -> None:
    assert role_of_next_step("action", PAGE, Page(PAGE.task, PAGE.lines, is_done=True), is_repeated=True) == "action"


def test_a_run_of_another_role_makes_all_its_steps_itself() -> None:
    assert roles_in("action") == ("action", "recovery")
    for role in ("ocr", "decomposition", "recovery"):
        assert roles_in(role) == (role,)
        assert role_of_next_step(role, PAGE, PAGE, is_repeated=True) == role


# --- what is recorded ------------------------------------------------------------------------------------------------


def start(run: TaskRun) -> None:
    run.start(SOMEONE, others=[RECOVERY], **{**START, "rollout": OWN["rollout"]})


def act(run: TaskRun) -> None:
    run.take_step(SOMEONE, **STEP)


def recover(run: TaskRun) -> None:
    run.take_step(SOMEONE, role="recovery", **STEP)


def fail(run: TaskRun) -> None:
    run.fail("timeout", "", 900, 0.0, Policy(), SOMEONE)


def succeed(run: TaskRun) -> None:
    run.succeed(900, 1.0, Policy(), SOMEONE)


def rate(stars: int, step: int | None = None, fault: str | None = None) -> Any:
    return lambda run: run.rate(stars, "human", [], None, SOMEONE, step=step, fault=fault)


def of_one_role() -> Given[TaskRun]:
    return given(TaskRun, start, act, act, fail)


def of_two_roles() -> Given[TaskRun]:
    return given(TaskRun, start, act, act, recover, fail)


def test_the_start_records_who_may_make_a_step_and_the_end_who_did() -> None:
    given(TaskRun).when(start).then((TaskStarted, {"role": "action", "others": (RECOVERY,)}))
    given(TaskRun, start, act).when(succeed).then((TaskSucceeded, {"others": (), "assignments": (OWN,)}))
    given(TaskRun, start, act, recover).when(succeed).then((TaskSucceeded, {"assignments": (OWN, RECOVERY)}))


def test_a_step_says_who_made_it() -> None:
    given(TaskRun, start).when(act).then((StepTaken, {"step": 1, "role": "action"}))
    given(TaskRun, start, act).when(recover).then((StepTaken, {"step": 2, "role": "recovery"}))


def test_a_role_without_a_lane_in_the_run_makes_no_step() -> None:
    given(TaskRun, start).when(lambda run: run.take_step(SOMEONE, role="ocr", **STEP)).then_refused("ocr", "recovery")


def test_a_run_that_failed_by_one_roles_steps_alone_is_that_roles_fault() -> None:
    given(TaskRun, start, act).when(fail).then((TaskFailed, {"fault": "action"}))
    given(TaskRun, start, act, recover).when(fail).then((TaskFailed, {"fault": None}))


def test_weights_that_fail_are_the_fault_of_the_role_whose_turn_it_was() -> None:
    def lose_weights(run: TaskRun) -> None:
        run.fail("error", "damaged weights", 900, 0.0, Policy(), SOMEONE, turn="recovery")

    given(TaskRun, start, act).when(lose_weights).then(
        (TaskFailed, {"fault": "recovery", "assignments": (OWN, RECOVERY)})
    )


def test_a_lost_browser_is_no_roles_fault() -> None:
    def lose_browser(run: TaskRun) -> None:
        run.fail("environment", "the browser ended", 900, 0.0, Policy(), SOMEONE, turn="action")

    given(TaskRun, start, act).when(lose_browser).then((TaskFailed, {"fault": None}))
    given(TaskRun, start, act, lose_browser).when(rate(1)).then((TaskRated, {"fault": None}))


# --- attribution -----------------------------------------------------------------------------------------------------


def test_the_step_that_went_wrong_puts_its_role_at_fault() -> None:
    of_two_roles().when(rate(1, step=3)).then((TaskRated, {"step": 3, "fault": "recovery"}))
    of_two_roles().when(rate(1, step=2)).then((TaskRated, {"step": 2, "fault": "action"}))


def test_a_role_may_be_put_at_fault_without_naming_a_step() -> None:
    of_two_roles().when(rate(2, fault="recovery")).then((TaskRated, {"step": None, "fault": "recovery"}))


def test_an_unattributed_low_rating_counts_for_the_only_role_and_for_none_of_two() -> None:
    of_one_role().when(rate(1)).then((TaskRated, {"fault": "action"}))
    of_two_roles().when(rate(1)).then((TaskRated, {"fault": None}))


def test_a_step_that_the_run_has_not_is_refused() -> None:
    of_two_roles().when(rate(1, step=4)).then_refused("no step 4", "1 to 3")
    of_two_roles().when(rate(1, step=0)).then_refused("no step 0")
    given(TaskRun, start, fail).when(rate(1, step=1)).then_refused("no step 1", "none")


def test_a_role_that_made_no_step_is_refused() -> None:
    of_one_role().when(rate(1, fault="recovery")).then_refused("recovery made no step", "action did")
    of_two_roles().when(rate(1, step=1, fault="recovery")).then_refused("step 1", "made by action")


def test_a_good_rating_finds_no_fault() -> None:
    of_two_roles().when(rate(4)).then((TaskRated, {"fault": None}))
    of_two_roles().when(rate(5, step=1)).then_refused("5", "fewer than 4 stars")


# --- whom it counts for ----------------------------------------------------------------------------------------------


def told(*decisions: Any) -> tuple[Ratings, Metrics, Health, TaskRated]:
    """The folds after a run of these decisions, and its last rating."""
    ratings, metrics, health = Ratings(), Metrics(), Health()
    for assignment in (OWN, RECOVERY):
        begun = RolloutStarted(
            originator_id=UUID(assignment["rollout"]), originator_version=1, time=SOMEONE.time, actor="grokputer",
            role=assignment["role"], adapter=assignment["adapter"] or "", stable=None, weight_percent=40, rule="threshold",
            terms={}, unit="run", edition=2,
        )  # fmt: skip
        health.apply(0, begun)
    run = given(TaskRun, start, *decisions)
    for position, event in enumerate(run.past, 1):
        for fold in (ratings, metrics, health):
            fold.apply(position, event)
    last = run.past[-1]
    assert isinstance(last, TaskRated)
    return ratings, metrics, health, last


def windows(ratings: Ratings) -> dict[str, list[int]]:
    adapters = {"action": "lora-v2", "recovery": "lora-v3"}
    return {
        role: [stars for _, stars in ratings.window(role, adapter, 50).ratings] for role, adapter in adapters.items()
    }


def test_a_low_rating_counts_for_the_role_at_fault_alone() -> None:
    ratings, *_, rated = told(act, recover, fail, rate(1, step=2))
    assert windows(ratings) == {"action": [], "recovery": [1]}
    assert assignments_counted(rated) == (RECOVERY,)


def test_an_unattributed_low_rating_counts_for_no_role_and_is_counted_apart() -> None:
    ratings, *_ = told(act, recover, fail, rate(1))
    assert windows(ratings) == {"action": [], "recovery": []}
    assert ratings.unattributed("action", "lora-v2") == ratings.unattributed("recovery", "lora-v3") == 1
    assert [row["unattributed"] for row in ratings.rows()] == [1, 1]


def test_a_good_rating_counts_for_every_role_that_made_a_step_and_no_other() -> None:
    assert windows(told(act, recover, succeed, rate(5))[0]) == {"action": [5], "recovery": [5]}
    assert windows(told(act, succeed, rate(5))[0]) == {"action": [5], "recovery": []}


def test_a_second_rating_by_the_same_person_moves_the_blame_to_the_other_role() -> None:
    ratings, *_ = told(act, recover, fail, rate(1), rate(2, step=1), rate(1, step=2))
    assert windows(ratings) == {"action": [], "recovery": [1]}
    assert ratings.unattributed("action", "lora-v2") == 0


def test_a_run_is_counted_in_the_metrics_of_each_role_that_made_a_step() -> None:
    _, metrics, _, _ = told(act, recover, fail, rate(1, step=2))
    assert [(row["role"], row["runs"], row["ratings"]) for row in metrics.rows()] == [
        ("action", 1, 0), ("recovery", 1, 1),
    ]  # fmt: skip


def outcomes(health: Health) -> dict[str, list[float | None]]:
    """The stars of each outcome of both canaries."""
    return {
        assignment["role"]: [it.stars for it in health.outcomes(str(assignment["rollout"]), "canary")]
        for assignment in (OWN, RECOVERY)
    }


def test_a_canary_is_judged_by_the_runs_that_its_role_made_a_step_in() -> None:
    assert outcomes(told(act, succeed, rate(5))[2]) == {"action": [5], "recovery": []}
    assert outcomes(told(act, recover, succeed, rate(5))[2]) == {"action": [5], "recovery": [5]}


def test_a_canary_answers_for_doubt_but_not_for_anothers_fault() -> None:
    assert outcomes(told(act, recover, fail, rate(1))[2]) == {"action": [1], "recovery": [1]}
    assert outcomes(told(act, recover, fail, rate(1, step=1))[2]) == {"action": [1], "recovery": []}


# --- what was stored before steps had roles --------------------------------------------------------------------------

LANE = {"role": "action", "arm": "stable", "adapter": "lora-v1", "rollout": None}
SINCE = {"time": "2025-03-01T12:00:00Z", "actor": "ada", "caused_by": None, "v": 1}
STORED: dict[str, dict[str, Any]] = {
    "TaskStarted": {
        **LANE, "environment": "miniwob", "task": "click-link", "seed": 3, "base": "embedded@sha256:00", "session": None,
        "policy": {"run.max_steps": 12},
    },
    "StepTaken": {
        "step": 1, "prompt": "sha256:aa", "answer": "sha256:bb", "error": "", "model_ms": 40, "environment_ms": 3,
        "prompt_tokens": 90, "completion_tokens": 8,
    },
    "TaskFailed": {
        **LANE, "steps": 1, "duration_ms": 90, "reward": -1.0, "implicit_stars": 1, "reason": "wrong", "detail": "",
    },
    "TaskRated": {**LANE, "stars": 2, "source": "human", "issues": ["imprecise"], "comment": None},
    "TaskCorrected": {**LANE, "source": "human", "correction": "sha256:cc", "steps": 1, "is_verified": True},
}  # fmt: skip


def read(topic: str, version: int, **changed: Any) -> Event:
    return decode(topic, UUID(int=7).hex, version, json.dumps({**STORED[topic], **SINCE, **changed}).encode())


def test_a_run_stored_before_steps_had_roles_reads_as_one_of_its_own_role() -> None:
    run = TaskRun.project(UUID(int=7), [read(topic, version) for version, topic in enumerate(STORED, 1)])
    assert run.roles == ("action",)
    assert run.role_of(run.steps[0]) == "action"
    assert run.steps[0].role == ""
    assert isinstance(run.ended, TaskFailed)
    assert run.ended.fault == run.ratings[0].fault == "action"
    assert run.ratings[0].step is None
    assert assignments_counted(run.ratings[0]) == (LANE,)


@pytest.mark.parametrize(("topic", "changed"), [("TaskRated", {"stars": 5}), ("TaskFailed", {"reason": "environment"})])
def test_stored_good_runs_and_lost_browsers_read_as_no_roles_fault(topic: str, changed: dict[str, Any]) -> None:
    event = read(topic, 4, **changed)
    assert isinstance(event, TaskRated | TaskFailed)
    assert event.fault is None


def test_a_success_stored_before_steps_had_roles_counts_for_its_role() -> None:
    kept = {**LANE, "steps": 1, "duration_ms": 90, "reward": 1.0, "implicit_stars": 5, **SINCE}
    event = decode("TaskSucceeded", UUID(int=7).hex, 3, json.dumps(kept).encode())
    assert isinstance(event, TaskSucceeded)
    assert event.assignments == (LANE,)


# --- what was done in the end ------------------------------------------------------------------------------------------


def test_where_an_answer_could_not_be_carried_out_the_next_one_that_could_was_done_instead() -> None:
    assert effective_answers([("x", True), ("y", True), ("a", False), ("b", False), ("z", True)]) == [
        "a",
        "a",
        "a",
        "b",
        None,
    ]
    assert effective_answers(list[tuple[str, bool]]()) == []
