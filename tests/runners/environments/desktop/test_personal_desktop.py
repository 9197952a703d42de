"""A person's display: used as it is, with any words as a task, and left as it is."""

from __future__ import annotations

import os

import pytest

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.page.line import read
from grokputer.runners.environments.desktop.machine import Machine
from grokputer.runners.environments.desktop.options import Options
from grokputer.runners.environments.desktop.personal import PersonalDesktop
from grokputer.runners.environments.desktop.screen import borrowed
from grokputer.runners.environments.desktop.screen.borrowed import BorrowedDevices, check_library
from grokputer.runners.environments.desktop.tasks.instance import Program
from grokputer.runners.environments.desktop.tasks.steps import click, fill

QUESTION = Program(("zenity", "--entry", "--title=Mine", "--text=Mine"), "answer")


@pytest.fixture
def personal(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> PersonalDesktop:
    """The shared desktop, as if it were a person's."""
    machine.clear()
    for name in ("XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, machine.session.environment[name])
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    return PersonalDesktop(Options(display=machine.session.display))


def test_what_is_open_on_a_persons_display_is_used_and_stays(machine: Machine, personal: PersonalDesktop) -> None:
    machine.start(QUESTION)
    page = personal.reset("write hello into the dialog", 0)
    assert page.task == "write hello into the dialog" and read(page)[0].text == "Mine"
    page = personal.act(fill("hello")(page))
    assert read(page, "entry")[0].value == "hello" and not page.is_done
    page = personal.act("DONE")
    assert (page.is_done, page.reward, page.error) == (True, 1, "")
    personal.close()
    assert [window.title for window in machine.display.windows()] == ["Mine"]


def test_a_display_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    with pytest.raises(EnvironmentUnavailable, match="there is no display :4711"):
        PersonalDesktop(Options(display=":4711")).reset("look", 0)


def test_one_task_at_a_time_uses_a_persons_display(personal: PersonalDesktop) -> None:
    with pytest.raises(EnvironmentUnavailable, match="one task at a time"):
        personal.beside(1)
    with pytest.raises(EnvironmentUnavailable, match="no episode"):
        personal.act("WAIT")


def test_pyautogui_is_refused_where_it_is_missing_with_what_to_do() -> None:
    with pytest.raises(EnvironmentUnavailable, match=r"environment\.desktop_input"):
        BorrowedDevices(os.environ.get("DISPLAY", ":0"))


def test_a_library_that_another_package_has_overwritten_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    check_library()
    monkeypatch.setattr(borrowed, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentUnavailable, match="pip install --force-reinstall --no-deps python-xlib"):
        check_library()


def test_pyautogui_types_each_character_of_the_keyboard_where_it_is_installed(
    machine: Machine, personal: PersonalDesktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", machine.session.display)  # the package looks for it when it is imported
    pytest.importorskip("pyautogui", reason="pyautogui is set up in an environment of its own; see docs/desktop.md")
    own = PersonalDesktop(Options(display=machine.session.display, devices=borrowed.NAME))
    machine.start(QUESTION)
    page = own.reset("write into the dialog", 0)
    written = "".join(chr(code) for code in range(33, 127) if chr(code) not in "[]=:|\\")
    page = own.act(fill(written)(page))
    assert (read(page, "entry")[0].value, page.error) == (written, "")
    assert "types ASCII alone" in own.act(fill("Zürich")(page)).error
    page = own.act(click("button", "Cancel")(page))
    assert not page.error and "Mine" not in str(page.lines)
    own.close()
    personal.close()


def test_a_press_is_not_made_where_the_window_of_a_person_is_gone(machine: Machine, personal: PersonalDesktop) -> None:
    machine.start(QUESTION)
    page = personal.reset("press OK", 0)
    action = click("button", "OK")(page)
    machine.session.end_programs()
    assert personal.act(action).error
    personal.close()
