"""The folder of one desktop, and the removal of what an earlier one left."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from ...sandbox.room import remove
from .account import programs_account

PREFIX = "grokputer-desktop-"

PARTS = ("home", "run", "out")
"""``home`` is the programs' HOME, ``run`` has sockets and logs, ``out`` what programs print."""

LONGEST = 60
"""Characters of a path to a folder; a socket's path has at most 107, and some fifty follow."""


class DesktopFolder:
    """A fresh folder. It belongs to the account that runs the programs, and nobody else can look into it.

    ``lock`` is a descriptor that holds the folder's lock: as long as a process has it open, no other start removes the folder.
    """

    def __init__(self) -> None:
        base = _base()
        sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        self.lock = os.open(self.path / "new", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (self.path / "new").rename(self.path / "lock")  # locked before another start can find it
        for name in PARTS:
            (self.path / name).mkdir(mode=0o700)
        for place in (self.path, *self.path.iterdir()):
            give(place)

    @property
    def home(self) -> Path:
        """The HOME of the programs."""
        return self.path / "home"

    def write(self, name: str, content: bytes | str) -> Path:
        """The file of this name below ``run``, with this content."""
        run = self.path / "run"
        place = run / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        for made in (place, *place.parents):
            if made.is_relative_to(run):
                give(made)
        return place

    def empty_home(self) -> None:
        """Make HOME fresh. A program that is gone cannot have left a link that leads out: the folder itself is replaced."""
        for name in ("home", "out"):
            remove(self.path / name)
            (self.path / name).mkdir(mode=0o700)
            give(self.path / name)
        for name in (".config", ".local", ".local/share"):  # some programs do not make them
            (self.home / name).mkdir(mode=0o700)
            give(self.home / name)

    def close(self) -> None:
        """Remove it. Idempotent."""
        if self.lock >= 0:
            remove(self.path)
            os.close(self.lock)
            self.lock = -1


def give(place: Path) -> None:
    """Make the place belong to the account that runs the programs."""
    account = programs_account()
    if account.is_dropped:
        os.chown(place, account.user, account.group, follow_symlinks=False)


def sweep(base: str) -> None:
    """Remove the folders of desktops whose processes are gone, and end what still runs in one of them."""
    for path in Path(base).glob(f"{PREFIX}*"):
        with suppress(OSError):
            is_ours = path.stat().st_uid in (os.geteuid(), programs_account().user)
            if path.is_symlink() or not path.is_dir() or not is_ours:
                continue
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end_processes_in(path)
                remove(path)
            finally:
                os.close(descriptor)


def _end_processes_in(path: Path) -> None:
    """Kill the processes that were started with this folder in their environment."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(process.name) != os.getpid() and f"{path}/run".encode() in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def _base() -> str:
    """The folder for temporary files in which desktops stand: one that the account can reach, with a path that is short."""
    for name in dict.fromkeys((tempfile.gettempdir(), "/tmp")):
        path = Path(name)
        is_reachable = path.is_dir() and all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))
        if len(name) < LONGEST and os.access(name, os.W_OK) and (is_reachable or not programs_account().is_dropped):
            return name
    return "/tmp"
