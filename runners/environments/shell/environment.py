"""The environment of commands: each episode has a fresh folder, each action runs one command line in it, in a sandbox.

An episode ends with the command that does the task, or with ``DONE``.
"""

from __future__ import annotations

import shlex
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace

from ....domain.page.action import COMMAND_VERBS, parse_action, write_command
from ....domain.page.messages import Page
from ....domain.ports import Script
from ..of_tasks import OfTasks, Remembered
from ..sandbox.choice import find_sandbox
from ..sandbox.command import Limits, Outcome, Sandbox
from ..sandbox.room import Room
from ..sandbox.tree import Tree
from ..sandbox.usage import over_folder
from .instance import Command, Instance, Moment, Tasks
from .layout import entries_of
from .page import draw_page, readable_output

LONGEST_COMMAND = 8000
"""Characters of a command; chosen: a system takes a hundred thousand."""


class Shell(OfTasks[Tasks, "_Episode"]):
    """The ``Environment`` of commands for the given tasks. The sandbox is looked for with the first episode."""

    def __init__(self, tasks: Tasks, find: Callable[[], Sandbox] = find_sandbox) -> None:
        super().__init__(tasks)
        self._find = find
        self._shared = _Shared()

    def reset(self, task: str, seed: int) -> Page:
        """Lay the task's files out. Raises ``UnknownTask``; ``EnvironmentUnavailable`` without a sandbox."""
        instance = self._tasks.make(task, seed)
        self._episode = None  # its folder goes with it
        room = self._shared.room()
        room.lay_out(entries_of(instance.files), instance.changed)
        self._shared.solutions.add(task, instance.request, instance.solution)
        self._episode = _Episode(instance, room, self._find())
        return self._episode.page

    def act(self, action: str) -> Page:
        """Carry out one action; the page's ``error`` says why one that cannot be read or done changed nothing."""
        return self._playing().act(action)

    def demonstrate(self, task: str) -> Script:
        """The solution, command by command. Raises ``UnknownTask`` for a task without one."""
        self._require_solution(task)
        known = self._shared.solutions
        return lambda page, history: write_command(next_command(known.find(task, page.task), page, history))

    def beside(self, seat: int) -> Shell:
        """Another episode, in a folder of its own; see ``Environment.beside``."""
        other = Shell(self._tasks, self._find)
        other._shared = self._shared
        return other

    def close(self) -> None:
        """Remove all folders."""
        self._episode = None
        self._shared.close()


class _Shared:
    """What an environment and those beside it have together: the list of folders, and the solutions of what they play."""

    def __init__(self) -> None:
        self._rooms = weakref.WeakSet[Room]()
        self.solutions = Remembered[tuple[Command, ...]]()

    def room(self) -> Room:
        """A fresh room, which goes with its episode."""
        room = Room()
        self._rooms.add(room)
        return room

    def close(self) -> None:
        for room in list(self._rooms):
            room.close()


class _Episode:
    """A task under way in its folder, which goes with it."""

    def __init__(self, instance: Instance, room: Room, sandbox: Sandbox) -> None:
        self._instance, self._room, self._sandbox = instance, room, sandbox
        self._limits = Limits() if instance.seconds is None else replace(Limits(), seconds=instance.seconds)
        self._outcome: Outcome | None = None
        self._tree = room.read()
        self.page = draw_page(instance.request, self._tree, None, listed=instance.listed)

    def act(self, action: str) -> Page:
        """The page after the action."""
        parsed = parse_action(action, COMMAND_VERBS)
        if parsed is not None and len(parsed.text) > LONGEST_COMMAND:
            self.page = replace(self.page, error=f"the command is longer than {LONGEST_COMMAND} characters")
        elif parsed is None:
            error = f"cannot read {action[:80]!r} as an action; it is RUN and one command line, or DONE"
            self.page = replace(self.page, error=error)
        elif parsed.verb == "DONE":
            reward = float(self._is_done())
            self.page = replace(self.page, is_done=True, reward=reward, error="" if reward else "the task is not done")
        else:
            self._run(parsed.text)
        return self.page

    def _run(self, command: str) -> None:
        before = self._tree
        self._outcome = self._sandbox.run(self._room.folder, command, self._limits)
        self._tree = self._room.read()
        over = over_folder(self._room.folder, self._limits)
        is_done = not over and self._is_done()
        error = f"the episode ended at {over}" if over else "" if is_done else _fault(self._outcome, before, self._tree)
        self.page = draw_page(
            self._instance.request,
            self._tree,
            self._outcome,
            is_done=is_done or bool(over),
            reward=float(is_done),
            error=error,
            listed=self._instance.listed,
        )

    def _is_done(self) -> bool:
        output = self._outcome.output if self._outcome is not None and not self._outcome.cut else ""
        return self._instance.goal(Moment(self._tree, output, lambda command: self._try(command, output)))

    def _try(self, command: str, output: str) -> int | None:
        """The exit code of a command that looks at the folder, with what the last command printed in ``$output``."""
        line = f"output={shlex.quote(output.rstrip().replace(chr(0), ''))}; {command}"
        return self._sandbox.run(self._room.folder, line, self._limits, is_read_only=True).code


def _fault(outcome: Outcome, before: Tree, after: Tree) -> str:
    """Why the command counts as one that could not be carried out: it failed, and changed nothing."""
    if outcome.code == 0 or before != after:
        return ""
    how = f"with exit code {outcome.code}" if outcome.code is not None else f"at {outcome.ended}"
    return f"the command ended {how} and changed nothing"


def next_command(solution: Sequence[Command], page: Page, history: Sequence[str]) -> str:
    """The command of the solution that comes next, after those of it that were done in their order.

    One that depends on what was seen counts as done where any command followed the one before it.
    """
    done = 0
    for action in history:
        if done < len(solution) and (callable(solution[done]) or action == write_command(str(solution[done]))):
            done += 1
    if done == len(solution):
        raise ValueError("the whole solution was carried out, and the task is not done")
    following = solution[done]
    return following(readable_output(page)) if callable(following) else following
