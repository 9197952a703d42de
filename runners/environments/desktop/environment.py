"""The environment of desktops: each episode has a fresh HOME with programs open on a private screen.

An episode ends with the action that does the task, or with ``DONE``. A desktop stays up between episodes, because its start
takes as long as that of a program.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress

from ....domain.errors import EnvironmentUnavailable
from ....domain.events import Capability
from ....domain.page.messages import Page
from ....domain.ports import Script
from ..of_tasks import Remembered
from .episode import Episode
from .machine import Machine
from .options import Options
from .reading import ReadableDesktop
from .tasks.families import OWN
from .tasks.family import Families
from .tasks.instance import Instance
from .tasks.steps import follow

USUAL = Options()

KEPT = 4
"""Desktops without an episode that stay up for the next one; chosen."""


class Desktop(ReadableDesktop):
    """The ``Environment`` of desktops. A private screen starts with the first episode."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def __init__(self, options: Options = USUAL, families: Families = OWN) -> None:
        self._options, self._families = options, families
        self._shared = _Shared(options)
        self._seat: _Seat | None = None
        self._episode: Episode | None = None

    def tasks(self) -> Sequence[str]:
        """The names of all tasks, sorted."""
        return self._families.names()

    def check_task(self, task: str) -> None:
        """Raises ``UnknownTask``, naming the tasks that are close to it."""
        self._families.find(task)

    def reset(self, task: str, seed: int) -> Page:
        """Start the task. Raises ``UnknownTask``; ``EnvironmentUnavailable`` where no desktop can be started."""
        instance = self._families.find(task).instance(seed)
        self._shared.played.add(task, instance.request, instance)
        self._episode = None
        if self._seat is None:
            self._seat = _Seat(self._shared)
        try:
            self._episode = Episode(self._seat.machine(), instance)
        except EnvironmentUnavailable:
            self._give_up()
            raise
        return self._episode.page

    def act(self, action: str) -> Page:
        """Carry out one action; the page's ``error`` says why one that cannot be read or done changed nothing."""
        try:
            return self._playing().act(action)
        except EnvironmentUnavailable:
            self._give_up()
            raise

    def demonstrate(self, task: str) -> Script:
        """The scripted demonstration, step by step. Raises ``UnknownTask``."""
        self._families.find(task)
        played = self._shared.played
        return lambda page, history: follow(played.find(task, page.task).made.solution, page, history)

    def beside(self, seat: int) -> Desktop:
        """An environment for a parallel episode, on a desktop of its own; see ``Environment.beside``."""
        other = Desktop(self._options, self._families)
        other._shared = self._shared
        return other

    def close(self) -> None:
        """End all desktops, those beside this one too."""
        self._episode = self._seat = None
        self._shared.close()

    def _give_up(self) -> None:
        """End the desktop, which lost a part; the next episode has a new one."""
        self._episode = None
        if self._seat is not None:
            self._seat.lose()


class _Shared:
    """What an environment and those beside it have together: their desktops, and the demonstrations of what they play."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._all: list[Machine] = []
        self._free: list[Machine] = []
        self.played = Remembered[Instance]()

    def take(self) -> Machine:
        """A desktop that nothing uses."""
        while self._free:
            machine = self._free.pop()
            if machine.is_whole:
                return machine
            self.end(machine)
        machine = Machine(self._options.size, self._options.devices, self._options.lines)
        self._all.append(machine)
        return machine

    def give_back(self, machine: Machine) -> None:
        """The desktop is free for another episode; its programs end."""
        if machine not in self._all:
            return
        try:
            if len(self._free) < KEPT:
                machine.clear()
                self._free.append(machine)
                return
        except EnvironmentUnavailable:
            pass
        self.end(machine)

    def end(self, machine: Machine) -> None:
        """End the desktop."""
        if machine in self._all:
            self._all.remove(machine)
        with suppress(EnvironmentUnavailable):
            machine.close()

    def close(self) -> None:
        self._free.clear()
        while self._all:
            self.end(self._all[-1])


class _Seat:
    """The desktop of one environment object. It is free for others once the object is gone."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._machines: list[Machine] = []
        weakref.finalize(self, _release, shared, self._machines)

    def machine(self) -> Machine:
        """The desktop, a new one where the last was lost."""
        if self._machines and not self._machines[0].is_whole:
            self.lose()
        if not self._machines:
            self._machines.append(self._shared.take())
        return self._machines[0]

    def lose(self) -> None:
        """End the desktop."""
        while self._machines:
            self._shared.end(self._machines.pop())


def _release(shared: _Shared, machines: list[Machine]) -> None:
    while machines:
        shared.give_back(machines.pop())
