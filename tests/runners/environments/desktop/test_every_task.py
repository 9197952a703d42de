"""Every family of tasks on a real desktop, for ten seeds: not done after the reset, done after the demonstration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grokputer.runners.environments.desktop.episode import Episode
from grokputer.runners.environments.desktop.machine import Machine
from grokputer.runners.environments.desktop.screen.keeper import SOCKETS
from grokputer.runners.environments.desktop.tasks.families import OWN
from grokputer.runners.environments.desktop.tasks.instance import Program
from grokputer.runners.environments.desktop.tasks.steps import follow
from grokputer.runners.environments.sandbox.usage import children_of

MOST_STEPS = 30

CALCULATOR = Program(("galculator",))


@pytest.mark.slow
@pytest.mark.parametrize("task", OWN.names())
def test_a_task_is_open_after_its_reset_and_done_after_its_demonstration(machine: Machine, task: str) -> None:
    for seed in range(10):
        instance = OWN.find(task).instance(seed)
        episode = Episode(machine, instance)
        page, history = episode.page, list[str]()
        assert not page.is_done, seed
        while not page.is_done and len(history) < MOST_STEPS:
            history.append(follow(instance.made.solution, page, history))
            page = episode.act(history[-1])
        assert page.reward == 1, (seed, history, page.lines)


@pytest.mark.slow
def test_a_large_screen_has_its_lines_and_its_picture() -> None:
    machine = Machine((3840, 2160))
    try:
        view = machine.begin({}, [CALCULATOR])
        assert machine.display.size == (3840, 2160) and len(view.elements) > 30
        assert machine.take_picture(view.area).startswith(b"\x89PNG")
    finally:
        machine.close()


@pytest.mark.slow
def test_ten_desktops_in_turn_leave_no_process_no_descriptor_and_no_file() -> None:
    def left() -> tuple[int, int]:
        return len(children_of(os.getpid())), len(os.listdir("/proc/self/fd"))

    before = left()
    for _ in range(10):
        machine = Machine((640, 480))
        folder = machine.session.folder.path
        machine.begin({"a.txt": "one"}, [CALCULATOR])
        machine.close()
        assert not folder.exists()
    assert left() == before
    assert not list(Path(SOCKETS).glob(f"X{machine.session.display[1:]}"))


@pytest.mark.slow
def test_a_window_without_a_tree_is_a_line_and_a_picture(machine: Machine) -> None:
    machine.clear()
    machine.session.start(["zenity", "--info", "--title=Blind"], environment={"NO_AT_BRIDGE": "1", "GTK_MODULES": ""})
    while not machine.display.windows():
        machine.display.wait_for_change(0.1)
    machine.hands.settle()
    view = machine.eye.look()
    assert [element.text for element in view.elements] == ["Blind"]
    assert len(machine.take_picture(view.area)) > 500


@pytest.mark.slow
def test_a_desktop_without_fonts_has_its_lines(machine: Machine) -> None:
    machine.clear()
    empty = machine.home / "fonts.conf"
    empty.write_text("<?xml version='1.0'?><!DOCTYPE fontconfig SYSTEM 'fonts.dtd'><fontconfig></fontconfig>")
    empty.chmod(0o644)
    command = ["zenity", "--question", "--title=Plain", "--text=Really?"]
    machine.session.start(command, environment={"FONTCONFIG_FILE": str(empty)})
    while not (view := machine.eye.look()).elements:
        machine.display.wait_for_change(0.1)
    assert view.elements[0].text == "Plain"
