"""The computer to use: an episode from reset to reward, the same for the same seed, and robust against bad actions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grokputer.domain.errors import EnvironmentUnavailable, UnknownTask
from grokputer.domain.page.messages import Page
from grokputer.domain.ports import Environment
from grokputer.runners.environments.browser import find_browser
from grokputer.runners.environments.miniwob.demonstrations import demonstrate
from grokputer.runners.environments.miniwob.environment import BASE_TASKS, UNSEEN_TASKS, MiniWob, task_names

STEPS = 12
"""As many as the longest demonstration may take."""


@pytest.fixture(scope="module")
def computer() -> Iterator[MiniWob]:
    try:
        find_browser()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    with MiniWob() as computer:
        yield computer


@pytest.fixture(scope="module")
def forgetful(computer: MiniWob) -> Iterator[MiniWob]:
    """A computer that keeps one tab, so that every change of task opens a fresh one."""
    with MiniWob(tabs=1) as forgetful:
        yield forgetful


def demonstrated(computer: Environment, task: str, seed: int) -> Page:
    """The last page of the task's demonstration."""
    page, history = computer.reset(task, seed), list[str]()
    while not page.is_done and len(history) < STEPS:
        history.append(demonstrate(task)(page, history))
        page = computer.act(history[-1])
        assert not page.error
    return page


def test_an_episode_goes_from_reset_to_reward(computer: MiniWob) -> None:
    page = computer.reset("login-user", seed=0)
    assert page.task == ('Enter the username "karrie" and the password "AU" into the text fields and press login.')
    assert page.lines == ("input.text:Username[1]", "input.password:Password[2]", "button:Login[3]")
    page = computer.act("TYPEinput.text:Username[1]karrie")
    page = computer.act("TYPEinput.password:Password[2]AU")
    assert page.lines == ("input.text=karrie:Username[1]", "input.password=AU:Password[2]", "button:Login[3]")
    assert (page.is_done, page.reward) == (False, 0)
    page = computer.act("CLICKbutton:Login[3]")
    assert (page.is_done, page.reward) == (True, 1)


def test_a_wrong_answer_ends_the_episode_without_success(computer: MiniWob) -> None:
    computer.reset("login-user", seed=0)
    page = computer.act("CLICKbutton:Login[3]")
    assert (page.is_done, page.reward) == (True, -1)


def test_done_ends_the_episode_without_success(computer: MiniWob) -> None:
    computer.reset("login-user", seed=0)
    page = computer.act("DONE")
    assert (page.is_done, page.reward) == (True, 0)
    assert computer.act("CLICKbutton:Login[3]").error == "the episode is over"


@pytest.mark.parametrize("task", ["enter-text", "click-tab-2", "use-autocomplete", "click-scroll-list"])
def test_the_same_seed_gives_the_same_page_in_a_used_and_in_a_fresh_tab(
    computer: MiniWob, forgetful: MiniWob, task: str
) -> None:
    demonstrated(computer, task, seed=1)
    used = computer.reset(task, seed=2)
    assert forgetful.reset(task, seed=2) == used
    assert computer.reset(task, seed=3) != used


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (
            "press the button",
            "cannot read 'press the button' as an action; it begins with one of CLICK, TYPE, SELECT, DONE",
        ),
        ("CLICKbutton:Login[9]", "there is no [9]"),
        ("TYPEbutton:Login[3]Bob", "cannot TYPE [3]: it takes no text"),
        ("SELECTinput.text:Username[1]", "cannot SELECT [1]: it is not an option of a list"),
    ],
)
def test_a_bad_action_changes_nothing_and_says_why(computer: MiniWob, action: str, error: str) -> None:
    before = computer.reset("login-user", seed=0)
    after = computer.act(action)
    assert after.error == error
    assert (after.task, after.lines, after.is_done) == (before.task, before.lines, False)


def test_choosing_again_in_a_list_of_many_takes_back(computer: MiniWob) -> None:
    computer.reset("click-scroll-list", seed=0)
    assert "option*:Catherine[3]" in computer.act("SELECToption:Catherine[3]").lines
    assert "option:Catherine[3]" in computer.act("SELECToption*:Catherine[3]").lines


def test_an_unknown_task_is_one_line_that_names_close_ones(computer: MiniWob) -> None:
    with pytest.raises(UnknownTask, match=r"^there is no task 'click-buton'; close to it: click-button, [^\n]*$"):
        computer.reset("click-buton", seed=0)


def test_acting_before_any_episode_says_what_to_do() -> None:
    with pytest.raises(EnvironmentUnavailable, match=r"^no episode is running; start one with reset\(task, seed\)$"):
        MiniWob().act("DONE")


def test_a_lost_browser_is_said_and_the_next_episode_starts_another() -> None:
    with MiniWob() as computer:
        computer.reset("click-test-2", seed=0)
        assert computer._tabs._browser is not None
        computer._tabs._browser._process.kill()
        with pytest.raises(EnvironmentUnavailable, match=r"^lost the browser [^\n]*; start the task again$"):
            computer.act("CLICKbutton:ONE[1]")
        assert demonstrated(computer, "click-test-2", seed=0).reward == 1


@pytest.mark.parametrize("task", [*BASE_TASKS, *UNSEEN_TASKS])
def test_the_demonstration_succeeds(computer: MiniWob, task: str) -> None:
    assert [demonstrated(computer, task, seed).reward for seed in (7, 8)] == [1, 1]


def test_reserved_tasks_have_no_demonstration() -> None:
    reserved = set(task_names()) - {*BASE_TASKS, *UNSEEN_TASKS}
    assert len(reserved) > 90
    for task in reserved:
        with pytest.raises(UnknownTask, match=rf"^there is no demonstration of '{task}'; there are of choose-list, "):
            demonstrate(task)
