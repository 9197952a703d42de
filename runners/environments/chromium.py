"""The process of a Chromium: found, started with a fresh profile, and ended, with its profile removed.

It is started with ``--remote-debugging-pipe``: commands go through two inherited pipes and no port is opened. So no other
user of the machine can control it, and it ends when this process ends, for whatever reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence

from ...domain.errors import EnvironmentUnavailable

PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
"""Where a browser is searched, in this order, when ``$GROKPUTER_BROWSER`` is not set."""

FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--no-first-run",
    "--no-default-browser-check",
    "--renderer-process-limit=1",
    "--mute-audio",
)

# Chromium reads commands from descriptor 3 and answers on 4. The shell outlives it to remove the profile, even when
# Python is killed. Chromium's children may still write there for a moment, and ``rm`` fails on a folder that fills while
# it is emptied. So the shell ends the children and tries again.
_LAUNCH = """
profile=$1; shift
"$@" 3<&0 4>&1 </dev/null >/dev/null
trap '' TERM; kill -TERM 0
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    rm -rf "$profile" 2>/dev/null && break
    sleep 0.25
done
"""


def find_browser() -> str:
    """The path of the browser to start. Raises ``EnvironmentUnavailable`` when there is none."""
    named = os.environ.get("GROKPUTER_BROWSER", "")
    for program in (named,) if named else PROGRAMS:
        if path := shutil.which(program):
            return path
    if named:
        raise EnvironmentUnavailable(
            f"GROKPUTER_BROWSER is {named!r}, which is not a program; set it to the path of a Chromium or Chrome"
        )
    raise EnvironmentUnavailable(
        "no browser was found; install one (apt-get install chromium) or set GROKPUTER_BROWSER to a Chromium or Chrome"
    )


class Chromium:
    """A running Chromium with a fresh temporary profile; ``commands`` and ``answers`` are its pipes."""

    def __init__(self, flags: Sequence[str] = (), *, is_headed: bool = False) -> None:
        """Start it. Raises ``EnvironmentUnavailable`` when there is none."""
        self.program = find_browser()
        self.profile = tempfile.mkdtemp(prefix="grokputer-browser-")
        own = [flag for flag in FLAGS if not is_headed or flag != "--headless"]
        flags = [*own, *flags, f"--user-data-dir={self.profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses to sandbox for root.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the browser
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _LAUNCH, "sh", self.profile, self.program, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.commands, self.answers = self._process.stdin, self._process.stdout

    def complaint(self) -> str:
        """The last line that it wrote to its errors."""
        self._complaints.seek(0)
        complaints = self._complaints.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(complaints) if line.strip()), "without output")

    def lost(self, why: str, *, is_up: bool) -> EnvironmentUnavailable:
        """The error for a browser that is gone: one that was up, or one that never came up."""
        if is_up:
            return EnvironmentUnavailable(f"lost the browser {self.program}: {why}; start the task again")
        return EnvironmentUnavailable(
            f"cannot start the browser {self.program}: {why} ({self.complaint()}); set GROKPUTER_BROWSER to another one"
        )

    def kill(self) -> None:
        """End it and all its processes at once."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self, wait_s: float = 5.0) -> None:
        """End it and remove its profile; it is killed where it has not ended by itself within the time. Idempotent."""
        with contextlib.suppress(OSError):
            self.commands.close()  # Chromium ends when its command pipe closes.
        self.answers.close()
        try:
            self._process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)  # in case the shell was killed
        self._complaints.close()
