"""Parallel episodes: a desktop for each seat, which is free for another once its episode is given up."""

from __future__ import annotations

import gc
import os

import pytest

from grokputer.domain.errors import EnvironmentUnavailable, UnknownTask
from grokputer.domain.events import Capability
from grokputer.domain.page.messages import Page
from grokputer.runners.environments.desktop.environment import Desktop
from grokputer.runners.environments.desktop.options import Options
from grokputer.runners.environments.sandbox.usage import children_of


def play_on(desktop: Desktop, page: Page, history: list[str]) -> Page:
    """One step of the demonstration."""
    history.append(desktop.demonstrate("enter-code")(page, history))
    return desktop.act(history[-1])


def test_two_seats_play_side_by_side_and_a_seat_that_is_given_up_is_used_again() -> None:
    before = len(children_of(os.getpid()))
    with_seats = Desktop(Options((640, 480)))
    try:
        other = with_seats.beside(1)
        first, second = with_seats.reset("enter-code", 1), other.reset("enter-code", 2)
        assert first.task != second.task
        of_first, of_second = list[str](), list[str]()
        while not (first.is_done and second.is_done):
            first = first if first.is_done else play_on(with_seats, first, of_first)
            second = second if second.is_done else play_on(other, second, of_second)
        assert (first.reward, second.reward) == (1, 1)
        assert len(children_of(os.getpid())) == before + 2
        del other
        gc.collect()
        with_seats.beside(1).reset("enter-code", 3)
        assert len(children_of(os.getpid())) == before + 2
    finally:
        with_seats.close()
    assert len(children_of(os.getpid())) == before


def test_a_desktop_declares_what_it_can_do_before_anything_is_started() -> None:
    desktop = Desktop()
    assert desktop.capabilities == {Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS}
    assert "rename-file" in desktop.tasks()
    with pytest.raises(UnknownTask):
        desktop.check_task("rename-fil")
    with pytest.raises(EnvironmentUnavailable, match="no episode"):
        desktop.act("WAIT")
