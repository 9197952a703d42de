"""One task as it is set: the words, the files, what makes it done, and the commands that do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..sandbox.tree import Tree
from .layout import Files, Wanted, has_all, is_changed_so

MOST_ANSWER_WORDS = 2
"""Words of the line that answers a question: the answer, and perhaps the name that a program such as ``wc`` prints with it."""


@dataclass(frozen=True)
class Moment:
    """What a goal looks at, after a command."""

    tree: Tree
    output: str
    """What the last command printed; empty before the first."""
    run: Callable[[str], int | None]
    """The exit code of a command that is carried out in the folder without changing it; None where a limit ended it."""


Goal = Callable[[Moment], bool]
"""Whether the task is done."""

Command = str | Callable[[str], str]
"""A command of a solution; one that depends on what was seen is a function of what the command before it printed."""


@dataclass(frozen=True)
class Instance:
    """A task from one seed."""

    request: str
    files: Files
    goal: Goal
    solution: tuple[Command, ...] = ()
    """Empty where none is written down."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """When files were last changed that are not of the same moment as the others, in seconds since 1970."""
    seconds: float | None = None
    """How long one command may take; None for the usual time."""
    listed: int | None = None
    """How many files and folders the page lists; None for the usual number."""


class Tasks(Protocol):
    """Tasks by name."""

    def names(self) -> Sequence[str]:
        """All of them, sorted."""
        ...

    def make(self, task: str, seed: int) -> Instance:
        """The task from the seed. Raises ``UnknownTask``; ``EnvironmentUnavailable`` for a task that cannot be read."""
        ...

    def has_solution(self, task: str) -> bool:
        """Whether its instances have solutions. Raises as ``make`` does."""
        ...


@dataclass(frozen=True)
class Change:
    """A goal: done where the folder is as at the start but for what is wanted."""

    files: Files
    wanted: Wanted

    def __call__(self, moment: Moment) -> bool:
        """Whether the folder is so."""
        return is_changed_so(moment.tree, self.files, self.wanted)


def becomes(files: Files, wanted: Wanted) -> Change:
    """Done where the folder is as at the start but for what is wanted."""
    return Change(files, wanted)


def answers(files: Files, answer: str | int) -> Goal:
    """Done where the last command printed the answer, and nothing of the files was lost or changed."""
    return lambda moment: is_answer(moment.output, str(answer)) and has_all(moment.tree, files)


def is_answer(output: str, answer: str) -> bool:
    """Whether the output is one line that says the answer, with at most one word beside it."""
    lines = output.strip().splitlines()
    words = output.split()
    return (len(lines) == 1 and answer in words and len(words) <= MOST_ANSWER_WORDS) or output.strip() == answer
