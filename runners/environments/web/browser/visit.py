"""A visit: one run's own profile in the browser, with its tabs, its proxy and its downloads.

The profile is a context of the browser that lives in memory and is thrown away with the visit.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from .....domain.errors import EnvironmentUnavailable
from ..network.hosts import AllowList, BadAddress, read_url
from ..network.proxy import Proxy
from .connection import CALL_S, CommandFailed, Connection, NoAnswer
from .downloads import Downloads
from .folder import make_folder
from .tab import Chooser, Dialog, Session, Tab

WIDTH, HEIGHT = 1024, 768
"""Pixels of the view; chosen: what most pages are laid out for, and no more than a model's picture needs."""

ANSWER_S = 10.0
"""How long a page may take for an answer; chosen: pages answer within milliseconds, and a busy one within a second or two."""

MOST_TABS = 8
MOST_DIALOGS = 30
"""Dialogs in one visit; chosen: more than a run has steps."""

LOAD_S = 20.0
"""How long a page may take until its first byte."""

SETTLE_S = 5.0
"""How long a page may move until it is read as it is."""

QUIET_S = 0.1
"""How long nothing may have happened on a page that has settled; chosen."""

QUIET = """new Promise((resolve) => {
  const done = () => { observer.disconnect(); resolve(true); };
  let timer = setTimeout(done, QUIET_MS);
  const observer = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, QUIET_MS); });
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  setTimeout(done, MOST_MS);
})""".replace("QUIET_MS", str(round(QUIET_S * 1000)))
"""Resolves when the document has not changed for a moment. It runs in a world of its own, which no page can reach."""


class Lost(EnvironmentUnavailable):
    """A page or tab that can no longer be used, and why."""


class Visit:
    """One run's tabs."""

    def __init__(
        self, connection: Connection, proxy: Proxy, allowed: AllowList, files: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Open the profile with one empty tab. ``files`` are laid into the run's folder. Raises ``EnvironmentUnavailable``."""
        self.connection, self.proxy, self.allowed = connection, proxy, allowed
        self.tabs: OrderedDict[str, Tab] = OrderedDict()
        self.active: Tab | None = None
        self.dialog: Dialog | None = None
        self.chooser: Chooser | None = None
        self.documents: list[str] = []
        """The URLs that pages went to since the last look, without those of frames."""
        self.size = float(WIDTH), float(HEIGHT)
        """Width and height of what was seen of a tab at the last look."""
        self._dialogs = 0
        self._given_up = ""
        self._root, self._lock = make_folder()
        self.downloads = Downloads(self._root / "files", self._cancel)
        for name, content in files:
            (self.downloads.folder / name).write_bytes(content)
        proxy.allow(allowed)
        connection.listeners.append(self._take)
        try:
            self._open_context()
        except (CommandFailed, NoAnswer) as error:
            self.close()
            raise EnvironmentUnavailable(f"the browser cannot open a tab: {error}") from None
        except BaseException:
            self.close()
            raise

    def _open_context(self) -> None:
        call = self.connection.call
        call("Target.setDiscoverTargets", discover=True, filter=[{"type": "page"}])
        context = call(
            "Target.createBrowserContext",
            proxyServer=f"http://127.0.0.1:{self.proxy.port}",
            proxyBypassList="<-loopback>",
            disposeOnDetach=True,
        )
        self.context = str(context["browserContextId"])
        call("Browser.grantPermissions", permissions=[], browserContextId=self.context)
        call(
            "Browser.setDownloadBehavior",
            behavior="allowAndName",
            browserContextId=self.context,
            downloadPath=str(self.downloads.arriving),
            eventsEnabled=True,
        )
        self.open_tab()

    context = ""

    def open_tab(self) -> None:
        """Open an empty tab and make it the active one."""
        target = str(
            self.connection.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        )
        if not self.connection.wait(lambda: target in self.tabs and self.tabs[target].main is not None, CALL_S):
            raise NoAnswer("a new tab did not open")
        self.active = self.tabs[target]
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)

    # ---- What the browser says ---------------------------------------------------------------------------------------

    def _take(self, method: str, data: dict[str, Any]) -> None:
        """Handle an event of the browser, in the reading thread."""
        match method:
            case "Target.targetCreated":
                info = data["targetInfo"]
                if info.get("browserContextId") == self.context and info["type"] == "page":
                    self._add_tab(info)
            case "Target.attachedToTarget":
                if (tab := self.tabs.get(data["targetInfo"]["targetId"])) is not None:
                    tab.attach(data["sessionId"], frame=data["targetInfo"]["targetId"])
            case "Target.targetInfoChanged":
                if (tab := self.tabs.get(data["targetInfo"]["targetId"])) is not None:
                    tab.title, tab.url = data["targetInfo"]["title"], data["targetInfo"]["url"]
            case "Target.targetDestroyed":
                self._forget(data["targetId"])
            case "Target.targetCrashed":
                if (tab := self.tabs.get(data["targetId"])) is not None:
                    tab.fault = "its page crashed"
            case "Browser.downloadWillBegin":
                if self._is_own(data["frameId"]) or len(self.connection.listeners) == 1:
                    self.downloads.begin(data["guid"], data["suggestedFilename"])
                else:  # a frame that has gone again; the browser refuses what belongs to another visit
                    self._cancel(data["guid"])
            case "Browser.downloadProgress":
                size, total = int(data["receivedBytes"]), int(data["totalBytes"])
                self.downloads.progress(data["guid"], data["state"], size, total)

    def _add_tab(self, info: dict[str, Any]) -> None:
        if len(self.tabs) >= MOST_TABS:
            self.connection.send("Target.closeTarget", targetId=info["targetId"])
            self.proxy.refuse(f"a tab was closed: a run has {MOST_TABS} tabs at most")
            return
        tab = Tab(self.connection, info["targetId"], self._decide, self._take_modal, self._refuse_login)
        tab.title, tab.url = info.get("title", ""), info.get("url", "")
        self.tabs[tab.target] = tab
        if self.active is not None:
            self.active = tab  # a tab that a page opens is the one that is seen
        self.connection.send("Target.attachToTarget", targetId=tab.target, flatten=True)

    def _forget(self, target: str) -> None:
        tab = self.tabs.pop(target, None)
        if tab is None:
            return
        if self.dialog is not None and self.dialog.session in tab.sessions:
            self.dialog = None
        if self.chooser is not None and self.chooser.session in tab.sessions:
            self.chooser = None
        tab.release()
        if self.active is tab:
            self.active = next(reversed(self.tabs.values()), None)
            if self.active is not None:
                self.show(self.active)

    def _is_own(self, frame: str) -> bool:
        """Whether a frame is one of this visit's."""
        return frame in self.tabs or any(
            session.frame == frame for tab in self.tabs.values() for session in tab.sessions.values()
        )

    def _cancel(self, guid: str) -> None:
        self.connection.send("Browser.cancelDownload", guid=guid, browserContextId=self.context)

    def _decide(self, url: str, is_page: bool) -> bool:
        """Whether a document may be loaded."""
        if is_page:
            self.documents.append(url)
            del self.documents[:-100]
        if url.startswith(("about:", "blob:", "data:")):
            return True  # they bring nothing from outside; pages cannot open them as a whole
        try:
            place = read_url(url)
        except BadAddress as error:
            self.proxy.refuse(str(error))
            return False
        if self.allowed.allows(place):
            return True
        self.proxy.refuse(f"{place} is not one of the allowed hosts ({self.allowed})")
        return False

    def _refuse_login(self, url: str, is_page: bool) -> None:
        """Note that a name and a password were asked for, which runs do not give."""
        with contextlib.suppress(BadAddress):
            place = read_url(url)
            what = str(place) if is_page else f"a part of the page, from {place},"
            self.proxy.refuse(f"{what} asks for a name and a password by HTTP, which a run does not give")

    def _is_allowed(self, url: str) -> bool:
        try:
            return self.allowed.allows(read_url(url))
        except BadAddress:
            return False

    def _take_modal(self, modal: Dialog | Chooser | None, session: str) -> None:
        """Note the dialog or the request for files; None for a dialog of the session that has gone."""
        if isinstance(modal, Dialog):
            self._dialogs += 1
            self.dialog = modal
        elif isinstance(modal, Chooser):
            self.chooser = modal
        elif self.dialog is not None and self.dialog.session == session:
            self.dialog = None

    def take_documents(self) -> list[str]:
        """The URLs that pages went to, or opened in new tabs, since the last call."""
        wanted, self.documents = self.documents, []
        for tab in list(self.tabs.values()):
            wanted += tab.opened
            tab.opened = []
        return wanted

    # ---- What it is asked --------------------------------------------------------------------------------------------

    @property
    def tab(self) -> Tab:
        """The active tab. Raises ``Lost``."""
        active = self.active
        if active is not None and active.main is None:  # a new tab, which is not attached yet
            self.connection.wait(lambda: active.main is not None or self.active is not active, CALL_S)
        if self.active is None or self.active.main is None:
            raise Lost("the page closed its last tab")
        if self.active.fault:
            raise Lost(f"the page cannot be used any more: {self.active.fault}")
        if self._dialogs > MOST_DIALOGS:
            raise Lost(f"the page opened more than {MOST_DIALOGS} dialogs")
        return self.active

    @property
    def is_stopped(self) -> bool:
        """Whether the page waits for an answer to a dialog, or is lost: it answers nothing now."""
        return self.dialog is not None or self.active is None or bool(self.active.fault)

    def ask(self, method: str, session: str = "", *, timeout_s: float = 0, **parameters: Any) -> dict[str, Any] | None:
        """The page's answer; None where it opened a dialog instead. ``session`` is the active tab's own where it is empty.

        Where the page goes to a URL that does not answer, it is stopped and stays, which ``take_given_up`` tells.
        Raises ``Lost`` for a page that does not answer, ``CommandFailed``.
        """
        connection, timeout_s = self.connection, timeout_s or ANSWER_S
        main = self.tab.main
        assert main is not None
        id = connection.send(method, session or main.id, is_awaited=True, **parameters)

        def is_over() -> bool:
            return connection.is_answered(id) or self.is_stopped

        asked = self.tab.sessions.get(session, main)
        try:
            if not (
                connection.wait(is_over, min(timeout_s, ANSWER_S) if asked.going else timeout_s)
                or (self._is_given_up(asked, is_over) and connection.wait(is_over, timeout_s))
            ):
                raise Lost(
                    f"the page did not answer for {timeout_s:g} s: a script on it does not end, or it is too large"
                )
            return connection.take_answer(id)
        finally:
            connection.drop(id)

    def _is_given_up(self, session: Session, is_over: Callable[[], bool]) -> bool:
        """Whether the page held an answer back because it went to a URL, which it now does no longer."""
        if (going := session.going) is None:
            return False
        left = going.since + LOAD_S - time.monotonic()
        if not self.connection.wait(lambda: is_over() or session.going is not going, left):
            self.stop_loading()
            self._given_up = f"{_place_of(going.url)} did not answer within {LOAD_S:g} s"
        return True

    def take_given_up(self) -> str:
        """Which URL did not answer since the last call, in words; empty where none."""
        given_up, self._given_up = self._given_up, ""
        return given_up

    def measure(self) -> tuple[float, float]:
        """Width and height of what is seen of the active tab, in pixels; also kept in ``size``."""
        metrics = self.ask("Page.getLayoutMetrics")
        if metrics is not None:
            seen = metrics["cssLayoutViewport"]
            self.size = float(seen["clientWidth"]), float(seen["clientHeight"])
        return self.size

    def settle(self, most_s: float = 0) -> None:
        """Wait until the page does not move any more, or waits for an answer, or the time is over (0: ``SETTLE_S``)."""
        deadline = time.monotonic() + (most_s or SETTLE_S)
        while not self.is_stopped and (left := deadline - time.monotonic()) > 0:
            tab = self.tab
            if tab.is_busy or self.downloads.is_busy:
                self.connection.wait(lambda: self.is_stopped, min(left, QUIET_S / 2))
                continue
            before = tab.active_at
            try:
                if not self._is_quiet(tab, min(left, 2.0)):
                    return
            except CommandFailed:  # the page was left meanwhile
                continue
            if tab.active_at == before and tab is self.active:
                return

    def _is_quiet(self, tab: Tab, most_s: float) -> bool:
        """Wait until the document does not change; False where it waits for an answer."""
        assert tab.main is not None
        world = self.ask("Page.createIsolatedWorld", frameId=tab.main.frame, worldName="grokputer")
        if world is None:
            return False
        expression = QUIET.replace("MOST_MS", str(round(most_s * 1000)))
        context = world["executionContextId"]
        return self.ask("Runtime.evaluate", expression=expression, contextId=context, awaitPromise=True) is not None

    def open(self, url: str) -> str:
        """Open the URL in the active tab and wait for it. What went wrong, in words; empty where nothing did."""
        place = read_url(url)
        if not self.allowed.allows(place):
            return f"refused: {place} is not one of the allowed hosts ({self.allowed})"
        try:
            answer = self.ask("Page.navigate", url=url, timeout_s=LOAD_S)
        except Lost:
            self.stop_loading()
            return f"{place} did not answer within {LOAD_S:g} s"
        self.settle(LOAD_S)
        why = (answer or {}).get("errorText", "").replace("net::ERR_ABORTED", "")
        return self.take_given_up() or (f"{url} cannot be opened: {why}" if why else "")

    def show(self, tab: Tab) -> None:
        """Make the tab the active one."""
        self.active = tab
        self.connection.send("Target.activateTarget", targetId=tab.target)

    def refresh(self, tab: Tab) -> None:
        """Ask the browser for the tab's title and URL."""
        with contextlib.suppress(CommandFailed):  # it has gone
            info = self.connection.call("Target.getTargetInfo", targetId=tab.target)["targetInfo"]
            tab.title, tab.url = info["title"], info["url"]

    def close_refused(self) -> None:
        """Close the active tab where it is empty because its page was refused, and another one is open."""
        if len(self.tabs) > 1 and self.dialog is None:
            tab = self.tab
            self.refresh(tab)
            if tab.url in ("", "about:blank", ":") or not self._is_allowed(tab.url):
                self.close_tab(tab)

    def close_tab(self, tab: Tab) -> None:
        """Close the tab; a page may ask first."""
        self.connection.send("Target.closeTarget", targetId=tab.target)
        self.connection.wait(lambda: tab.target not in self.tabs or self.dialog is not None, CALL_S)

    def stop_loading(self) -> None:
        """Give up what the active tab still loads."""
        if self.active is not None and self.active.main is not None:
            self.connection.send("Page.stopLoading", self.active.main.id)

    def close(self) -> None:
        """Throw the profile away, with all tabs and files. Idempotent."""
        if self._take in self.connection.listeners:
            self.connection.listeners.remove(self._take)
        self.proxy.allow(None)
        with self.connection.changed:
            tabs, self.tabs, self.active = list(self.tabs.values()), OrderedDict(), None
            for tab in tabs:
                tab.release()
        if self.context and not self.connection.is_lost:
            try:
                self.connection.call("Target.disposeBrowserContext", browserContextId=self.context)
            except (CommandFailed, EnvironmentUnavailable):
                pass
            except NoAnswer:
                self.connection.close(0)  # it hangs, and takes its pages with it
        shutil.rmtree(self._root, ignore_errors=True)
        self._lock.close()


def _place_of(url: str) -> str:
    """The host and the port of the URL; of one that has none, its beginning."""
    try:
        return str(read_url(url))
    except BadAddress:
        return url[:60]
