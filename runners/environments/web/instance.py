"""One task on a page as it is set: the words, the URL, what makes it done, and the moves that do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ....domain.page.action import parse_action, write_action, write_drag
from ....domain.page.line import Line, read
from ....domain.page.messages import Page
from .network.hosts import AllowList


@dataclass(frozen=True)
class Moment:
    """What a goal looks at, after an action."""

    url: str
    lines: Sequence[str]
    folder: Path
    """The folder of the run, with what was downloaded."""


Goal = Callable[[Moment], bool]
"""Whether the task is done."""


@dataclass(frozen=True)
class Instance:
    """A task from one seed."""

    request: str
    url: str
    allowed: AllowList
    goal: Goal | None = None
    """None where nothing but people judges it."""
    solution: tuple[str, ...] = ()
    """Moves, as ``follow`` reads them; empty where none is written down."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files of the run's folder, by their names: a page may be given them."""


class Tasks(Protocol):
    """Tasks by name."""

    def names(self) -> Sequence[str]:
        """All of them, sorted."""
        ...

    def make(self, task: str, seed: int, seat: int) -> Instance:
        """The task from the seed, for the seat. Raises ``UnknownTask``; ``EnvironmentUnavailable`` where it cannot be read."""
        ...

    def has_solution(self, task: str) -> bool:
        """Whether its instances have solutions. Raises as ``make`` does."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


def follow(moves: Sequence[str], page: Page, done: int) -> str:
    """The action of the next move on this page, after so many are done. Raises ``ValueError`` where it cannot be done.

    A move is an action whose line stands without its number and its value: ``CLICK button:Buy``, ``TYPE input.text:Search |
    green tea``, ``DRAG li:Milk | ul:Basket``, or an action without a line: ``KEY Enter``.
    """
    if done >= len(moves):
        return "DONE"
    verb, _, rest = moves[done].partition(" ")
    if parse_action(moves[done], (verb,)) is not None and verb in ("KEY", "WAIT", "DONE", "SCROLL"):
        return moves[done]
    wanted, _, more = rest.partition(" | ")
    line = _find(page, wanted).written
    if verb == "DRAG":
        return write_drag(line, _find(page, more).written)
    return write_action(verb, line, more)


def _find(page: Page, wanted: str) -> Line:
    """The line of this kind and text. Raises ``ValueError``."""
    for line in read(page):
        if (f"{line.kind}:{line.text}" if line.text else line.kind) == wanted:
            return line
    raise ValueError(f"the page has no line {wanted!r}")
