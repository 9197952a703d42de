"""Coordination: which kind of step comes next in a run with a plan, and which goal it serves."""

from __future__ import annotations

import pytest

from grokputer.domain.page.messages import Page
from grokputer.domain.rules.coordination import Coordinator, PlanBounds, makes_plans, recorded_bounds
from grokputer.domain.vocabulary import Finding, StepKind

BOUNDS = PlanBounds(max_plans=2, max_checks=2)


def page(*lines: str) -> Page:
    return Page("all", lines)


def planned(*goals: str, bounds: PlanBounds = BOUNDS, on: Page | None = None) -> Coordinator:
    coordinator = Coordinator(bounds)
    assert coordinator.kind == StepKind.PLAN
    assert coordinator.plan("\n".join(goals), on or page()) is None
    return coordinator


def test_without_bounds_every_step_acts_and_serves_no_goal() -> None:
    coordinator = Coordinator()
    assert (coordinator.kind, coordinator.goal, coordinator.now) == (StepKind.ACT, 0, "")
    assert not coordinator.is_claim("DONE")
    assert coordinator.act(page("a[1]"), is_repeated=False) is None
    assert coordinator.act(page("a[1]"), is_repeated=True) == Finding.REPEATED
    assert coordinator.kind == StepKind.ACT and not coordinator.recovers


def test_a_goal_is_reached_when_the_page_shows_it_and_the_next_one_follows() -> None:
    coordinator = planned("one => file:a", "two => file:b")
    assert (coordinator.goal, coordinator.now) == (1, "one")
    assert coordinator.act(page("file:x[1]"), is_repeated=False) is None
    assert coordinator.act(page("file:a[1]"), is_repeated=False) == Finding.REACHED
    assert (coordinator.goal, coordinator.now) == (2, "two")


def test_a_goal_that_a_reading_shows_is_reached_without_another_act() -> None:
    coordinator = planned("one => file:a", "two")
    coordinator.act(page(), is_repeated=False)
    coordinator.look(page())
    assert coordinator.goal == 1
    coordinator.look(page("file:a[1]"))
    assert coordinator.goal == 2


def test_when_all_goals_are_reached_the_actor_is_asked_for_the_task_itself() -> None:
    coordinator = planned("one => file:a")
    coordinator.act(page("file:a[1]"), is_repeated=False)
    assert coordinator.are_all_reached
    assert (coordinator.goal, coordinator.now, coordinator.kind) == (0, "", StepKind.ACT)
    assert not coordinator.is_claim("DONE")


def test_goals_that_the_page_shows_already_need_no_step() -> None:
    coordinator = planned("one => file:a", "two", "three => file:c", on=page("file:a[1]", "file:c[2]"))
    assert coordinator.goal == 2
    coordinator.claim(page("file:a[1]", "file:c[2]"))
    coordinator.check("yes", page("file:a[1]", "file:c[2]"))
    assert coordinator.are_all_reached
    assert [goal.words for goal in coordinator.reached] == ["one", "two", "three"]


def test_a_goal_without_a_condition_is_reached_when_a_check_says_so() -> None:
    coordinator = planned("one")
    assert coordinator.is_claim("DONE") and not coordinator.is_claim("CLICKx[1]")
    assert coordinator.claim(page()) is None
    assert str(coordinator.kind) == "check"
    assert coordinator.check("Yes.", page()) == Finding.REACHED
    assert coordinator.are_all_reached and str(coordinator.kind) == "act"


def test_a_check_that_answers_neither_yes_nor_no_believes_the_actor() -> None:
    coordinator = planned("one")
    coordinator.claim(page())
    assert coordinator.check("CLICKbutton:Ok[1]", page()) == Finding.UNREADABLE
    assert coordinator.are_all_reached


def test_a_check_that_answers_neither_believes_the_page_where_the_plan_says_what_will_be_seen() -> None:
    for shown, reached in ((page("file:b[1]"), False), (page("file:a[1]"), True)):
        coordinator = planned("one => file:a", "two")
        coordinator.claim(page())
        coordinator.claim(page(), is_repeated=True)
        assert coordinator.check("CLICKbutton:Ok[1]", shown) == Finding.UNREADABLE
        assert (coordinator.now == "two") is reached
        assert coordinator.recovers is not reached


def test_after_as_many_checks_as_a_run_may_make_the_actor_is_believed() -> None:
    coordinator = planned("one", "two", bounds=PlanBounds(1, 1))
    coordinator.claim(page())
    coordinator.check("yes", page())
    assert coordinator.claim(page()) == Finding.REACHED
    assert coordinator.are_all_reached


def test_an_act_that_is_repeated_in_vain_asks_for_a_check_whatever_the_plan_says_will_be_seen() -> None:
    coordinator = planned("one => file:wrong", "two")
    coordinator.act(page("file:a[1]"), is_repeated=False)
    assert coordinator.act(page("file:a[1]"), is_repeated=True) == Finding.REPEATED
    assert str(coordinator.kind) == "check" and not coordinator.recovers
    assert coordinator.check("yes", page("file:a[1]")) == Finding.REACHED
    assert coordinator.now == "two"


def test_a_claim_that_the_page_does_not_show_is_checked_where_it_is_made_again() -> None:
    coordinator = planned("one => file:wrong", "two")
    assert coordinator.claim(page("file:a[1]")) == Finding.NOT_REACHED
    assert coordinator.claim(page("file:a[1]"), is_repeated=True) is None
    assert coordinator.check("yes", page("file:a[1]")) == Finding.REACHED
    assert coordinator.now == "two"


def test_a_repeated_act_that_could_not_be_carried_out_is_left_to_recovery_without_a_check() -> None:
    coordinator = planned("one => file:a")
    failed = Page("all", (), error="cannot read this action")
    assert coordinator.act(failed, is_repeated=True) == Finding.REPEATED
    assert coordinator.kind == StepKind.ACT and coordinator.recovers


@pytest.mark.parametrize("fail", ["unseen", "denied", "repeated"])
def test_recovery_acts_after_a_failed_check_and_two_of_them_make_a_new_plan(fail: str) -> None:
    coordinator = planned("zero => file:z", "one" if fail == "denied" else "one => file:a")
    coordinator.act(page("file:z[1]"), is_repeated=False)

    def fail_once() -> Finding | None:
        if fail == "denied":
            coordinator.claim(page())
            return coordinator.check("no, not yet", page())
        return (
            coordinator.claim(page())
            if fail == "unseen"
            else coordinator.act(Page("all", (), error="no such file"), is_repeated=True)
        )

    assert fail_once() == (Finding.REPEATED if fail == "repeated" else Finding.NOT_REACHED)
    assert coordinator.recovers and coordinator.kind == StepKind.ACT
    fail_once()
    assert str(coordinator.kind) == "plan"
    assert coordinator.plan("other", page()) is None
    assert (coordinator.now, coordinator.recovers) == ("other", False)
    assert [goal.words for goal in coordinator.reached] == ["zero"]


def test_no_more_plans_are_made_than_a_run_may_make() -> None:
    coordinator = planned("one => file:a", bounds=PlanBounds(1, 2))
    for _ in range(4):
        coordinator.claim(page())
        assert coordinator.kind == StepKind.ACT


def test_an_unreadable_plan_leaves_the_run_without_one_or_with_the_one_before() -> None:
    coordinator = Coordinator(BOUNDS)
    assert coordinator.plan("RUN ls", page()) == Finding.UNREADABLE
    assert (coordinator.kind, coordinator.goal, coordinator.now) == (StepKind.ACT, 0, "")
    coordinator = planned("one => file:a")
    coordinator.claim(page())
    coordinator.claim(page())
    assert coordinator.plan("", page()) == Finding.UNREADABLE
    assert (coordinator.kind, coordinator.now) == (StepKind.ACT, "one")


@pytest.mark.parametrize(
    ("mode", "words", "is_long", "does"),
    [
        ("auto", "click-button", False, False), ("auto", "two-parts", True, True), ("never", "two-parts", True, False),
        ("always", "click-button", False, True), ("auto", "Open the mail. Answer the first one.", False, True),
        ("auto", "Open the mail and answer the first one.", False, False), ("auto", "Save a.txt as b.txt", False, False),
        ("never", "Open the mail. Answer it.", False, False),
    ],
)  # fmt: skip
def test_long_tasks_and_those_of_several_sentences_are_planned_unless_a_setting_refuses(
    mode: str, words: str, is_long: bool, does: bool
) -> None:
    assert makes_plans(mode, words, is_question=False, is_long=is_long) is does
    assert not makes_plans(mode, words, is_question=True, is_long=is_long)


def test_a_run_whose_start_records_no_bounds_makes_no_plans() -> None:
    assert recorded_bounds({"run.max_steps": 12}) is None
    assert recorded_bounds({"run.plan": "auto", "run.max_plans": 3, "run.max_checks": 0}) == PlanBounds(3, 0)
