"""Families of tasks, whatever their environment: written down in groups, found by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from ...domain.errors import UnknownTask


class Named(Protocol):
    """A family has a name."""

    @property
    def name(self) -> str:
        """The name of its task."""
        ...


Family = TypeVar("Family", bound=Named)
Make = TypeVar("Make", bound=Callable[..., object])


class Group(Generic[Family, Make]):
    """Families of one subject, in the order in which they are written down."""

    def __init__(self, kind: Callable[[str, tuple[str, ...], Make], Family]) -> None:
        """``kind`` makes a family of its name, its wordings and its function."""
        self.families: list[Family] = []
        self._kind = kind

    def family(self, *wordings: str) -> Callable[[Make], Make]:
        """Makes a family of a function: its name with dashes, and these wordings."""

        def add(make: Make) -> Make:
            self.families.append(self._kind(make.__name__.replace("_", "-"), wordings, make))
            return make

        return add


class Families(Generic[Family]):
    """Families by name."""

    def __init__(self, groups: Iterable[Group[Family, Make]]) -> None:
        self._known = {family.name: family for group in groups for family in group.families}

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self._known))

    def find(self, task: str) -> Family:
        """The family of this name. Raises ``UnknownTask`` with the names that are close to it."""
        if task not in self._known:
            raise unknown_task(task, self.names())
        return self._known[task]


def unknown_task(task: str, names: Sequence[str]) -> UnknownTask:
    """One line for a task that does not exist, with the names that are close to it."""
    close = difflib.get_close_matches(task, names, n=3)
    if close or not names:
        return UnknownTask(f"there is no task {task!r}; close to it: {', '.join(close) or 'none'}")
    return UnknownTask(f"there is no task {task!r}; there are {', '.join(names[:5])} and more; see 'grokputer tasks'")
