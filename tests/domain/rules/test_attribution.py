"""Attribution: the role that a failed run is attributed to by its steps alone."""

from __future__ import annotations

from dataclasses import dataclass

from grokputer.domain.rules.attribution import role_at_fault


@dataclass(frozen=True)
class Taken:
    role: str
    kind: str = "act"
    goal: int = 0
    found: str = ""
    error: str = ""


PLAN = Taken("decomposition", "plan")


def test_the_only_role_that_made_a_step_is_at_fault_and_of_several_none_is_known() -> None:
    assert role_at_fault([Taken("action"), Taken("")], "action") == "action"
    assert role_at_fault([], "action") == "action"
    assert role_at_fault([Taken("action"), Taken("recovery")], "action") is None


def test_the_plan_was_wrong_where_all_its_goals_were_reached_and_the_task_failed() -> None:
    steps = [PLAN, Taken("action", goal=1, found="reached"), Taken("action")]
    assert role_at_fault(steps, "action", are_all_reached=True) == "decomposition"


def test_a_run_that_had_to_do_without_a_plan_is_attributed_to_the_role_that_wrote_it() -> None:
    steps = [Taken("decomposition", "plan", found="unreadable"), Taken("action")]
    assert role_at_fault(steps, "action") == "decomposition"


def test_a_goal_that_was_not_reached_is_attributed_to_the_role_of_its_last_act() -> None:
    reached = Taken("action", goal=1, found="reached")
    assert role_at_fault([PLAN, reached, Taken("action", goal=2)], "action") == "action"
    stuck = [
        PLAN,
        reached,
        Taken("action", goal=2),
        Taken("recovery", goal=2),
        Taken("recovery", "check", 2, "not reached"),
    ]
    assert role_at_fault(stuck, "action") == "recovery"


def test_a_goal_whose_first_act_could_not_be_carried_out_is_attributed_to_its_role() -> None:
    acts = [Taken("action", goal=1, error="cannot read"), Taken("recovery", goal=1), Taken("recovery", goal=1)]
    assert role_at_fault([PLAN, *acts], "action") == "action"
    done = [Taken("action", goal=1, error="cannot read"), Taken("recovery", goal=1, found="reached")]
    assert role_at_fault([PLAN, *done, Taken("action", goal=2), Taken("recovery", goal=2)], "action") == "recovery"


def test_only_the_steps_after_the_newest_plan_count() -> None:
    steps = [PLAN, Taken("recovery", goal=1), PLAN, Taken("action", goal=1)]
    assert role_at_fault(steps, "action") == "action"
    unread = [*steps[:2], Taken("decomposition", "plan", found="unreadable"), Taken("action", goal=1)]
    assert role_at_fault(unread, "action") == "action"
    assert role_at_fault([PLAN, Taken("action", goal=1), PLAN], "action") == "decomposition"


def test_a_reading_unlike_the_tree_is_at_fault_for_its_goal_and_without_a_plan_for_the_run() -> None:
    misread = Taken("ocr", "read", 2, "unlike tree")
    assert role_at_fault([PLAN, misread, Taken("action", goal=2)], "action") == "ocr"
    assert role_at_fault([PLAN, misread, Taken("action", goal=3)], "action") == "action"
    assert role_at_fault([Taken("ocr", "read", 0, "unlike tree"), Taken("action")], "action") == "ocr"
    assert role_at_fault([Taken("ocr", "read"), Taken("action")], "action") is None
