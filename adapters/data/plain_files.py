"""Files that people name: a plain file is read, and what could wait for ever or never end is refused."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import BinaryIO

KINDS = {
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
"""What else a path may lead to, but for folders."""

OPENED = Path("/dev/fd")
"""Where a process finds the files that it was started with, by their numbers."""


def require_plain(path: Path) -> None:
    """Raise ``OSError`` where the path is missing, or is a pipe, a socket or a device. A folder is left to who opens it.

    A pipe that a shell opened for the command, as ``<(...)`` does, has its writer and ends with it.
    """
    kind = KINDS.get(stat.S_IFMT(path.stat().st_mode))
    if kind is not None and not (kind == "pipe" and path.parent == OPENED):
        # An error of the system's form, so that each reader reports it as it reports a missing file.
        raise OSError(errno.ESPIPE, f"a {kind} is no plain file", str(path))


def open_plain(path: Path) -> BinaryIO:
    """The plain file, open for reading. Raises ``OSError``."""
    require_plain(path)
    return path.open("rb")


def read_plain(path: Path) -> bytes:
    """The content of the plain file. Raises ``OSError``."""
    with open_plain(path) as stream:
        return stream.read()


def read_plain_text(path: Path) -> str:
    """The text of the plain file, each line ending with a line feed. Raises ``OSError``, ``UnicodeDecodeError``."""
    require_plain(path)
    return path.read_text(encoding="utf-8")
