"""A person at the pages: a real Chromium that signs in, reads, types and clicks, and an accessibility checker in it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateways import Served, serving
from places import TESTS

from grokputer.runners.environments.browser import Browser, Tab
from grokputer.runners.store.ledger import Ledger

AXE = TESTS / "node" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_S = 20.0
"""A deadline for what a page does on its own; no test passes or fails by how long it takes."""


class Person:
    """One person with one tab."""

    def __init__(self, browser: Browser, site: str) -> None:
        self.site = site
        """The address of the pages, without a path."""
        self._browser = browser
        context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.tab = Tab.__new__(Tab)
        self.tab._browser, self.tab._session = browser, self._session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol to the tab."""
        return self._browser.call(method, self._session, **parameters)

    def go(self, path: str) -> None:
        """Open the page at the path."""
        self._browser.navigate(self._session, f"{self.site}{path}")

    def sign_in(self, key: str) -> None:
        """Sign in with the key."""
        self.go("/sign-in")
        self.fill("#key", key)
        self.leave("document.querySelector('main form').requestSubmit()")

    def leave(self, action: str) -> None:
        """Do what opens another page, and wait until that has loaded."""
        self._browser._loaded.discard(self._session)
        self.tab.evaluate(f"{action}, null")
        for _ in self._browser._messages("Page.loadEventFired"):
            if self._session in self._browser._loaded:
                return

    def click(self, selector: str) -> None:
        """Click what opens another page."""
        self.leave(f"document.querySelector({json.dumps(selector)}).click()")

    def touch(self, selector: str) -> None:
        """Press the mouse on the element, which needs no script in the page."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.scrollIntoViewIfNeeded", nodeId=node)
        box = self.call("DOM.getBoxModel", nodeId=node)["model"]["content"]
        x, y = (box[0] + box[4]) / 2, (box[1] + box[5]) / 2
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def fill(self, selector: str, text: str) -> None:
        """Type the text into the field."""
        self.tab.evaluate(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.focus(); "
            f"field.value = {json.dumps(text)}; field.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
        )

    def press(self, key: str, *, control: bool = False) -> None:
        """Press a key on the keyboard."""
        known = {"Enter": 13, "Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        code = known.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = {} if control or key in known else {"text": key}
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if control else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def text(self, selector: str = "main") -> str:
        """The visible words of the first such element; empty where there is none."""
        return str(self.tab.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def value(self, expression: str) -> Any:
        """The value of the expression in the page."""
        return self.tab.evaluate(expression)

    def wait_for(self, expression: str) -> Any:
        """The value of the expression once it is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := self.tab.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {expression}; the page says {self.text()[:2000]}")
            time.sleep(0.02)
        return found

    @property
    def path(self) -> str:
        """The path of the open page, with its query."""
        return str(self.tab.evaluate("location.pathname + location.search"))

    def violations(self) -> list[str]:
        """What the accessibility checker objects to, one line each."""
        if not self.tab.evaluate("'axe' in window"):
            self.tab.evaluate(AXE.read_text(encoding="utf-8") + "; null")
        found = self.tab.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(result => result.violations.map("
            "each => each.id + ': ' + each.nodes.map(node => node.html.slice(0, 120) + ' ' + node.failureSummary).join(' | ')))"
        )
        return list(found)

    def find_faults(self, pages: Iterable[str], prepare: str = "", never: str = "main script") -> list[str]:
        """What the checker objects to, what does not fit, and what must never be there (a selector), on each page at two
        widths, each in light and dark.

        ``prepare`` is evaluated on each page when it is loaded.
        """
        faults: list[str] = []
        for page in pages:
            self.go(page)
            if prepare:
                self.value(prepare)
            if self.value(f"document.querySelector({never!r}) !== null"):
                faults.append(f"{page} has {never}")
            for width, dark in ((390, False), (1024, True), (390, True), (1024, False)):
                self.look(width, dark=dark)
                wide = [f"{self.overflow} pixels too wide"] if self.overflow else []
                faults += [f"{page} at {width}{' in dark' if dark else ''}: {it}" for it in (*self.violations(), *wide)]
            self.look(1600)
            faults += [f"{page} at 1600: {self.overflow} pixels too wide"] if self.overflow else []
        return faults

    def look(self, width: int, *, dark: bool = False) -> None:
        """Make the window this wide, in light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    @property
    def overflow(self) -> int:
        """Pixels that the page is wider than the window."""
        return int(self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def shoot(self, file: Path) -> None:
        """A picture of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser until the block ends."""
    browser = Browser()
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def visiting(path: Path, browser: Browser, *, with_api: bool = True) -> Iterator[tuple[Served, Person]]:
    """A gateway on the log, and a person with all scopes who has signed in, until the block ends.

    Without the API it loads no model, and starts at once.
    """
    with serving(path, with_api=with_api) as gateway:
        person = Person(browser, gateway.url.removesuffix("/v1"))
        person.sign_in(gateway.key)
        yield gateway, person


@contextmanager
def opened(path: Path) -> Iterator[Ledger]:
    """The log, open for a moment."""
    ledger = Ledger.open(path)
    try:
        yield ledger
    finally:
        ledger.close()
