"""A display with its eye and its hands: programs are started on it, looked at and used."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ....domain.errors import EnvironmentUnavailable
from ....domain.page.messages import Box
from ..sandbox.tree import Tree, read_tree
from ..sandbox.usage import over_folder
from .eye import Eye, View
from .hands import Hands
from .options import LINES, OWN_INPUT, PYAUTOGUI, SIZE
from .programs import is_installed
from .screen.borrowed import BorrowedDevices
from .screen.devices import Devices, OwnDevices
from .screen.display import Display, settle
from .screen.folder import give
from .screen.picture import Camera
from .screen.session import LIMITS, Session
from .tasks.instance import Files, Moment, Program
from .tree.bus import TreeBus
from .tree.reader import Reader

SHOWN_S = 12.0
"""How long a program may take to show its window and to tell what is in it; chosen: ten times what it takes."""

TREELESS_S = 3.0
"""How long after its window a program may take to tell what is in it; after that it counts as one that tells nothing. Chosen:
three times what programs take."""

ENDED_S = 3.0
"""How long windows may take to go with their programs; chosen."""

MOMENT = 1_700_000_000
"""When every file that is laid out was changed, as in the shell."""

MOST_PRINTED = 10_000
"""Characters of what a program prints that are read; chosen."""


class Workplace(ABC):
    """A display with the programs on it, looked at by ``eye`` and used by ``hands``."""

    def __init__(self, environment: Mapping[str, str], devices: str = OWN_INPUT, lines: int = LINES) -> None:
        """``environment`` names the display and the bus of the session. Raises ``EnvironmentUnavailable``."""
        self.display = Display(environment)
        self._bus = TreeBus(environment)
        self._camera = Camera(environment)
        self._reader = Reader(self._bus)
        used: Devices = BorrowedDevices(self.display.name) if devices == PYAUTOGUI else OwnDevices(self.display)
        self.eye, self.hands = Eye(self.display, self._reader, lines), Hands(self.display, self._reader, used)

    @property
    @abstractmethod
    def home(self) -> Path:
        """The HOME of its programs."""

    @abstractmethod
    def begin(self, files: Files, programs: Sequence[Program]) -> View:
        """What is on the screen when a task begins."""

    @abstractmethod
    def spawn(self, program: Program) -> None:
        """Start the program. Raises ``EnvironmentUnavailable`` where it cannot be started."""

    def start(self, program: Program) -> bool:
        """Start the program and wait for its window, and for what it tells of it; whether a window came."""
        before = {window.id for window in self.display.windows()}
        self.spawn(program)
        until = time.monotonic() + SHOWN_S
        is_shown, shown_at = False, None
        while not is_shown and time.monotonic() < until:
            self.display.wait_for_change(0.05)
            if self.display.active() not in before | {0}:
                view, shown_at = self.eye.look(), shown_at or time.monotonic()
                is_silent = time.monotonic() - shown_at > TREELESS_S
                is_shown = view.active not in before and (len(view.elements) > 1 + len(before) or is_silent)
        settle(self.display, 0.08, 2.0, 0.05)
        return is_shown

    def take_picture(self, area: Box) -> bytes:
        """The area of the screen, as PNG."""
        return self._camera.take(area)

    def moment(self, view: View) -> Moment:
        """What a goal looks at now."""
        return Moment(Tree(), {}, [], [])

    def over_limit(self) -> str:
        """The limit that is passed, in words; empty where none is."""
        return ""

    def close(self) -> None:
        """End the connections. Idempotent."""
        self._camera.close()
        self._bus.close()
        self.display.close()


class Machine(Workplace):
    """One desktop of its own, started at once."""

    def __init__(self, size: tuple[int, int] = SIZE, devices: str = OWN_INPUT, lines: int = LINES) -> None:
        """Raises ``EnvironmentUnavailable`` where it cannot be started."""
        self.session = Session(size)
        try:
            super().__init__(self.session.environment, devices, lines)
        except BaseException:
            self.session.close()
            raise

    @property
    def home(self) -> Path:
        """The HOME of its programs."""
        return self.session.folder.home

    @property
    def is_whole(self) -> bool:
        """Whether all its parts run."""
        with suppress(EnvironmentUnavailable):
            return not self.session.lost()
        return False

    def begin(self, files: Files, programs: Sequence[Program]) -> View:
        """A fresh HOME with the files, and the programs open on it, one after the other.

        Raises ``EnvironmentUnavailable`` with what to install where a program is missing.
        """
        names = [program.arguments[0] for program in programs]
        if missing := sorted({name for name in names if not is_installed(name)}):
            raise EnvironmentUnavailable(
                f"the task needs {', '.join(missing)}; run: apt-get install {' '.join(missing)}"
            )
        self.clear()
        self.lay_out(files)
        for program in programs:
            self.start(program)
        return self.eye.look()

    def clear(self) -> None:
        """End all programs and empty HOME."""
        self.session.end_programs()
        self._reader.forget()
        until = time.monotonic() + ENDED_S
        while self.display.windows() and time.monotonic() < until:
            self.display.wait_for_change(0.05)
        self.display.move(0, 0)
        self.session.folder.empty_home()

    def lay_out(self, files: Files) -> None:
        """Put the files into HOME."""
        for path, text in sorted(files.items()):
            place = self.home / path
            if path.endswith("/"):
                place.mkdir(mode=0o700)
            else:
                place.write_text(text, encoding="utf-8")
                os.utime(place, (MOMENT, MOMENT))
            give(place)

    def spawn(self, program: Program) -> None:
        """See ``Workplace.spawn``."""
        out = self.session.folder.path / "out" / program.printed if program.printed else None
        self.session.start(program.arguments, out)

    def moment(self, view: View) -> Moment:
        """What a goal looks at now."""
        tree = read_tree(self.home)
        is_seen = {path: not any(part.startswith(".") for part in path.split("/")) for path in tree.entries}
        seen = {path: entry for path, entry in tree.entries.items() if is_seen[path]}
        hidden = {
            path: entry.text for path, entry in tree.entries.items() if not is_seen[path] and entry.kind == "file"
        }
        titles = [window.title for window in view.windows if not window.is_popup]
        texts = [node.text for top in view.nodes for node in top.walk() if node.text]
        return Moment(Tree(seen, tree.is_whole), self._printed(), titles, texts, hidden)

    def over_limit(self) -> str:
        """The limit of HOME that is passed, in words; empty where none is."""
        return over_folder(self.home, LIMITS)

    def close(self) -> None:
        """End everything. Idempotent."""
        super().close()
        self.session.close()

    def _printed(self) -> Mapping[str, str]:
        folder = self.session.folder.path / "out"
        return {path.name: path.read_bytes()[:MOST_PRINTED].decode("utf-8", "replace") for path in folder.iterdir()}
