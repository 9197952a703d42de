"""Plans: what is read as one, how one is written, and when the page shows that a goal is reached."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grokputer.domain.page.messages import Message, Page
from grokputer.domain.page.observation import read_observation
from grokputer.domain.page.plan import (
    LONGEST_GOAL,
    MOST_GOALS,
    Goal,
    holds,
    parse_plan,
    plan_of_one,
    read_plan,
    write_plan,
)
from grokputer.domain.page.prompt import ask_for_check, ask_for_plan, observe

PAGE = Page(
    "do a, then b", ("file:report.txt.bak[1]", "window:letter.txt - Editor[2]", "entry=Bob:Name[3]", "file*:go.sh[4]")
)


def test_a_plan_is_read_back_as_it_was_written() -> None:
    goals = (Goal("make a folder", "folder:old"), Goal("delete it", "no file:x"), Goal("look at it"))
    assert parse_plan(write_plan(goals)) == goals


def test_numbers_dashes_fences_and_empty_lines_around_goals_have_no_meaning() -> None:
    text = "```\n1. open  the file => window:a[12]\n\n - save it\n2) close it\nGoal 3: go\n```"
    assert parse_plan(text) == (Goal("open the file", "window:a"), Goal("save it"), Goal("close it"), Goal("go"))


@pytest.mark.parametrize(
    "text",
    [
        "", "   \n", "=> file:a", "a => no", "CLICKbutton:Ok[6]", "====", "RUN ls", "DONE", "go\nTYPEentry[1]x",
        "RUN mkdir a => folder:a",
        "x" * (LONGEST_GOAL + 1), "go => " + "x" * (LONGEST_GOAL + 1), "\n".join(["go"] * (MOST_GOALS + 1)),
    ],
)  # fmt: skip
def test_text_without_goals_with_too_many_or_with_an_action_is_no_plan(text: str) -> None:
    assert parse_plan(text) is None


@pytest.mark.parametrize(
    "line",
    [
        "do: TYPEentry:Name[2]Bob", "1. CLICKbutton:Ok[6]", "- RUN mkdir old", "2) do: KEY ctrl+s", "- RUN mkdir a => folder:a",
        "CLICKbutton:Ok[6] => no window:Save", "Do: DONE", "WAIT => file:a", "`RUN ls`", "* do:`SCROLL down`",
        "SELECToption:Red[4] => Red", "action: DRAGicon:a[1]icon:b[2]",
    ],
)  # fmt: skip
def test_an_action_with_something_around_it_is_no_goal_but_recorded_plans_with_one_are_read(line: str) -> None:
    for text in (line, f"make a folder => folder:old\n{line}"):
        assert parse_plan(text) is None
        assert len(read_plan(text) or ()) == text.count("\n") + 1


@pytest.mark.parametrize(
    "line",
    ["run the report", "do: the washing", "press button:Ok[6]", "type Bob in entry:Name[2]", "be DONE soon", "Run ls"],
)
def test_a_goal_in_words_may_speak_of_elements_and_commands(line: str) -> None:
    assert parse_plan(line) == (Goal(line),)


@pytest.mark.parametrize(
    ("condition", "does"),
    [
        ("file:report.txt.bak", True), ("file:report.txt", False), ("report.txt.bak", True), ("window:letter.txt", True),
        ("letter.txt", True), ("letter", False), ("entry=Bob", True), ("Name", True), ("[2]", False), ("go.sh", True),
        ("no file:report.txt", True), ("no window:letter.txt", False), ("file:.*", False),
    ],
)  # fmt: skip
def test_a_condition_holds_where_a_line_has_its_whole_words_and_after_no_where_none_has(
    condition: str, does: bool
) -> None:
    assert holds(condition, PAGE) is does


def test_a_goal_without_a_condition_is_never_shown_as_reached() -> None:
    assert not Goal("go").holds_on(PAGE)


def test_the_plan_of_one_goal_is_the_task_in_one_line() -> None:
    assert parse_plan(plan_of_one("do a => b,\nthen c")) == (Goal("do a -> b, then c"),)
    assert parse_plan(plan_of_one("x" * 999)) == (Goal("x" * LONGEST_GOAL),)


# --- prompts ---------------------------------------------------------------------------------------------------------


def test_an_act_for_a_goal_is_asked_for_as_a_short_task_is() -> None:
    [system, user] = observe(PAGE, ["CLICKx[1]"], now="do a")
    assert user["content"].split("\n") == ["task: do a", *PAGE.lines, "did: CLICKx[1]", "task: do a", "do: "]
    assert [system, user] == observe(replace(PAGE, task="do a"), ["CLICKx[1]"])


def test_a_plan_is_asked_for_with_the_goals_reached_so_far_and_a_check_with_its_goal() -> None:
    [_, plan] = ask_for_plan(PAGE, [Goal("do a", "file:a")])
    assert plan["content"].split("\n")[-3:] == ["reached: do a", "task: do a, then b", "plan: "]
    [_, check] = ask_for_check(PAGE, ["CLICKx[1]"], "do b")
    assert check["content"].split("\n")[-3:] == ["did: CLICKx[1]", "now: do b", "reached: "]


def test_the_role_s_instructions_stand_before_those_of_every_kind_of_step() -> None:
    before: list[Message] = [{"role": "system", "content": "Be quick."}]
    for asked in (
        observe(PAGE, [], before, "do a"),
        ask_for_plan(PAGE, [], before),
        ask_for_check(PAGE, [], "a", before),
    ):
        assert asked[0]["content"].startswith("Be quick.\n\n")


def test_the_observation_of_every_kind_of_step_is_its_page() -> None:
    goal = "press button:Ok[6]"
    for asked in (observe(PAGE, [], now=goal), ask_for_plan(PAGE, [Goal(goal)]), ask_for_check(PAGE, [], goal)):
        seen = read_observation(asked)
        assert seen.is_page and seen.lines == PAGE.lines
