"""A desktop in use: episodes from reset to reward, typing, and actions that are refused before anything is pressed."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from threading import Timer

import pytest
from PIL import Image

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.page.action import DESKTOP_VERBS
from grokputer.domain.page.line import read
from grokputer.domain.page.messages import Page
from grokputer.runners.environments.desktop.episode import Episode
from grokputer.runners.environments.desktop.machine import Machine
from grokputer.runners.environments.desktop.tasks.families import OWN
from grokputer.runners.environments.desktop.tasks.instance import Program, printed
from grokputer.runners.environments.desktop.tasks.steps import click, fill, follow, key, run, window
from grokputer.runners.environments.desktop.tree import bus

Begin = Callable[..., Episode]

ENTRY = Program(("zenity", "--entry", "--title=Code", "--text=Code"), "answer")
QUESTION = Program(("zenity", "--question", "--title=Sure", "--text=Really?", "--no-wrap"))


def window_of(page: Page) -> str:
    return read(page)[0].text


@pytest.mark.parametrize("task", ["fill-form", "tick-words", "append-line"])
def test_a_task_is_open_after_its_reset_and_done_after_its_demonstration(machine: Machine, task: str) -> None:
    instance = OWN.find(task).instance(7)
    episode = Episode(machine, instance)
    page, history = episode.page, list[str]()
    assert page.task == instance.request and page.verbs == DESKTOP_VERBS
    assert not page.is_done and len(page.boxes) == len(page.lines)
    while not page.is_done:
        history.append(follow(instance.made.solution, page, history))
        page = episode.act(history[-1])
    assert page.reward == 1


def test_done_before_the_task_is_done_ends_the_episode_without_a_reward(begin: Begin) -> None:
    page = begin(ENTRY).act("DONE")
    assert (page.is_done, page.reward, page.error) == (True, 0, "the task is not done")


@pytest.mark.parametrize(
    "text", ["Grüße, 5 € naïve ✓", "Καλημέρα Доброе שלום مرحبا", "おはよう 你好 नमस्ते", 'a<b>"c\\\\d" #~|']
)
def test_a_text_in_any_script_arrives_as_it_is(begin: Begin, text: str) -> None:
    wanted = text.replace("\\\\", "\\")
    episode = begin(ENTRY, goal=printed("answer", wanted))
    episode.act(fill(text)(episode.page))
    assert read(episode.page, "entry")[0].value == wanted, episode.page
    page = episode.act(click("button", "OK")(episode.page))
    assert page.reward == 1


def test_typing_replaces_the_value_and_nothing_empties_it(begin: Begin) -> None:
    episode = begin(ENTRY)
    for text in ("first", "second", ""):
        page = episode.act(fill(text)(episode.page))
        assert read(page, "entry")[0].value == text


def test_the_picture_shows_the_window_and_each_element_has_its_place_on_it(begin: Begin) -> None:
    page = begin(ENTRY).page
    assert page.picture is not None
    width, height = Image.open(io.BytesIO(page.picture)).size
    for box in page.boxes:
        assert box is not None and box.x + box.width <= width and box.y + box.height <= height
    assert width < 1024 and height < 768


def test_an_action_on_a_window_that_closed_since_the_look_is_refused(machine: Machine, begin: Begin) -> None:
    episode = begin(ENTRY)
    action = click("button", "OK")(episode.page)
    machine.session.end_programs()
    page = episode.act(action)
    assert page.error and page.lines == ("screen:no window is open[1]",)


def test_an_element_under_a_window_that_came_since_the_look_is_not_pressed(machine: Machine, begin: Begin) -> None:
    episode = begin(ENTRY)
    action = click("button", "OK")(episode.page)
    machine.start(QUESTION)
    page = episode.act(action)
    assert page.error == "another window has come to the front: 'Sure'"
    assert window_of(page) == "Sure" and any(line.startswith("dialog:Code[") for line in page.lines)


def test_keys_are_not_typed_into_another_window(machine: Machine, begin: Begin) -> None:
    episode = begin(ENTRY)
    action = fill("secret")(episode.page)
    machine.start(QUESTION)
    assert "another window" in episode.act(action).error
    page = episode.act(window("Code")(episode.page))
    assert window_of(page) == "Code" and read(page, "entry")[0].value == ""


REFUSED = {
    "PUSH button": "cannot read",
    "CLICKbutton:OK[99]": "there is no element [99]",
    "TYPEbutton:OK[1]x": "a window can only be clicked",
    "TYPEbutton:OK[4]x": "a button takes no text",
    "SELECTbutton:OK[4]": "a button is not an option of a list; CLICK presses it",
    "SELECTwindow:Name[1]": "a window can only be clicked",
    "KEY hyper+x": "cannot hold the key 'hyper'",
    "KEY ctrl+nokey": "there is no key 'nokey'",
    "RUN sh -c 'touch x'": "'sh' is not offered",
    "RUN mousepad /etc/passwd": "is not a file in the home folder",
    "RUN mousepad ../x": "is not a file in the home folder",
    "RUN mousepad --version": "is not a file in the home folder",
    "RUN mousepad 'x": "a quote that does not end",
}


def test_an_action_that_cannot_be_done_says_why_in_one_sentence_and_changes_nothing(begin: Begin) -> None:
    episode = begin(ENTRY)
    before = episode.page
    for action, error in REFUSED.items():
        page = episode.act(action)
        assert error in page.error and "\n" not in page.error and not page.is_done, action
        assert page.lines == before.lines, action


def test_a_press_on_a_screen_without_a_window_says_that_none_is_open(begin: Begin) -> None:
    [line] = begin().page.lines
    assert begin().act(f"CLICK{line}").error == "no window is open, so there is nothing to press; RUN starts a program"


def test_a_program_that_hangs_stays_a_line_of_the_page(machine: Machine, begin: Begin) -> None:
    episode = begin(ENTRY)
    action = click("button", "OK")(episode.page)
    [process] = {one.process for one in machine.display.windows()}
    os.kill(process, signal.SIGSTOP)
    page = episode.act(action)
    assert page.error == "the element is gone" or "answer" in page.error
    assert window_of(page) == "Code"
    os.kill(process, signal.SIGKILL)


def test_a_program_that_answers_late_has_its_elements_and_one_too_late_has_them_again(
    machine: Machine, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = begin(ENTRY)
    before = episode.page.lines
    [process] = {one.process for one in machine.display.windows()}
    os.kill(process, signal.SIGSTOP)
    later = Timer(0.5, os.kill, (process, signal.SIGCONT))
    later.start()
    assert len(machine.eye.look().elements) == len(before)
    later.join()
    with monkeypatch.context() as patience:
        patience.setattr(bus, "CALL_S", 0.1)
        os.kill(process, signal.SIGSTOP)
        assert [element.text for element in machine.eye.look().elements] == ["Code"]
        os.kill(process, signal.SIGCONT)
    assert episode.act("WAIT").lines == before


def test_a_home_that_is_too_full_ends_the_episode(
    machine: Machine, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = begin(ENTRY)
    for number in range(9):
        machine.lay_out({f"{number}.bin": "x" * (8 << 20)})
    page = episode.act("WAIT")
    assert page.is_done and page.reward == 0
    assert page.error == "the episode ended at the limit of 64 MiB in the folder"


def test_a_menu_is_open_over_its_window_until_an_item_is_pressed(begin: Begin) -> None:
    episode = begin(Program(("mousepad",)))
    page = episode.act(click("menu", "Edit")(episode.page))
    assert page.lines[1].startswith("menu-item")
    page = episode.act(key("escape")(page))
    assert not [line for line in page.lines if line.startswith("menu-item")]
    page = episode.act(run("galculator")(page))
    assert window_of(page) == "galculator" and any(line.startswith("window:") for line in page.lines)


def test_a_task_whose_program_is_missing_says_what_to_install(begin: Begin) -> None:
    with pytest.raises(EnvironmentUnavailable, match="apt-get install no-such-program"):
        begin(Program(("no-such-program",)))
