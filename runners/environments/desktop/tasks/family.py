"""Families of tasks: each makes an endless number of tasks, one from each seed, in several wordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ... import families
from ...shell.draw import Draw
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


class Group(families.Group[Family, Make]):
    """Families of one subject, in the order in which they are written down."""

    def __init__(self) -> None:
        super().__init__(Family)


Families = families.Families[Family]
"""Families by name."""
