"""One desktop for all tests of a process: its start takes half a second, a reset a tenth of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from grokputer.domain.errors import EnvironmentUnavailable

pytest.importorskip("jeepney")
pytest.importorskip("Xlib")
pytest.importorskip("mss")

from grokputer.runners.environments.desktop.episode import Episode
from grokputer.runners.environments.desktop.machine import Machine
from grokputer.runners.environments.desktop.screen.parts import check_programs
from grokputer.runners.environments.desktop.tasks.instance import Files, Goal, Instance, Made, Program

Begin = Callable[..., Episode]
"""Begins an episode with the programs, the files and the goal."""


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    try:
        check_programs()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    machine = Machine((1024, 768))
    yield machine
    machine.close()


@pytest.fixture
def begin(machine: Machine) -> Begin:
    """An episode on the shared desktop; without a goal it is never done."""

    def start(*programs: Program, files: Files | None = None, goal: Goal = lambda moment: False) -> Episode:
        return Episode(machine, Instance("test", Made({}, programs, goal, [], files or {})))

    return start
