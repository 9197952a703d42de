"""One tab of a visit: its page and the frames of other sites in it, each a session of the browser, and what they are doing.

Events come in the connection's reading thread, which holds ``Connection.changed`` meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .connection import Connection

FRAMES_ALONE = [{"type": "iframe", "exclude": False}, {"exclude": True}]
"""What is attached to beside a page: no workers."""

MOST_FRAMES = 24
"""Frames of other sites that are read in one tab; chosen."""

PAUSED = [{"urlPattern": "*"}]
"""Which requests stop for a moment. Documents are decided on. The others only go on: of requests that did not stop the browser
does not tell that a login of HTTP is asked for, and would wait for a person's name and password."""

NO_PRINTING = "window.print = () => {};"
"""A window to print waits for a person."""

LONG_S = 2.0
"""A request that takes longer keeps no page from being settled: it waits for news, such as a chat; chosen."""

WITHIN_A_PAGE = ("sameDocument", "historySameDocument")
"""Kinds of navigation that load nothing."""

NEVER_ENDING = ("WebSocket", "EventSource", "Media", "Ping", "Preflight", "Prefetch")
"""Kinds of requests that say nothing of whether a page is there."""


@dataclass
class Dialog:
    """A dialog of JavaScript that holds its page back until it is answered."""

    session: str
    kind: str
    """``alert``, ``confirm``, ``prompt`` or ``beforeunload``."""
    message: str
    answer: str
    """What is in the field of a prompt."""


@dataclass
class Chooser:
    """A page's request for files."""

    session: str
    node: int
    """The backend id of its field."""
    is_multiple: bool


@dataclass(frozen=True)
class Going:
    """A URL that a page goes to and that has not answered yet. The browser holds back what the page before it is asked."""

    url: str
    since: float


@dataclass
class Session:
    """A page, or a frame of another site in it."""

    id: str
    frame: str
    """The id of its uppermost frame."""
    parent: Session | None = None
    requests: dict[str, float] = field(default_factory=dict)
    """Requests that are not answered yet, by the time at which they began."""
    loading: set[str] = field(default_factory=set)
    """Frames that are loading."""
    going: Going | None = None
    """Where its frame goes to; None where it stays."""


class Tab:
    """One tab. ``on_document`` decides about each document that it wants to load, and whether that is its page or a frame in
    it; ``on_modal`` is told what stops it, and ``on_login`` which request was to have a name and a password, and whether it
    was the page itself."""

    def __init__(
        self,
        connection: Connection,
        target: str,
        on_document: Callable[[str, bool], bool],
        on_modal: Callable[[Dialog | Chooser | None, str], None],
        on_login: Callable[[str, bool], None],
    ) -> None:
        self.connection, self.target = connection, target
        self._on_document, self._on_modal, self._on_login = on_document, on_modal, on_login
        self.title = ""
        self.url = ""
        self.fault = ""
        """Why its page is lost; empty while it is there."""
        self.sessions: dict[str, Session] = {}
        self.main: Session | None = None
        self.active_at = time.monotonic()
        """When something was last requested, received or navigated."""
        self.opened: list[str] = []
        """The URLs of tabs that it opened since the last look."""
        self.drag: dict[str, Any] | None = None
        """What is being dragged, as the browser describes it."""

    def attach(self, session: str, *, frame: str, parent: Session | None = None) -> None:
        """Take over a session of the tab: the page's own, or that of a frame of another site in it."""
        if len(self.sessions) > MOST_FRAMES:
            return
        attached = Session(session, frame, parent)
        self.sessions[session] = attached
        if parent is None:
            self.main = attached
        self.connection.handlers[session] = lambda method, data: self._take(attached, method, data)
        send = self.connection.send
        send("Page.enable", session)
        send("Network.enable", session)
        send("Fetch.enable", session, patterns=PAUSED, handleAuthRequests=True)
        send("Accessibility.enable", session)  # else the browser makes the whole tree anew for each name
        send("Page.addScriptToEvaluateOnNewDocument", session, source=NO_PRINTING, runImmediately=True)
        send("Page.setInterceptFileChooserDialog", session, enabled=True)
        send(
            "Target.setAutoAttach",
            session,
            autoAttach=True,
            waitForDebuggerOnStart=False,
            flatten=True,
            filter=FRAMES_ALONE,
        )
        if parent is None:
            send("Inspector.enable", session)

            send("Input.setInterceptDrags", session, enabled=True)

    def detach(self, session: str) -> None:
        """Forget a session, with those of the frames in it."""
        gone = self.sessions.pop(session, None)
        self.connection.handlers.pop(session, None)
        for child in [each.id for each in self.sessions.values() if each.parent is gone and gone is not None]:
            self.detach(child)

    def release(self) -> None:
        """Handle no more events of this tab."""
        for session in list(self.sessions):
            self.detach(session)

    @property
    def is_busy(self) -> bool:
        """Whether a frame is loading, or a request is new and not answered yet."""
        now = time.monotonic()
        return any(
            session.loading or any(now - began < LONG_S for began in session.requests.values())
            for session in self.sessions.values()
        )

    @property
    def is_loading(self) -> bool:
        """Whether its page is not loaded as a whole yet."""
        return self.main is not None and bool(self.main.loading)

    def children(self, parent: Session) -> Iterator[Session]:
        """The frames of other sites in the page or frame."""
        return (session for session in list(self.sessions.values()) if session.parent is parent)

    def _take(self, session: Session, method: str, data: dict[str, Any]) -> None:
        """Handle an event of one of its sessions."""
        match method:
            case "Network.requestWillBeSent":
                if data.get("type") not in NEVER_ENDING:
                    session.requests[data["requestId"]] = self._now()
            case "Network.loadingFinished" | "Network.loadingFailed":
                session.requests.pop(data["requestId"], None)
                self._now()
            case "Page.frameStartedNavigating":
                if data["frameId"] == session.frame and data["navigationType"] not in WITHIN_A_PAGE:
                    session.going = Going(data["url"], self._now())
            case "Page.frameStartedLoading":
                session.loading.add(data["frameId"])
                self._now()
            case "Page.frameStoppedLoading":
                session.loading.discard(data["frameId"])
                if data["frameId"] == session.frame:
                    session.going = None
                self._now()
            case "Page.windowOpen":
                self.opened.append(data["url"])
                del self.opened[:-100]
            case "Page.frameDetached":
                session.loading.discard(data["frameId"])
            case "Page.frameNavigated":
                self._now()
                if data["frame"]["id"] == session.frame:
                    session.going = None
                if "parentId" not in data["frame"]:
                    session.requests.clear()
                    session.frame = data["frame"]["id"]
            case "Target.attachedToTarget":
                self.attach(data["sessionId"], frame=data["targetInfo"]["targetId"], parent=session)
            case "Target.detachedFromTarget":
                self.detach(data["sessionId"])
            case "Inspector.targetCrashed":
                self.fault = "its page crashed"
            case "Input.dragIntercepted":
                self.drag = data["data"]
            case _:
                self._take_stop(session, method, data)

    def _take_stop(self, session: Session, method: str, data: dict[str, Any]) -> None:
        """Handle an event that waits for an answer."""
        send = self.connection.send
        match method:
            case "Fetch.requestPaused":
                is_page = session.parent is None and data.get("frameId") == session.frame
                if data["resourceType"] != "Document" or self._on_document(data["request"]["url"], is_page):
                    send("Fetch.continueRequest", session.id, requestId=data["requestId"])
                else:
                    send("Fetch.failRequest", session.id, requestId=data["requestId"], errorReason="Aborted")
            case "Fetch.authRequired":
                refused = {"response": "CancelAuth"}
                send("Fetch.continueWithAuth", session.id, requestId=data["requestId"], authChallengeResponse=refused)
                is_page = session.parent is None and data.get("frameId") == session.frame
                self._on_login(data["request"]["url"], is_page and data["resourceType"] == "Document")
            case "Page.javascriptDialogOpening":
                text = data.get("defaultPrompt") or ""
                self._on_modal(Dialog(session.id, data["type"], data["message"], text), session.id)
            case "Page.javascriptDialogClosed":
                self._on_modal(None, session.id)
            case "Page.fileChooserOpened":
                if (node := data.get("backendNodeId")) is not None:
                    self._on_modal(Chooser(session.id, node, data["mode"] == "selectMultiple"), session.id)

    def _now(self) -> float:
        self.active_at = time.monotonic()
        return self.active_at
