"""A real terminal of a given width within the test's own process: what a command writes to it."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from threading import Thread

import pytest

from grokputer.cli import app
from grokputer.runners.console.tables import measure

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def terminal(columns: int, written: list[bytes]) -> Iterator[None]:
    """Stdout and stderr are a terminal so wide; what is written there is in the list at the end."""
    own, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def read() -> None:
        try:
            while part := os.read(own, 1 << 16):
                written.append(part)
        except OSError:  # what Linux says where the other end is closed
            pass

    reader = Thread(target=read)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        reader.start()
        with redirect_stdout(stream), redirect_stderr(stream):
            yield
    reader.join()
    os.close(own)


def show_on_terminal(words: list[str], columns: int, monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """What the command shows on a terminal so wide, with its colours."""
    for name, value in ({"COLUMNS": str(columns), "TERM": "xterm-256color", "NO_COLOR": ""} | environment).items():
        monkeypatch.setenv(name, value)
    written: list[bytes] = []
    with terminal(columns, written):
        app(words, standalone_mode=False)
    return b"".join(written).decode().replace("\r\n", "\n")


def without_colour(shown: str) -> str:
    return COLOUR.sub("", shown)


def widest(shown: str) -> int:
    """The width of the widest line."""
    return max(measure(line) for line in without_colour(shown).splitlines())


def words_of(shown: str) -> set[str]:
    """The words, without what draws a tree."""
    return set(without_colour(shown).translate(str.maketrans("│├└─", "    ")).split())
