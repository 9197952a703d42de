"""A task under way on a desktop."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from ....domain.page.action import DESKTOP_VERBS, Action, explain_unreadable, parse_action
from ....domain.page.messages import Box, Page
from .eye import View, see_words
from .hands import WAIT_S, NotDone
from .machine import Workplace
from .page import draw_page
from .programs import OFFERED, is_installed
from .tasks.instance import Instance, Program

DONE_S = 1.0
"""How long after DONE a program may take to finish what it does, such as to write a file; chosen."""

LONGEST_TEXT = 4000
"""Characters that one action types; chosen."""


class Episode:
    """Looks, acts and looks again, until the task is done or given up."""

    def __init__(self, machine: Workplace, instance: Instance) -> None:
        """Begin the task. Raises ``EnvironmentUnavailable``."""
        self._machine, self._instance = machine, instance
        made = instance.made
        self.view: View = machine.begin(made.files, made.programs)
        """What the page shows, with the elements that an action may name."""
        self.page = self._draw()

    @property
    def home(self) -> str:
        """The path of HOME, which differs from start to start; a page has ``~`` in its place."""
        return str(self._machine.home)

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        """The page with these lines, which were read at these places on its picture. The next action names them."""
        self.view = see_words(self.view, lines, boxes)
        self.page = replace(self.page, lines=tuple(lines), boxes=tuple(boxes))
        return self.page

    def act(self, written: str) -> Page:
        """The page after the action. One that cannot be read or done presses and types nothing."""
        action = parse_action(written, DESKTOP_VERBS)
        if action is None:
            self.page = replace(self.page, error=explain_unreadable(written, DESKTOP_VERBS))
        elif action.verb == "DONE":
            self._finish()
        else:
            self._act(action)
        return self.page

    def _act(self, action: Action) -> None:
        error, hands = "", self._machine.hands
        self._machine.display.changes()
        try:
            if len(action.text) > LONGEST_TEXT:
                raise NotDone(f"the text is longer than {LONGEST_TEXT} characters")
            if action.verb == "RUN":
                self._run(action.text)
            elif action.verb != "WAIT":
                hands.do(action, self.view)
        except NotDone as refused:
            error = str(refused)
        hands.settle(WAIT_S) if action.verb == "WAIT" else hands.settle()
        self._look(error)

    def _run(self, command: str) -> None:
        """Start a program that the environment offers, on files in HOME. Raises ``NotDone``."""
        try:
            name, *files = shlex.split(command)
        except ValueError:
            raise NotDone("the command has a quote that does not end") from None
        if name not in OFFERED or not is_installed(name):
            installed = [each for each in OFFERED if is_installed(each)]
            raise NotDone(f"{name[:40]!r} is not offered; RUN starts one of {', '.join(installed)}")
        for file in files:
            path = PurePosixPath(file.removeprefix("~/"))
            if path.is_absolute() or ".." in path.parts or file.startswith("-"):
                raise NotDone(f"{file[:40]!r} is not a file in the home folder")
        arguments = (OFFERED[name], *(file.removeprefix("~/") for file in files))
        if not self._machine.start(Program(arguments)):
            raise NotDone(f"{name} has not opened a window")

    def _finish(self) -> None:
        until = time.monotonic() + DONE_S
        self._look("")
        if self._instance.made.goal is None:
            self.page = replace(self.page, is_done=True, reward=1.0)
        while not self.page.is_done and time.monotonic() < until:
            self._machine.display.wait_for_change(0.1)
            self._look("")
        if not self.page.is_done:
            self.page = replace(self.page, is_done=True, reward=0.0, error="the task is not done")

    def _look(self, error: str) -> None:
        """Look at the screen, and at whether the task is done."""
        self.view = self._machine.eye.look()
        over = self._machine.over_limit()
        goal = self._instance.made.goal
        is_done = goal is not None and not over and goal(self._machine.moment(self.view))
        if over:
            error = f"the episode ended at {over}"
        self.page = self._draw(is_done=is_done or bool(over), reward=float(is_done), error="" if is_done else error)

    def _draw(self, *, is_done: bool = False, reward: float = 0.0, error: str = "") -> Page:
        picture = self._machine.take_picture(self.view.area)
        request = self._instance.request
        return draw_page(request, self.view, self.home, picture, is_done=is_done, reward=reward, error=error)
