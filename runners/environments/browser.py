"""A headless Chromium, driven over the DevTools protocol.

The browser is started with ``--remote-debugging-pipe``: commands go through two inherited pipes and no port is opened.
So no other user of the machine can control it, and it ends when this process ends, for whatever reason. Use one
``Browser`` from one thread at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

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

TIMEOUT_S = 30.0
"""Time limit of one command, after which the browser counts as lost; chosen: pages answer within milliseconds."""

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


class PageError(Exception):
    """An expression evaluated in a page threw an error; the message is the page's own."""


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


class Browser:
    """A running headless Chromium with a fresh temporary profile."""

    def __init__(self) -> None:
        """Start the browser. Raises ``EnvironmentUnavailable`` when there is none or it does not start."""
        self._program = find_browser()
        self._received, self._last_id = bytearray(), 0
        self._loaded: set[str] = set()  # sessions whose page has loaded since their last navigation
        self._is_up = False
        self._profile = tempfile.mkdtemp(prefix="grokputer-browser-")
        flags = [*FLAGS, f"--user-data-dir={self._profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses to sandbox for root.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the browser
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _LAUNCH, "sh", self._profile, self._program, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands, self._answers = self._process.stdin, self._process.stdout
        try:
            self.version = str(self.call("Browser.getVersion")["product"])
            """Product and version, for instance ``HeadlessChrome/140.0.7339.80``."""
        except EnvironmentUnavailable:
            self.close()
            raise
        self._is_up = True

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result. Raises ``EnvironmentUnavailable`` when the browser is lost."""
        self._last_id += 1
        command = {"id": self._last_id, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        try:
            self._commands.write(json.dumps(command).encode() + b"\0")
            self._commands.flush()
        except (OSError, ValueError):  # ValueError: closed
            raise self._lost("it has ended") from None
        for message in self._messages(method):
            if message.get("id") == self._last_id:
                break
        if "error" in message:
            raise self._lost(f"{method} failed: {message['error']['message']}")
        return dict(message["result"])

    def navigate(self, session: str, url: str) -> None:
        """Open the URL and return when it has loaded. Raises ``EnvironmentUnavailable`` when it cannot be opened."""
        self._loaded.discard(session)
        if error := self.call("Page.navigate", session, url=url).get("errorText"):
            raise EnvironmentUnavailable(f"the browser cannot open {url}: {error}")
        if session not in self._loaded:
            for _ in self._messages("Page.loadEventFired"):
                if session in self._loaded:
                    break

    def close(self) -> None:
        """End the browser and remove its profile. Idempotent."""
        with contextlib.suppress(OSError):
            self._commands.close()  # Chromium ends when its command pipe closes.
        self._answers.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)  # in case the shell was killed
        self._complaints.close()

    def _messages(self, awaited: str) -> Iterator[dict[str, Any]]:
        """The browser's messages, one at a time, until ``TIMEOUT_S`` from now. Ends only by raising."""
        deadline = time.monotonic() + TIMEOUT_S
        ready = select.poll()
        ready.register(self._answers, select.POLLIN)
        while True:
            while (end := self._received.find(b"\0")) >= 0:
                message = json.loads(self._received[:end])
                del self._received[: end + 1]
                if message.get("method") == "Inspector.targetCrashed":
                    raise self._lost("its page crashed")
                if message.get("method") == "Page.loadEventFired":
                    self._loaded.add(message["sessionId"])
                yield message
            if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise self._lost(f"{awaited} did not answer within {TIMEOUT_S:g} s")
            chunk = os.read(self._answers.fileno(), 1 << 16)
            if not chunk:
                raise self._lost("it has ended")
            self._received += chunk

    def _lost(self, why: str) -> EnvironmentUnavailable:
        if self._is_up:
            return EnvironmentUnavailable(f"lost the browser {self._program}: {why}; start the task again")
        self._complaints.seek(0)
        complaints = self._complaints.read().decode(errors="replace").split("\n")
        reason = next((line.strip() for line in reversed(complaints) if line.strip()), "without output")
        return EnvironmentUnavailable(
            f"cannot start the browser {self._program}: {why} ({reason}); set GROKPUTER_BROWSER to another one"
        )


class Tab:
    """One tab of a browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session: str = attached["sessionId"]
        self._call("Page.enable")
        self._call("Emulation.setFocusEmulationEnabled", enabled=True)

    def inject(self, script: str) -> None:
        """Run the script in every page that this tab opens later, before the page's own scripts."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def navigate(self, url: str) -> None:
        """Open the URL and return when it has loaded. Raises ``EnvironmentUnavailable`` when it cannot be opened."""
        self._browser.navigate(self._session, url)

    def evaluate(self, expression: str) -> Any:
        """The JSON value of an expression, awaited if it is a promise; one round trip.

        Raises ``PageError`` when it throws, ``EnvironmentUnavailable`` when the page is lost.
        """
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if details := answer.get("exceptionDetails"):
            raise PageError(details.get("exception", {}).get("description", details["text"]).splitlines()[0])
        return answer["result"].get("value")

    def close(self) -> None:
        """Close the tab."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)
