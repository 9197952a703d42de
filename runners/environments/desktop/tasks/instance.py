"""One task as it is set: the words, the files, the programs, what makes it done, and the actions that do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .....domain.page.messages import Page
from ...sandbox.tree import Tree

Files = Mapping[str, str]
"""Texts by path within HOME; a path that ends with a slash is a folder."""

Step = Callable[[Page], str]
"""The next action of a demonstration on the page. Raises ``LookupError`` where the page does not have what it needs yet."""


@dataclass(frozen=True)
class Program:
    """A program that is open when a task begins."""

    arguments: tuple[str, ...]
    printed: str = ""
    """The name under which what it prints is kept; empty where nothing is."""


@dataclass(frozen=True)
class Moment:
    """What a goal looks at, after an action."""

    tree: Tree
    """HOME without what programs hide in it."""
    printed: Mapping[str, str]
    """What programs have printed, by name."""
    titles: Sequence[str]
    """The titles of the open windows."""
    texts: Sequence[str]
    """The texts in the windows that were read, such as a calculator's display."""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """The texts of the hidden files of HOME, where programs keep their settings, by path."""

    @property
    def files(self) -> dict[str, str | None]:
        """The text of each file, None for a folder."""
        return {path: entry.text if entry.kind == "file" else None for path, entry in self.tree.entries.items()}


Goal = Callable[[Moment], bool]
"""Whether the task is done."""


@dataclass(frozen=True)
class Made:
    """What a family makes from a seed: the values are put into the wording."""

    values: Mapping[str, object]
    programs: Sequence[Program]
    goal: Goal | None
    """None where nothing checks whether the task is done."""
    solution: Sequence[Step]
    files: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Instance:
    """A task from one seed."""

    request: str
    made: Made


def has_files(wanted: Mapping[str, str | None]) -> Goal:
    """Done where HOME has these files with these texts and nothing else; empty lines at the end of a text do not count."""
    texts = {path.rstrip("/"): text for path, text in wanted.items()}
    return lambda moment: (
        {path: _text(text) for path, text in moment.files.items()}
        == {path: _text(text) for path, text in texts.items()}
    )


def printed(name: str, wanted: str) -> Goal:
    """Done where the program of this name has printed this."""
    return lambda moment: moment.printed.get(name, "").strip() == wanted


def _text(text: str | None) -> str | None:
    return None if text is None else text.rstrip("\n")
