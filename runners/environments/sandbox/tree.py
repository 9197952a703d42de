"""A work folder as it is at one moment, read without following a link, so that no command can show a reader something else."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from .usage import DEEPEST

MOST_ENTRIES = 5000
MOST_BYTES = 16 << 20
"""What is read of a folder; chosen. A sparse file may say that it is larger than any disk."""


@dataclass(frozen=True)
class Entry:
    """One file, folder or link."""

    kind: str
    """``file``, ``folder``, ``link`` or ``other``, such as a pipe."""
    mode: int = 0o644
    """Permissions, without the kind."""
    content: bytes | None = None
    """Of a file its bytes, None where they are too many or cannot be read; of a link where it leads."""

    @property
    def is_program(self) -> bool:
        """Whether its owner may execute it."""
        return self.kind == "file" and bool(self.mode & 0o100)

    @property
    def text(self) -> str:
        r"""The content as text, each byte that is no UTF-8 as ``\xff``; empty where there is none."""
        return (self.content or b"").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Tree:
    """All entries of a folder by their paths within it, sorted, parts divided by ``/``."""

    entries: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))
    is_whole: bool = True
    """Whether all is in it: not where there was too much to read."""

    def text(self, path: str) -> str | None:
        """What is in the file, None where there is no such file."""
        found = self.entries.get(path)
        return found.text if found is not None and found.kind == "file" else None


def read_tree(folder: Path) -> Tree:
    """The folder's entries now."""
    reader = _Reader()
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        reader.read(top, "", 1)
    finally:
        os.close(top)
    return Tree(MappingProxyType(dict(sorted(reader.found.items()))), reader.is_whole)


class _Reader:
    """Reads folder after folder through open descriptors, up to so many entries and bytes."""

    def __init__(self) -> None:
        self.found: dict[str, Entry] = {}
        self.is_whole = True
        self.left = MOST_BYTES

    def read(self, folder: int, before: str, depth: int) -> None:
        """Take in the open folder, whose entries have paths that begin so."""
        with os.scandir(folder) as listed:
            for item in listed:
                if len(self.found) == MOST_ENTRIES or depth > DEEPEST:
                    self.is_whole = False
                    return
                with suppress(OSError):
                    self._take(folder, item.name, before, depth)

    def _take(self, folder: int, name: str, before: str, depth: int) -> None:
        told, path = os.lstat(name, dir_fd=folder), before + name
        mode = stat.S_IMODE(told.st_mode)
        if stat.S_ISLNK(told.st_mode):
            self.found[path] = Entry("link", mode, os.fsencode(os.readlink(name, dir_fd=folder)))
        elif stat.S_ISREG(told.st_mode):
            self.found[path] = Entry("file", mode, self._content(folder, name, told.st_size))
        elif stat.S_ISDIR(told.st_mode):
            self.found[path] = Entry("folder", mode)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                self.read(inner, f"{path}/", depth + 1)
            finally:
                os.close(inner)
        else:
            self.found[path] = Entry("other", mode)

    def _content(self, folder: int, name: str, size: int) -> bytes | None:
        """The file's bytes, None where they are more than are read."""
        if size > self.left:
            self.is_whole = False
            return None
        with suppress(OSError):
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            with os.fdopen(file, "rb") as opened:
                content = opened.read(size)
            self.left -= len(content)
            return content
        return None
