"""What a prompt says of the task, read back from it."""

from __future__ import annotations

import pytest

from grokputer.domain.page.media import write_mark
from grokputer.domain.page.messages import Page
from grokputer.domain.page.observation import read_task
from grokputer.domain.page.plan import Goal
from grokputer.domain.page.prompt import ask_for_check, ask_for_plan, observe

KEY = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "task", ["Press it.", "Save this:\ntask: one\ntwo", "", f"Say what {write_mark('image_url', KEY)} is."]
)
def test_the_words_of_the_task_are_read_from_a_prompt_for_an_action_and_from_one_for_a_plan(task: str) -> None:
    page = Page(task, ("button:Ok[1]", "text:task: other[2]"))
    read = {read_task(observe(page, ("CLICKbutton:Ok[1]",))), read_task(ask_for_plan(page, (Goal("press it"),)))}
    assert read == {task.replace("[image_url", "(image_url").replace(f"{KEY}]", f"{KEY})")}


def test_a_goal_in_place_of_the_task_is_not_told_apart_and_a_check_and_a_question_have_none() -> None:
    page = Page("Press it.", ("button:Ok[1]",))
    assert read_task(observe(page, (), now="press ok")) == "press ok"
    assert read_task(ask_for_check(page, (), "press ok")) is None
    assert read_task([{"role": "user", "content": "What is 2 + 2?"}]) is None
    assert read_task([{"role": "user", "content": "task: one\nbutton:Ok[1]\ntask: two\ndo: "}]) is None
    assert read_task([{"role": "user", "content": [{"type": "text"}]}]) is None
    assert read_task([]) is None
