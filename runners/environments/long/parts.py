"""The parts of a long task: which short tasks it is made of, by its name and seed.

``two-parts`` to ``five-parts`` draw their parts from the families of the shell. Other parts are named outright, with ``+``
between them: ``delete-file+back-up``, or with the environment of a part before it: ``delete-file+miniwob/click-button``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ....domain.aggregates.run import LARGEST_SEED
from ....domain.errors import UnknownTask
from ..names import SHELL

COUNTS = {"two-parts": 2, "three-parts": 3, "four-parts": 4, "five-parts": 5}
"""The tasks that draw their parts, by name."""

FEWEST, MOST = 2, 5
"""Parts of a long task."""

MOST_ACTS = 11
"""Acts of a demonstration of drawn parts, at most: one fewer than a run may have by default."""


@dataclass(frozen=True)
class PartName:
    """One part: its environment, its task there, and its seed."""

    environment: str
    task: str
    seed: int


def named_parts(task: str, seed: int) -> list[PartName] | None:
    """The parts that the name lists; None where it lists none. Raises ``UnknownTask`` for too many."""
    names = task.split("+")
    if len(names) < FEWEST:
        return None
    if len(names) > MOST or not all(names):
        raise UnknownTask(f"{task!r} has {len(names)} parts; a long task has {FEWEST} to {MOST}, with a name each")
    placed = [name.rpartition("/") for name in names]
    draw = random.Random(f"long/{task}/{seed}")
    return [PartName(place or SHELL, name, draw.randint(0, LARGEST_SEED)) for place, _, name in placed]


def drawn_parts(task: str, seed: int, families: Sequence[str]) -> Iterator[PartName]:
    """The shell's families in the order in which the task from the seed would take them, each with a seed."""
    draw = random.Random(f"long/{task}/{seed}")
    for family in draw.sample(families, len(families)):
        yield PartName(SHELL, family, draw.randint(0, LARGEST_SEED))
