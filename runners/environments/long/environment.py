"""The environment of long tasks: parts that are asked for in one request, in one or several places.

Parts that are done by commands and follow each other share one folder and one page, and may be done in any order. A part of
another environment is a place of its own: its page is shown when the places before it are done, and its environment says
whether it is done. The whole is done when the last place is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from ....domain.errors import EnvironmentUnavailable, UnknownTask
from ....domain.events import Capability
from ....domain.page.messages import Page
from ....domain.ports import Environment, PlannedScript, Script
from ..names import SHELL
from ..of_tasks import Remembered, Seats
from ..shell.environment import Shell
from ..shell.family import Families
from .commands import CommandPart, Joined, name_parts
from .guide import Asked, Guide, Place, say_done
from .parts import COUNTS, MOST_ACTS, PartName, drawn_parts, named_parts

SEATS = 10
"""Places that one episode may have side by side; more than the parts of a task."""

Open = Callable[[str], Environment]
"""Opens an environment by its name. Raises ``EnvironmentUnavailable``."""


def _open_none(name: str) -> Environment:
    raise EnvironmentUnavailable(f"a long task cannot have parts of {name!r} here; its parts are of the shell")


class Long(Environment):
    """The ``Environment`` of long tasks of the shell's families and of other environments, which ``open_`` opens by name."""

    def __init__(self, families: Families, open_: Open = _open_none, kept: _Kept | None = None) -> None:
        self._families, self._open = families, open_
        self._kept = kept or _Kept(Shell(Joined(families)))
        self._seat: int | None = None
        self._joined = Joined(families)
        self._opened: list[Environment] = []
        self._asked: Asked | None = None
        self._now = 0

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It verifies and repeats, and shows how."""
        return frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def tasks(self) -> Sequence[str]:
        """The tasks that draw their parts. Any parts with ``+`` between them are a task too."""
        return sorted(COUNTS)

    def check_task(self, task: str) -> None:
        """Raises ``UnknownTask`` for a name that is neither, and for a part that there is not."""
        if task in COUNTS:
            return
        parts = named_parts(task, 0)
        if parts is None:
            raise UnknownTask(
                f"there is no long task {task!r}; there are {', '.join(sorted(COUNTS))}, and tasks with + between them, as in "
                "delete-file+back-up"
            )
        for part in parts:
            if part.environment == SHELL:
                self._families.find(part.task)
            else:
                self._other(part.environment).check_task(part.task)

    def is_long(self, task: str) -> bool:
        """All of its tasks are."""
        return True

    def suggest_tasks(self) -> tuple[Sequence[str], Sequence[str]]:
        """Two and three parts to learn."""
        return ("two-parts", "three-parts"), ()

    def reset(self, task: str, seed: int) -> Page:
        """Begin in all places; the page is that of the first. Raises ``UnknownTask``, ``EnvironmentUnavailable``."""
        self.check_task(task)
        places = self._choose(task, seed)
        if self._seat is None:
            self._seat = self._kept.seats.take(self)
        first, self._opened = self._seat * SEATS, []
        self._opened = [place.environment.beside(first + number) for number, place in enumerate(places)]
        pages = [there.reset(place.task, place.seed) for there, place in zip(self._opened, places, strict=True)]
        self._asked, self._now = Asked(places, pages), 0
        self._kept.played.add(task, self._asked.request, self._asked)
        return replace(pages[0], task=self._asked.request)

    def act(self, action: str) -> Page:
        """Carry out one action in the present place."""
        if self._asked is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        page = self._opened[self._now].act(action)
        if page.is_done and page.reward >= 1.0 and self._now + 1 < len(self._opened):
            self._now += 1
            page = self._asked.pages[self._now]
        begin = len(page.lines) + 1
        done = tuple(f"{say_done(number)}[{begin + number}]" for number in range(self._now))
        boxes = (*page.boxes, *(None for _ in done)) if page.boxes else ()
        return replace(page, task=self._asked.request, lines=(*page.lines, *done), boxes=boxes)

    def demonstrate(self, task: str) -> Script:
        """The scripts of all parts, one after the other. Raises ``UnknownTask``."""
        self.check_task(task)
        return Guide(lambda request: self._kept.played.find(task, request)).follow

    def demonstrate_plan(self, task: str) -> PlannedScript:
        """A goal for each part, and the parts' scripts. Raises ``UnknownTask``."""
        self.check_task(task)
        return Guide(lambda request: self._kept.played.find(task, request))

    def beside(self, seat: int) -> Long:
        """Another episode with places of its own; see ``Environment.beside``."""
        return Long(self._families, self._open, self._kept)

    def close(self) -> None:
        """Close every place."""
        self._asked, self._opened = None, []
        self._kept.close()

    def _choose(self, task: str, seed: int) -> list[Place]:
        """The places of the task from the seed."""
        names = self._draw(task, seed) if task in COUNTS else named_parts(task, seed) or []
        places: list[Place] = []
        for is_of_shell, group in groupby(names, lambda part: part.environment == SHELL):
            parts = list(group)
            if is_of_shell:
                name = name_parts((part.task, part.seed) for part in parts)
                places.append(Place(self._kept.shell, name, seed, self._joined.parts(name, seed)))
            else:
                places += [Place(self._other(part.environment), part.task, part.seed) for part in parts]
        return places

    def _draw(self, task: str, seed: int) -> list[PartName]:
        """So many parts of the shell that their demonstrations fit into a run; the first ones drawn that leave room."""
        chosen: list[PartName] = []
        left = MOST_ACTS
        for part in drawn_parts(task, seed, self._families.names()):
            missing = COUNTS[task] - len(chosen)
            acts = CommandPart("", self._families.make(part.task, part.seed)).acts
            if missing and acts + 2 * (missing - 1) <= left:
                chosen.append(part)
                left -= acts
        return chosen

    def _other(self, name: str) -> Environment:
        if name not in self._kept.others:
            self._kept.others[name] = self._open(name)
        return self._kept.others[name]


class _Kept:
    """What an environment and those beside it have together: the environments of the places, and what the scripts know."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.seats = shell, Seats()
        self.others: dict[str, Environment] = {}
        self.played = Remembered[Asked]()

    def close(self) -> None:
        """Close the environments of all places."""
        self.shell.close()
        while self.others:
            self.others.popitem()[1].close()
