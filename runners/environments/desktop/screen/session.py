"""A running desktop: its keeper, and what the keeper is asked for."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .....domain.errors import EnvironmentUnavailable
from ...sandbox.command import Limits
from .account import programs_account
from .authority import key_for
from .folder import DesktopFolder
from .parts import environment_of, parts_of

ANSWER_S = 30.0
"""How long the keeper may take to answer; chosen: it waits for each part of a desktop for at most 20 s."""

LIMITS = Limits()
"""What the programs may use: the size of a file and of HOME, as in the shell."""

PROCESSES = 2000
"""Threads of the account that runs the programs; chosen: some programs start one for each core."""


class Session:
    """The processes of one desktop. They end when it is closed, with the object, or with this program, however it ends."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Start a private screen of this size in pixels. Raises ``EnvironmentUnavailable``."""
        self.folder = DesktopFolder()
        try:
            parts = parts_of(self.folder, size)
            self._keeper = _start(self.folder, parts)
        except BaseException:
            self.folder.close()
            raise
        self._end = weakref.finalize(self, _close, self._keeper, self.folder)
        self._received = b""
        try:
            self.environment: dict[str, str] = self._ask(None)["environment"]
            """The environment of the programs, with the display and the bus."""
            key = key_for(self.folder.path / "run" / "Xauthority", self.display, socket.gethostname().encode())
            self.folder.write("Xauthority", key)
        except EnvironmentUnavailable:
            self.close()
            raise

    @property
    def display(self) -> str:
        """The name of the display, as ``:1``."""
        return self.environment["DISPLAY"]

    def start(
        self, arguments: Sequence[str], out: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> int:
        """Start a program in HOME; ``out`` is the file that gets what it prints. Returns its process.

        Raises ``EnvironmentUnavailable`` where it cannot be started.
        """
        asked = {
            "do": "start",
            "arguments": [*arguments],
            "folder": os.fspath(self.folder.home),
            "out": None if out is None else os.fspath(out),
            "environment": {**(environment or {})},
        }
        return int(self._ask(asked)["pid"])

    def end_programs(self) -> None:
        """End all programs, at once; the desktop itself stays. Raises ``EnvironmentUnavailable`` where one cannot be ended."""
        if left := self._ask({"do": "end"})["left"]:
            raise EnvironmentUnavailable(f"{left} programs of the desktop do not end; start the task again")

    def lost(self) -> list[str]:
        """The parts of the desktop that have ended. Raises ``EnvironmentUnavailable`` where the keeper itself has."""
        return list(self._ask({"do": "look"})["lost"])

    def close(self) -> None:
        """End everything and remove the folder. Idempotent."""
        self._end()

    def _ask(self, asked: Mapping[str, Any] | None) -> dict[str, Any]:
        """The keeper's answer. Raises ``EnvironmentUnavailable`` with its error, or where it is gone."""
        assert self._keeper.stdin is not None
        try:
            if asked is not None:
                self._keeper.stdin.write(json.dumps(asked).encode() + b"\n")
                self._keeper.stdin.flush()
            answer: dict[str, Any] = json.loads(self._read_line())
        except (OSError, ValueError):
            raise EnvironmentUnavailable("the desktop has ended; start the task again") from None
        if "error" in answer:
            raise EnvironmentUnavailable(f"the desktop: {answer['error']}")
        return answer

    def _read_line(self) -> bytes:
        assert self._keeper.stdout is not None
        until = time.monotonic() + ANSWER_S
        while b"\n" not in self._received:
            if not select.select([self._keeper.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise OSError("no answer")
            part = os.read(self._keeper.stdout.fileno(), 1 << 16)
            if not part:
                raise OSError("it has ended")
            self._received += part
        line, self._received = self._received.split(b"\n", 1)
        return line


def _start(folder: DesktopFolder, parts: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    account = programs_account()
    wanted = {
        "folder": os.fspath(folder.path),
        "user": account.user if account.is_dropped else None,
        "group": account.group,
        "environment": environment_of(folder),
        "parts": parts,
        "is_confined": True,
        "limits": [
            (resource.RLIMIT_FSIZE, LIMITS.file_bytes),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NPROC, PROCESSES),
        ],
    }
    return subprocess.Popen(
        [sys.executable, "-I", "-S", os.fspath(Path(__file__).with_name("keeper.py")), json.dumps(wanted)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        pass_fds=[folder.lock],
        start_new_session=True,
    )


def _close(keeper: subprocess.Popen[bytes], folder: DesktopFolder) -> None:
    """Let the keeper end everything, and remove the folder."""
    assert keeper.stdin is not None and keeper.stdout is not None
    with suppress(OSError):
        keeper.stdin.close()
    try:
        keeper.wait(timeout=10)
    except subprocess.TimeoutExpired:
        keeper.kill()  # its children end with it
        keeper.wait()
    keeper.stdout.close()
    folder.close()
