"""One X display: its windows, its pointer, and whether anything on it changes."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from Xlib import X
from Xlib.display import Display as Connection
from Xlib.error import ConnectionClosedError, DisplayError, XError
from Xlib.ext import damage, xtest
from Xlib.protocol.event import ClientMessage

from .....domain.errors import EnvironmentUnavailable
from .....domain.page.messages import Box
from .authority import authority
from .keeper import SOCKETS

WHEEL = {"up": 4, "down": 5, "left": 6, "right": 7}
"""The buttons that a wheel presses."""

PASSING = (X.CreateNotify, X.DestroyNotify, X.ConfigureNotify, X.ReparentNotify, X.ClientMessage, X.MappingNotify)
"""Events that change no pixel by themselves; what they lead to is told by others."""

MANAGER_S = 2.0
"""How long a window manager may take to answer; chosen."""

_CAUGHT = (ConnectionClosedError, DisplayError, ConnectionError)


@dataclass(frozen=True)
class Window:
    """A window that a person sees: the title is the program's own text."""

    id: int
    title: str
    process: int
    """0 where the program does not say."""
    box: Box
    """Where it is on the screen, without its frame."""
    is_popup: bool = False
    """Whether it is a menu or a list that no window manager frames."""
    is_hidden: bool = False
    """Whether it is reduced to its name."""
    owner: int = 0
    """The window that a dialog belongs to; 0 where there is none."""


class Display:
    """A connection to one display. Every method raises ``EnvironmentUnavailable`` where the display is lost."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.name = environment["DISPLAY"]
        _check_local(self.name)
        try:
            with authority(environment):
                self.connection = Connection(self.name)
        except (DisplayError, OSError) as error:
            raise EnvironmentUnavailable(f"there is no display {self.name}: {error}") from None
        self.connection.set_error_handler(lambda *_: None)  # a window may be gone by the time that it is asked
        self.root = self.connection.screen().root
        with self.watched():
            self.connection.query_extension("XTEST")
            self._atoms: dict[str, int] = {}
            self.root.change_attributes(event_mask=X.SubstructureNotifyMask | X.PropertyChangeMask)
            self._probe = self.root.create_window(0, 0, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask)
            self._has_probe = False
            self._seen = 0
            self._over: list[int] = []
            """The windows that are shown without a frame, the newest last."""
            self._over = [*self._find_popups()]
            self._damage = None
            if self.connection.has_extension("DAMAGE"):
                self.connection.damage_query_version()
                self._damage = self.root.damage_create(damage.DamageReportRawRectangles)
            self.connection.sync()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turns the loss of the display within the block into ``EnvironmentUnavailable``."""
        try:
            yield
        except _CAUGHT:
            raise EnvironmentUnavailable(f"the display {self.name} was lost; start the task again") from None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        screen = self.connection.screen()
        return screen.width_in_pixels, screen.height_in_pixels

    def windows(self) -> list[Window]:
        """All that are open, the uppermost first: popups, then framed windows."""
        with self.watched():
            managed = self._property(self.root, "_NET_CLIENT_LIST_STACKING") or self._property(
                self.root, "_NET_CLIENT_LIST"
            )
            found = [window for id in reversed(managed or []) if (window := self._describe(id, is_popup=False))]
            return [*self._popups(), *found]

    def active(self) -> int:
        """The window that has the keyboard; 0 where none has."""
        with self.watched():
            found = self._property(self.root, "_NET_ACTIVE_WINDOW")
            return int(found[0]) if found else 0

    def activate(self, window: int) -> None:
        """Bring the window to the front, with the keyboard."""
        self._tell(window, "_NET_ACTIVE_WINDOW", [2, X.CurrentTime, 0, 0, 0])

    def close_window(self, window: int) -> None:
        """Ask the window's program to close it."""
        self._tell(window, "_NET_CLOSE_WINDOW", [X.CurrentTime, 2, 0, 0, 0])

    def window_at(self, x: int, y: int) -> int:
        """Put the pointer there; the popup or framed window that a press would reach, 0 for the background."""
        self.move(x, y)
        with self.watched():
            top = self.root.query_pointer().child
            try:
                return self._client_below(top) if top else 0
            except (XError, AttributeError):  # gone meanwhile
                return 0

    def move(self, x: int, y: int) -> None:
        """Put the pointer there."""
        with self.watched():
            xtest.fake_input(self.connection, X.MotionNotify, x=x, y=y)
            self.connection.sync()

    def press(self, button: int = 1, *, is_down: bool = True, is_up: bool = True) -> None:
        """Press and release the button of the pointer."""
        with self.watched():
            if is_down:
                xtest.fake_input(self.connection, X.ButtonPress, button)
            if is_up:
                xtest.fake_input(self.connection, X.ButtonRelease, button)
            self.connection.sync()

    def changes(self) -> int:
        """How many changes the display has told since the last call: drawn areas, windows opened, closed and moved."""
        self._read_events()
        found, self._seen = self._seen, 0
        return found

    def ping_manager(self) -> None:
        """Return when the window manager has read what it was told so far, or does not answer for ``MANAGER_S``.

        A manager that is busy lets no press through to a program.
        """
        if not self._has_probe:
            self._has_probe = self.atom("_NET_REQUEST_FRAME_EXTENTS") in self._supported()
        if self._has_probe:
            self._tell(self._probe.id, "_NET_REQUEST_FRAME_EXTENTS", [0, 0, 0, 0, 0])
            until = time.monotonic() + MANAGER_S
            while not self._read_events() and (left := until - time.monotonic()) > 0:
                with self.watched():
                    select.select([self.connection.fileno()], [], [], left)

    def _read_events(self) -> bool:
        """Count the changes that were told; whether the window manager answered among them."""
        is_answered = False
        with self.watched():
            for _ in range(self.connection.pending_events()):
                event = self.connection.next_event()
                if event.type == X.PropertyNotify and event.window == self._probe:
                    is_answered = True
                elif event.type not in PASSING:
                    self._seen += 1
                if event.type == X.MapNotify and event.override:
                    self._over.append(int(event.window.id))
                elif event.type in (X.UnmapNotify, X.DestroyNotify):
                    self._over = [id for id in self._over if id != event.window.id]
        return is_answered

    def _supported(self) -> list[int]:
        with self.watched():
            return list(self._property(self.root, "_NET_SUPPORTED") or [])

    def wait_for_change(self, seconds: float) -> bool:
        """Whether a change was told within so many seconds; returns with the first."""
        until = time.monotonic() + seconds
        while not self.changes():
            left = until - time.monotonic()
            if left <= 0:
                return False
            with self.watched():
                select.select([self.connection.fileno()], [], [], left)
        return True

    def close(self) -> None:
        """End the connection. Idempotent."""
        with suppress(*_CAUGHT, OSError):
            self.connection.close()

    def atom(self, name: str) -> int:
        """The display's number for the name."""
        if name not in self._atoms:
            self._atoms[name] = self.connection.intern_atom(name)
        return self._atoms[name]

    def _popups(self) -> Iterator[Window]:
        self._read_events()
        for id in reversed(self._over):
            window = self._describe(id, is_popup=True)
            if window is not None and window.process and min(window.box.width, window.box.height) > 1:
                yield window

    def _find_popups(self) -> Iterator[int]:
        """The windows that are shown without a frame when the connection begins, the lowest first."""
        for top in self.root.query_tree().children:
            with suppress(XError, AttributeError):
                attributes = top.get_attributes()
                is_input = attributes.win_class == X.InputOnly
                if attributes.override_redirect and attributes.map_state == X.IsViewable and not is_input:
                    yield int(top.id)

    def _describe(self, id: int, *, is_popup: bool) -> Window | None:
        window = self.connection.create_resource_object("window", id)
        try:
            geometry = window.get_geometry()
            place = window.translate_coords(self.root, 0, 0)
            title = self._property(window, "_NET_WM_NAME") or self._property(window, "WM_NAME") or b""
            process = self._property(window, "_NET_WM_PID")
            states = self._property(window, "_NET_WM_STATE") or []
            owner = self._property(window, "WM_TRANSIENT_FOR")
        except (XError, AttributeError):  # gone meanwhile
            return None
        text = title.decode("utf-8", "replace") if isinstance(title, bytes) else str(title)
        box = Box(-int(place.x), -int(place.y), int(geometry.width), int(geometry.height))
        is_hidden = self.atom("_NET_WM_STATE_HIDDEN") in states
        return Window(
            id, text, int(process[0]) if process else 0, box, is_popup, is_hidden, int(owner[0]) if owner else 0
        )

    def _client_below(self, top: Any) -> int:
        """The program's window within the frame; the window itself where it has no frame."""
        waiting = [top]
        while waiting:
            window = waiting.pop(0)
            if self._property(window, "WM_STATE"):
                return int(window.id)
            if len(waiting) < 50:
                waiting += window.query_tree().children
        return int(top.id)

    def _property(self, window: Any, name: str) -> Any:
        found = window.get_full_property(self.atom(name), X.AnyPropertyType)
        return None if found is None else found.value

    def _tell(self, window: int, what: str, data: list[int]) -> None:
        with self.watched():
            target = self.connection.create_resource_object("window", window)
            event = ClientMessage(window=target, client_type=self.atom(what), data=(32, data))
            self.root.send_event(event, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
            self.connection.sync()


def settle(
    display: Display, quiet_s: float, most_s: float, first_s: float, ping: Callable[[], None] = lambda: None
) -> bool:
    """Wait until nothing has changed for ``quiet_s``; whether that came within ``most_s``.

    The first change may take ``first_s`` to come. ``ping`` returns when the programs have read what was sent to them.
    """
    until = time.monotonic() + most_s
    display.wait_for_change(min(first_s, most_s))
    while time.monotonic() < until:
        if not display.wait_for_change(quiet_s):
            display.ping_manager()
            ping()
            if not display.changes():
                return True
    return False


def _check_local(display: str) -> None:
    """Raises ``EnvironmentUnavailable`` where nothing answers for a display of this machine: the library would look for one
    elsewhere in the network."""
    number = display.removeprefix(":").partition(".")[0]
    if not display.startswith(":") or not number.isdigit():
        return
    for path in (f"{SOCKETS}/X{number}", f"\0{SOCKETS}/X{number}"):
        with socket.socket(socket.AF_UNIX) as tried, suppress(OSError):
            tried.connect(path)
            return
    raise EnvironmentUnavailable(f"there is no display {display}; name one that runs, as :0")
