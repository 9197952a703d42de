"""The split of BFCL's tasks by function: no name of a function that is tested is ever seen in training.

Tasks that show a function of the same name belong together, also where that function is a wrong one. About half of all
tasks hang together like that. That half is always trained on, because it is more than a test takes; the others are drawn
by the split's number.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from .entries import Entry, read_entries

SPLITS = range(1, 11)
"""The numbers of splits."""

TESTED = {"simple": 100, "multiple": 50}
"""Tasks of each category that only measure; chosen: as many as leave 240 corrections of the others."""
FRESH = {"simple": 30, "multiple": 15}
"""Tasks of each category that the gate plays as new pages; chosen: more than it needs beside the runs that it holds out."""


@dataclass(frozen=True)
class Split:
    """The tasks of each part, in the order in which they are numbered."""

    train: Sequence[Entry]
    fresh: Sequence[Entry]
    test: Sequence[Entry]

    def of(self, part: str, category: str) -> list[Entry]:
        """The part's tasks of the category."""
        entries = {"train": self.train, "fresh": self.fresh, "test": self.test}[part]
        return [entry for entry in entries if entry.category == category]


@cache
def split_entries(number: int) -> Split:
    """The split with this number. Raises ``EnvironmentUnavailable`` where the package cannot be used."""
    return split(read_entries(), number)


def split(entries: Iterable[Entry], number: int, tested: Mapping[str, int] = TESTED) -> Split:
    """The tasks in three parts that have no name of a function in common."""
    families = _families(entries)
    families.sort(key=len)
    largest = families.pop()
    draw = random.Random(f"bfcl {number}")
    draw.shuffle(families)
    parts: dict[str, list[Entry]] = {}
    for part, counts in (("test", tested), ("fresh", FRESH)):
        parts[part], families = _take(families, counts)
    train = [*largest, *(entry for family in families for entry in family)]
    draw.shuffle(train)
    return Split(train, parts["fresh"], parts["test"])


def _families(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The tasks in groups that share no name of a function."""
    families: list[list[Entry]] = []
    home: dict[str, list[Entry]] = {}
    for entry in entries:
        joined = [entry]
        for family in {id(home[name]): home[name] for name in entry.names if name in home}.values():
            joined = [*family, *joined]
            families = [each for each in families if each is not family]
        families.append(joined)
        home.update({name: joined for member in joined for name in member.names})
    return families


def _take(families: Sequence[list[Entry]], wanted: Mapping[str, int]) -> tuple[list[Entry], list[list[Entry]]]:
    """Whole families until there are as many tasks of each category as wanted, and the families that are left."""
    left = Counter(wanted)
    taken, others = list[Entry](), list[list[Entry]]()
    for family in families:
        counts = Counter(entry.category for entry in family)
        if all(counts[category] <= left[category] for category in counts):
            left.subtract(counts)
            taken += family
        else:
            others.append(family)
    return taken, others
