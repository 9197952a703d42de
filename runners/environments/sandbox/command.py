"""The port of a sandbox: a command, its limits, and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SHELL = ("/bin/bash", "--noprofile", "--norc", "-c")
"""What reads a command line; no start file changes what it means."""

HOME = "/home/user"
"""Where the work folder stands inside a sandbox that has a file system of its own."""

PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Limits:
    """What one command may use. All defaults are chosen: far more than an honest command of a task needs."""

    seconds: float = 10.0
    """Wall time."""
    cpu_s: int = 10
    """Processor time of each process."""
    memory_bytes: int = 1 << 30
    """Address space of each process, and memory of all processes together."""
    processes: int = 64
    file_bytes: int = 32 << 20
    """Size of each file."""
    open_files: int = 256
    folder_bytes: int = 64 << 20
    """Size of all files in the work folder together."""
    folder_entries: int = 5000
    """Files, folders and links in the work folder."""
    output_bytes: int = 8192
    """Output that is kept: half from its beginning, half from its end."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed, both streams together."""

    code: int | None
    """The exit code, 128 and the signal's number for a signal; None where a limit ended the command."""
    ended: str
    """The limit that ended it, in words; empty where it ended by itself."""
    head: bytes
    tail: bytes
    cut: int
    """Bytes left out between head and tail."""
    duration_ms: int

    @property
    def output(self) -> str:
        r"""All that was kept, as text; a byte that is no UTF-8 is written ``\xff``. Without the middle, where that was cut."""
        return (self.head + self.tail).decode("utf-8", "backslashreplace")


class Sandbox(Protocol):
    """Carries out commands. Each one sees the work folder, may write nowhere else, and reaches no network."""

    name: str
    """The program that it is made with."""

    def run(self, folder: Path, command: str, limits: Limits, *, is_read_only: bool = False) -> Outcome:
        """Carry out the command line in the folder; every process of it has ended when this returns.

        The folder must be readable by ``account.worker``. With ``is_read_only`` the folder cannot be written to either.
        Raises ``EnvironmentUnavailable`` where the sandbox itself fails.
        """
        ...


def arguments_of(command: str) -> Sequence[str]:
    """The program and its arguments that carry out a command line."""
    return (*SHELL, command)
