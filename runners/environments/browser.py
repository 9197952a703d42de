"""A headless Chromium, driven over the DevTools protocol.

Its process is that of ``chromium.py``. Use one ``Browser`` from one thread at a time. It knows one page at a time and waits for
each answer; pages that open dialogs, tabs and downloads are driven in ``web/``.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Iterator
from typing import Any

from ...domain.errors import EnvironmentUnavailable
from .chromium import Chromium
from .chromium import find_browser as find_browser

TIMEOUT_S = 30.0
"""Time limit of one command, after which the browser counts as lost; chosen: pages answer within milliseconds."""


class PageError(Exception):
    """An expression evaluated in a page threw an error; the message is the page's own."""


class Browser:
    """A running headless Chromium with a fresh temporary profile."""

    def __init__(self) -> None:
        """Start the browser. Raises ``EnvironmentUnavailable`` when there is none or it does not start."""
        self._received, self._last_id = bytearray(), 0
        self._loaded: set[str] = set()  # sessions whose page has loaded since their last navigation
        self._is_up = False
        self._process = Chromium()
        self._commands, self._answers = self._process.commands, self._process.answers
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
        self._process.close()

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
        return self._process.lost(why, is_up=self._is_up)


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
