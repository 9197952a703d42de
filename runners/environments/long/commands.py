"""Parts that are done by commands, together in one folder: each part has a folder of its own in it.

The whole is one instance of the shell. It is done when every part's own check says so at the end. A part that asks for an
answer is checked with what was printed when it was answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ....domain.page.plan import Goal
from ..sandbox.tree import Tree
from ..shell.draw import Draw
from ..shell.family import Families
from ..shell.instance import Change, Command, Instance, Moment
from ..shell.layout import Content, Matching

LISTED = 60
"""Files and folders that a page lists: more than five parts have."""


@dataclass(frozen=True)
class CommandPart:
    """One part in its folder."""

    folder: str
    instance: Instance

    @property
    def words(self) -> str:
        """The part as the request asks for it."""
        return f"in {self.folder}: {self.instance.request}"

    @property
    def goal(self) -> Goal:
        """The part as a goal of a plan, with what the page shows once it is done, where it shows anything."""
        return Goal(self.words, show_change(self.folder, self.instance))

    @property
    def solution(self) -> tuple[Command, ...]:
        """The commands that do it."""
        return tuple(_inside(self.folder, command) for command in self.instance.solution)

    @property
    def acts(self) -> int:
        """How many acts its demonstration takes, with the one that says that it is done, where the page does not."""
        return len(self.instance.solution) + (not self.goal.condition)

    def look(self, moment: Moment) -> Moment:
        """What the part's own check looks at: the part's folder."""
        begin = f"{self.folder}/"
        entries = {
            path.removeprefix(begin): entry for path, entry in moment.tree.entries.items() if path.startswith(begin)
        }
        within = Tree(entries, moment.tree.is_whole)
        return Moment(within, moment.output, lambda command: moment.run(f"cd {self.folder} && {{ {command}\n}}"))


class Joined:
    """The ``Tasks`` of joined parts; their names are made by ``name_parts``."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def names(self) -> Sequence[str]:
        """None: whoever makes such a task knows its parts."""
        return ()

    def has_solution(self, task: str) -> bool:
        """Every family has one."""
        return True

    def make(self, task: str, seed: int) -> Instance:
        """The parts as one instance."""
        return join(self.parts(task, seed))

    def parts(self, task: str, seed: int) -> tuple[CommandPart, ...]:
        """The parts that the name lists, each in a folder with a name of its own. Raises ``UnknownTask``."""
        draw, named = Draw(f"long/{task}", seed), [name.partition("#") for name in task.split("+")]
        return tuple(CommandPart(draw.folder(), self._families.make(name, int(own))) for name, _, own in named)


def name_parts(parts: Iterable[tuple[str, int]]) -> str:
    """The name of joined parts, from families and their seeds."""
    return "+".join(f"{family}#{seed}" for family, seed in parts)


def join(parts: Sequence[CommandPart]) -> Instance:
    """The parts as one instance."""
    files: dict[str, Content] = {f"{part.folder}/": "" for part in parts}
    changed: dict[str, int] = {}
    for part in parts:
        files |= {f"{part.folder}/{path}": content for path, content in part.instance.files.items()}
        changed |= {f"{part.folder}/{path}": when for path, when in part.instance.changed.items()}
    solution = tuple(command for part in parts for command in part.solution)
    request = " Then ".join(part.words for part in parts)
    return Instance(request, files, _Together(tuple(parts)), solution, changed, listed=LISTED)


@dataclass
class _Together:
    """The goal of all parts: it remembers what answered a part, for one episode."""

    parts: Sequence[CommandPart]
    answered: dict[str, str] = field(default_factory=dict)
    """By the part's folder, what was printed when the part was done."""

    def __call__(self, moment: Moment) -> bool:
        """Whether all parts are done at this moment."""
        for part in self.parts:
            if part.instance.goal(part.look(moment)):
                self.answered[part.folder] = moment.output
        folders = tuple(f"{part.folder}/" for part in self.parts)
        is_apart = all(f"{path}/".startswith(folders) for path in moment.tree.entries)
        return is_apart and all(part.folder in self.answered for part in self.parts) and self._is_still_done(moment)

    def _is_still_done(self, moment: Moment) -> bool:
        return all(
            part.instance.goal(part.look(replace(moment, output=self.answered[part.folder]))) for part in self.parts
        )


def show_change(folder: str, instance: Instance) -> str:
    """The condition of the part: what is new on the page, or else gone from it, once it is done.

    Empty where the page lists the same files as before, and for a part of several commands: what is new may be there before the
    last of them.
    """
    if not isinstance(instance.goal, Change) or len(instance.solution) > 1:
        return ""
    files, wanted = instance.files, instance.goal.wanted
    new = {path: content for path, content in wanted.items() if content is not None and path not in files}
    for path, content in reversed(new.items()):
        shown, is_plain = f"{folder}/{path.rstrip('/')}", isinstance(content, str | bytes | Matching)
        return f"{'folder' if path.endswith('/') else 'file'}:{shown}" if is_plain else shown
    gone = [path for path, content in wanted.items() if content is None and not path.endswith("/")]
    return f"no file:{folder}/{gone[0]}" if gone else ""


def _inside(folder: str, command: Command) -> Command:
    if callable(command):
        return lambda printed: f"cd {folder} && {command(printed)}"
    return f"cd {folder} && {command}"
