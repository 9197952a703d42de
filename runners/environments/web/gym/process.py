"""The process in which BrowserGym plays: started with its own Python, asked by lines, ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from .....domain.errors import EnvironmentUnavailable
from ...chromium import find_browser
from ...miniwob.environment import find_pages

VARIABLE = "GROKPUTER_BROWSERGYM"
"""The environment variable that names the Python of an environment with BrowserGym."""

ANSWER_S = 180.0
"""Seconds that an answer may take; chosen: the sites of large benchmarks need a minute for a reset."""

END_S = 10.0
"""Seconds that the process may take to end by itself."""

LONGEST = 64 * 2**20
"""Bytes of one answer: a page with its picture has one megabyte."""


class Refused(Exception):
    """BrowserGym or the benchmark raised an error; the message is its own, one line."""


def find_python() -> str:
    """The Python of BrowserGym. Raises ``EnvironmentUnavailable`` where none is named, or what is named is no program."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        raise EnvironmentUnavailable(
            f"BrowserGym is not set up: install browsergym into an environment of its own, and set {VARIABLE} to its Python"
        )
    if (path := shutil.which(named)) is None:
        raise EnvironmentUnavailable(
            f"{VARIABLE} is {named!r}, which is no program; set it to a Python with browsergym"
        )
    return path


class Peer:
    """A running process of BrowserGym. Use it from one thread at a time."""

    def __init__(self) -> None:
        """Start it. Raises ``EnvironmentUnavailable``."""
        self._python = find_python()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [self._python, str(Path(__file__).with_name("peer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=_surroundings(),
            start_new_session=True,
        )
        self._received = bytearray()

    def ask(self, **request: Any) -> Any:
        """The answer to the request. Raises ``Refused``, and ``EnvironmentUnavailable`` where the process is lost."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            said = json.loads(self._read_line())
        except (OSError, ValueError) as error:
            raise self._lost(str(error) or "it has ended") from None
        if "failure" in said:
            raise Refused(said["failure"])
        return said["answer"]

    def close(self) -> None:
        """End the process with its browsers. Idempotent."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._complaints.close()

    def _read_line(self) -> bytes:
        """The next line. Raises ``ValueError`` where none comes in time, and ``OSError`` at the end."""
        assert self._process.stdout is not None
        until = time.monotonic() + ANSWER_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._received:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise ValueError(f"no answer came within {ANSWER_S:g} s")
                part = os.read(self._process.stdout.fileno(), 2**20)
                if not part:
                    raise OSError("it has ended")
                self._received += part
                if len(self._received) > LONGEST:
                    raise ValueError("its answer is too long")
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return line

    def _lost(self, why: str) -> EnvironmentUnavailable:
        """The error for a process that is gone, with the last line that it wrote. The process is ended."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._complaints.seek(0)
        lines = [it.strip() for it in self._complaints.read().decode(errors="replace").split("\n") if it.strip()]
        said = f" ({lines[-1][:200]})" if lines else ""
        return EnvironmentUnavailable(f"lost BrowserGym in {self._python}: {why}{said}; start the task again")


def _surroundings() -> dict[str, str]:
    """The variables of the process: a browser, and the pages of MiniWoB++, where neither is named."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with contextlib.suppress(EnvironmentUnavailable):
        given.setdefault("GROKPUTER_BROWSER", find_browser())
    with contextlib.suppress(EnvironmentUnavailable):
        given.setdefault("MINIWOB_URL", f"{find_pages().as_uri()}/")
    return given
