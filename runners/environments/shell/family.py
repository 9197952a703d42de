"""Families of tasks: each makes an endless number of instances, one from each seed, in eight wordings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ....domain.errors import UnknownTask
from .draw import Draw
from .instance import Command, Goal, Instance
from .layout import Files

PHRASINGS = 8
"""Wordings of each family's request."""


def phrasing_of(seed: int) -> int:
    """The number of the wording that every family uses for the seed, from 0.

    A measurement that keeps some wordings back chooses its seeds by this number.
    """
    return seed % PHRASINGS


@dataclass(frozen=True)
class Made:
    """What a family makes from a seed: the values are put into the wording."""

    values: dict[str, object]
    files: Files
    goal: Goal
    solution: Sequence[Command]


Make = Callable[[Draw], Made]


@dataclass(frozen=True)
class Family:
    """One kind of task."""

    name: str
    phrasings: tuple[str, ...]
    make: Make

    def values(self, seed: int) -> dict[str, object]:
        """The values that the request from the seed names."""
        return self.make(Draw(self.name, seed)).values

    def instance(self, seed: int) -> Instance:
        """The task from the seed."""
        made = self.make(Draw(self.name, seed))
        request = self.phrasings[phrasing_of(seed)].format(**made.values)
        return Instance(request, made.files, made.goal, tuple(made.solution))


class Group:
    """Families of one subject, in the order in which they are written down."""

    def __init__(self) -> None:
        self.families: list[Family] = []

    def family(self, *phrasings: str) -> Callable[[Make], Make]:
        """Makes a family of a function: its name with dashes, and these wordings."""

        def add(make: Make) -> Make:
            self.families.append(Family(make.__name__.replace("_", "-"), phrasings, make))
            return make

        return add


class Families:
    """The ``Tasks`` of families."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._known = {family.name: family for group in groups for family in group.families}

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self._known))

    def make(self, task: str, seed: int) -> Instance:
        """The task from the seed. Raises ``UnknownTask``."""
        return self.find(task).instance(seed)

    def has_solution(self, task: str) -> bool:
        """Every family has one. Raises ``UnknownTask``."""
        return bool(self.find(task))

    def find(self, task: str) -> Family:
        """The family of this name. Raises ``UnknownTask``."""
        if task not in self._known:
            raise unknown_task(task, self.names())
        return self._known[task]


def unknown_task(task: str, names: Sequence[str]) -> UnknownTask:
    """One line for a task that there is not, with those that are close to it."""
    close = difflib.get_close_matches(task, names, n=3)
    if close or not names:
        return UnknownTask(f"there is no task {task!r}; close to it: {', '.join(close) or 'none'}")
    return UnknownTask(f"there is no task {task!r}; there are {', '.join(names[:5])} and more; see 'grokputer tasks'")
