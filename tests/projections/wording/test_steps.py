"""Steps of planned runs in words."""

from __future__ import annotations

from grokputer.projections.wording.steps import describe_finding, describe_plan, describe_purpose


def test_a_plan_is_told_as_numbered_goals_with_what_ends_each() -> None:
    assert describe_plan("make it => file:a\ndelete b => no file:b\nlook") == [
        "1. make it, until the page shows file:a",
        "2. delete b, until the page no longer shows file:b",
        "3. look, until a check says so",
    ]


def test_an_answer_that_is_no_plan_is_told_as_it_is_and_an_erased_one_as_erased() -> None:
    assert describe_plan("RUN ls\nRUN pwd") == ["RUN ls", "RUN pwd"]
    assert describe_plan(None) == ["(erased)"]


def test_a_plan_of_an_earlier_program_with_an_action_as_a_goal_is_told_as_the_run_took_it() -> None:
    plan = "1. do: RUN ls => file:a"
    assert describe_plan(plan) == ["1. do: RUN ls, until the page shows file:a"]
    assert describe_plan(plan, "unreadable") == [plan]


def test_a_step_says_what_it_is_for_and_an_act_without_a_plan_says_nothing() -> None:
    assert [describe_purpose(kind, goal) for kind, goal in (("act", 0), ("act", 2), ("check", 2), ("plan", 0))] == [
        "", "for goal 2", "check of goal 2", "plan",
    ]  # fmt: skip
    assert describe_purpose("plan", 2) == "new plan, in place of goal 2 and after"
    assert (describe_purpose("read", 0), describe_purpose("read", 1)) == ("reading", "reading for goal 1")


def test_a_finding_is_told_in_words_and_an_unknown_one_as_it_is() -> None:
    assert describe_finding("not reached") == "the goal is not reached"
    assert (describe_finding(""), describe_finding("of a later program")) == ("", "of a later program")
