"""Families of tasks: each makes an endless number of instances, one from each seed, in eight wordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import families
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


class Group(families.Group[Family, Make]):
    """Families of one subject, in the order in which they are written down."""

    def __init__(self) -> None:
        super().__init__(Family)


class Families(families.Families[Family]):
    """The ``Tasks`` of families."""

    def make(self, task: str, seed: int) -> Instance:
        """The task from the seed. Raises ``UnknownTask``."""
        return self.find(task).instance(seed)

    def has_solution(self, task: str) -> bool:
        """Every family has one. Raises ``UnknownTask``."""
        return bool(self.find(task))
