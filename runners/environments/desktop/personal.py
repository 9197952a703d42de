"""The display of a person: what is open there is looked at and used, and nothing is ended or emptied.

Only the option ``--display`` of ``run`` leads here, after a question.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ....domain.errors import EnvironmentUnavailable
from ....domain.events import Capability
from ....domain.page.messages import Page
from ....domain.ports import Environment
from .episode import Episode
from .eye import View
from .machine import Workplace
from .options import Options
from .reading import ReadableDesktop
from .tasks.instance import Files, Instance, Made, Program

KEPT = ("PATH", "HOME", "USER", "LANG", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
"""What programs get of this program's environment, beside the display: no key of a model is among it."""


class PersonalDesktop(ReadableDesktop):
    """The ``Environment`` of a person's display. Any words are a task, and nothing checks whether it was done."""

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, options: Options) -> None:
        self._options = options
        self._workplace: _Personal | None = None
        self._episode: Episode | None = None

    def takes_words(self) -> bool:
        """Its tasks are words of a person."""
        return True

    def reset(self, task: str, seed: int) -> Page:
        """Look at the screen as it is. Raises ``EnvironmentUnavailable`` where there is no such display."""
        self.check_task(task)
        if self._workplace is None:
            self._workplace = _Personal(self._options)
        self._episode = Episode(self._workplace, Instance(task, Made({}, [], None, [])))
        return self._episode.page

    def act(self, action: str) -> Page:
        """Carry out one action; the page's ``error`` says why one that cannot be read or done changed nothing."""
        return self._playing().act(action)

    def beside(self, seat: int) -> Environment:
        """Raises ``EnvironmentUnavailable``: a person has one mouse."""
        raise EnvironmentUnavailable("one task at a time can use a person's display")

    def close(self) -> None:
        """End the connection; what is open on the screen stays."""
        if self._workplace is not None:
            self._workplace.close()
        self._workplace = self._episode = None


class _Personal(Workplace):
    def __init__(self, options: Options) -> None:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self._environment = {**kept, "DISPLAY": options.display}
        self._environment.setdefault("DBUS_SESSION_BUS_ADDRESS", f"unix:path=/run/user/{os.getuid()}/bus")
        super().__init__(self._environment, options.devices, options.lines)

    @property
    def home(self) -> Path:
        return Path.home()

    def begin(self, files: Files, programs: Sequence[Program]) -> View:
        return self.eye.look()

    def spawn(self, program: Program) -> None:
        try:
            subprocess.Popen(
                program.arguments,
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentUnavailable(f"{program.arguments[0]} cannot be started: {error.strerror}") from None
