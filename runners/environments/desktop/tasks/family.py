"""Families of tasks: each makes an endless number of tasks, one from each seed, in several wordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...shell.draw import Draw
from ...shell.family import unknown_task
from .instance import Instance, Made

Make = Callable[[Draw], Made]


@dataclass(frozen=True)
class Family:
    """One kind of task."""

    name: str
    wordings: tuple[str, ...]
    make: Make

    def instance(self, seed: int) -> Instance:
        """The task from the seed."""
        made = self.make(Draw(f"desktop/{self.name}", seed))
        return Instance(self.wordings[seed % len(self.wordings)].format(**made.values), made)


class Group:
    """Families of one subject, in the order in which they are written down."""

    def __init__(self) -> None:
        self.families: list[Family] = []

    def family(self, *wordings: str) -> Callable[[Make], Make]:
        """Makes a family of a function: its name with dashes, and these wordings."""

        def add(make: Make) -> Make:
            self.families.append(Family(make.__name__.replace("_", "-"), wordings, make))
            return make

        return add


class Families:
    """Families by name."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._known = {family.name: family for group in groups for family in group.families}

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self._known))

    def find(self, task: str) -> Family:
        """The family of this name. Raises ``UnknownTask`` with those that are called most like it."""
        if task not in self._known:
            raise unknown_task(task, self.names())
        return self._known[task]
