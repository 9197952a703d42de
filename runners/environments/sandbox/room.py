"""A fresh work folder, which belongs to the user that commands run as and lies where that user can reach it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ....domain.errors import EnvironmentUnavailable
from .account import worker
from .tree import Entry, Tree, read_tree

MOMENT = 1_700_000_000
"""When every file that is laid out was changed, in seconds since 1970, so that the same task looks the same at any time."""

LONGEST_PATH = 200
"""Characters that a path has fewer than; chosen."""

FOLDER_MODE = 0o700
"""The folder is its owner's alone."""


def is_inside(path: str) -> bool:
    """Whether the path, which may end with a slash, is one of a file or folder below the folder that it begins at."""
    parts = path.removesuffix("/").split("/")
    return path.isprintable() and not {"", ".", ".."} & set(parts) and len(path) < LONGEST_PATH


class Room:
    """A folder to work in. It goes when it is closed, or with the object, or with the program."""

    def __init__(self) -> None:
        self._account = worker()
        self._place = Path(tempfile.mkdtemp(prefix="grokputer-", dir=_reachable()))
        self._place.chmod(0o711)  # through, but not into: others cannot list it
        self.folder = self._place / "work"
        self.folder.mkdir()
        self.folder.chmod(FOLDER_MODE)
        self._own(self.folder)
        self._end = weakref.finalize(self, remove, self._place)

    def lay_out(self, entries: Mapping[str, Entry], changed: Mapping[str, int] | None = None) -> None:
        """Put the entries into the folder, which is empty; ``changed`` says when some were changed, in seconds since 1970.

        Raises ``EnvironmentUnavailable``, and writes nothing, where a path leaves the folder: this program writes, not a
        command in the sandbox.
        """
        for path in entries:
            if {"", ".", ".."} & set(path.split("/")):
                raise EnvironmentUnavailable(f"the path {path!r} leaves the folder of the task; correct the task")
        changed = changed or {}
        for path, entry in sorted(entries.items()):
            place = self.folder / path
            if entry.kind == "folder":
                place.mkdir()
                place.chmod(entry.mode)
            elif entry.kind == "link":
                place.symlink_to(os.fsdecode(entry.content or b""))
            else:
                place.write_bytes(entry.content or b"")
                place.chmod(entry.mode)
            self._own(place)
        for path in sorted(entries, reverse=True):
            moment = changed.get(path, MOMENT)
            os.utime(self.folder / path, (moment, moment), follow_symlinks=False)
        os.utime(self.folder, (MOMENT, MOMENT))

    def read(self) -> Tree:
        """What is in the folder now. A command that closed the folder itself to its owner has no lasting effect."""
        self.folder.chmod(FOLDER_MODE)
        return read_tree(self.folder)

    def close(self) -> None:
        """Remove it. Closing twice is harmless."""
        self._end()

    def _own(self, path: Path) -> None:
        if self._account.is_dropped:
            os.chown(path, self._account.user, self._account.group, follow_symlinks=False)

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove(place: Path) -> None:
    """Remove the folder, whatever was made in it: without rights, or deeper than a path may be long."""
    with suppress(OSError, RecursionError):
        shutil.rmtree(place)
    if place.exists():
        for words in (("chmod", "-R", "u+rwX"), ("rm", "-rf")):
            subprocess.run([*words, "--", os.fspath(place)], stderr=subprocess.DEVNULL, check=False)


def _reachable() -> str:
    """The first folder for temporary files that the user of commands can reach."""
    for name in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        path = Path(name).resolve()
        is_open = all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents)) if path.is_dir() else False
        if is_open or (path.is_dir() and not worker().is_dropped):
            return name
    raise EnvironmentUnavailable(
        f"user {worker().user}, which runs commands, can reach no folder for temporary files; set TMPDIR to one that is open"
    )
