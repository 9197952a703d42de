"""Carries out one action.

Nothing is pressed or typed where the element is gone, covered, or not in the window that has the keyboard.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ....domain.errors import GrokputerError
from ....domain.page.action import Action
from ....domain.page.messages import Box
from .eye import View
from .page import plain, typed
from .screen.devices import Devices
from .screen.display import Display, settle
from .tree.elements import TYPED, Element
from .tree.node import Node
from .tree.reader import Reader

FIRST_S = 0.12
"""How long a program may take to begin to answer a press; chosen: what a person notices as a delay."""

QUIET_S = 0.1
"""How long nothing may change on the screen for it to have settled; chosen: six pictures of a screen."""

MOST_S = 4.0
"""How long the screen may go on changing, as while a bar moves; chosen."""

WAIT_S = 1.0
"""How long WAIT waits for a change; chosen."""

FRONT_S = 2.0
"""How long a window may take to come to the front; chosen."""


SELECTED = ("option", "list-item", "tree-item", "menu-item", "cell")
"""Kinds of what a list has to choose from."""


class NotDone(GrokputerError):
    """An action cannot be carried out; nothing was pressed. The message is one plain sentence."""


class Hands:
    """The hands of one desktop."""

    def __init__(self, display: Display, reader: Reader, devices: Devices) -> None:
        self._display, self._reader, self._devices = display, reader, devices

    def do(self, action: Action, view: View) -> None:
        """Carry out the action on an element of the view. Raises ``NotDone``."""
        if action.verb == "KEY":
            if problem := self._devices.keys(action.text):
                raise NotDone(problem)
        elif action.verb == "SCROLL":
            self._devices.scroll(*self._scrolled(action, view), action.text)
        elif action.verb == "DRAG":
            start, end = self._point(_pick(action.number, view), view), self._point(_pick(action.target, view), view)
            self._devices.drag(start, end)
        else:
            self._on_element(action, _pick(action.number, view), view)

    def settle(self, first_s: float = FIRST_S) -> bool:
        """Wait until the screen is quiet; whether it became so."""
        return settle(self._display, QUIET_S, MOST_S, first_s, self._reader.ping)

    def bring_forward(self, window: int) -> None:
        """Bring the window to the front. Raises ``NotDone`` where it does not come."""
        self._display.activate(window)
        until = time.monotonic() + FRONT_S
        while self._display.active() != window:
            if not self._display.wait_for_change(max(0.0, until - time.monotonic())):
                raise NotDone("the window did not come to the front")

    def _on_element(self, action: Action, element: Element, view: View) -> None:
        if element.is_word:
            self._on_word(action, element, view)
        elif element.node is None:
            if action.verb != "CLICK":
                raise NotDone("a window can only be clicked, which brings it to the front")
            if element.window not in [window.id for window in self._display.windows()]:
                raise NotDone("the window is closed")
            self.bring_forward(element.window)
        elif action.verb == "SELECT" and element.kind not in SELECTED:
            raise NotDone(f"a {element.kind} is not an option of a list; CLICK presses it")
        elif action.verb == "TYPE":
            self._type(element, view, typed(action.text))
        elif action.verb == "SELECT" and element.box is None:
            self._select(element)
        else:
            button, times = (3 if action.verb == "RIGHT" else 1), (2 if action.verb == "DOUBLE" else 1)
            x, y = self._point(element, view)
            self._devices.press(x, y, button=button, times=times)

    def _on_word(self, action: Action, element: Element, view: View) -> None:
        """Press where a text was read. What takes text cannot be known there: it is pressed, and what it has stays."""
        x, y = self._point(element, view)
        if action.verb != "TYPE":
            button, times = (3 if action.verb == "RIGHT" else 1), (2 if action.verb == "DOUBLE" else 1)
            self._devices.press(x, y, button=button, times=times)
            return
        self._devices.press(x, y)
        self.settle(FIRST_S / 2)
        self._check_keyboard(element, view)
        self._devices.type(typed(action.text), self._wait)

    def _place(self, element: Element, view: View) -> tuple[int, int]:
        """The middle of a text that was read. Raises ``NotDone`` where the screen is not as it was then."""
        if element.box is None:
            raise NotDone("the text has no place on the screen; name a line that was read there")
        windows = self._display.windows()
        if self._display.active() != view.active:
            raise NotDone("another window has come to the front")
        if [(window.id, window.box) for window in windows] != [(window.id, window.box) for window in view.windows]:
            raise NotDone("the windows are not where they were when the screen was read")
        x, y = _middle(element.box, [view.area])
        popups = {window.id for window in windows if window.is_popup}
        if self._display.window_at(x, y) not in popups | {view.active}:
            raise NotDone("the text is not in the window that is in front")
        return x, y

    def _type(self, element: Element, view: View, text: str) -> None:
        if element.kind not in TYPED or element.node is None:
            raise NotDone(f"a {element.kind} takes no text; type into an entry or a textarea")
        now = self._reader.look_again(element.node)
        if now is not None and not {"editable", "focusable"} & now.states:
            raise NotDone("the element takes no text")
        x, y = self._point(element, view)
        if now is None or "focused" not in now.states:
            self._devices.press(x, y)
            self.settle(FIRST_S / 2)
        self._check_keyboard(element, view)
        self._devices.keys("ctrl+a")
        if text:
            if problem := self._devices.type(text, self._wait):
                raise NotDone(problem)
        else:
            self._devices.keys("delete")

    def _wait(self) -> None:
        self.settle()

    def _select(self, element: Element) -> None:
        if element.holder is None or not self._reader.select(element.holder, element.number):
            raise NotDone("the list does not take the option; click the list and then the option")

    def _check_keyboard(self, element: Element, view: View) -> None:
        """Raises ``NotDone`` where keys would go to another window."""
        if not element.is_popup and self._display.active() != view.active:
            raise NotDone("another window has the keyboard now")

    def _scrolled(self, action: Action, view: View) -> tuple[int, int]:
        if action.number:
            return self._point(_pick(action.number, view), view)
        if (window := view.active_window) is None:
            raise NotDone("no window is open that can be scrolled")
        return window.box.x + window.box.width // 2, window.box.y + window.box.height // 2

    def _point(self, element: Element, view: View) -> tuple[int, int]:
        """The middle of the element as it is now. Raises ``NotDone`` where a press there would not reach it."""
        if element.is_word:
            return self._place(element, view)
        if element.node is None:
            raise NotDone("a window can only be clicked, which brings it to the front")
        if element.box is None:
            raise NotDone("the option has no place on the screen while its list is closed; select it")
        windows = self._display.windows()
        own = next((window for window in windows if window.id == element.window), None)
        if own is None:
            raise NotDone("the window of the element is closed")
        active = self._display.active()
        if active != view.active and not element.is_popup:
            title = next((plain(window.title)[:60] for window in windows if window.id == active), "")
            raise NotDone(
                f"another window has come to the front: {title!r}" if title else "the window is not in front now"
            )
        now = self._reader.look_again(element.node)
        if now is None or now.box is None or not (now.is_showing or element.is_popup):
            raise NotDone("the element is gone")
        if now.role != element.node.role or _is_renamed(element.node, now):
            raise NotDone("the element is another one now")
        popups = [window for window in windows if window.is_popup]
        areas = [popup.box for popup in popups] if element.is_popup else [own.box]
        x, y = _middle(now.box, areas)
        reached = self._display.window_at(x, y)
        if reached not in ([popup.id for popup in popups] if element.is_popup else [own.id]):
            title = next((plain(window.title)[:60] for window in windows if window.id == reached), "")
            raise NotDone(f"the element is covered by {title!r}" if title else "the element is covered")
        return x, y


def _pick(number: int, view: View) -> Element:
    """The element of the number. Raises ``NotDone``."""
    if not view.elements:
        raise NotDone("no window is open, so there is nothing to press; RUN starts a program")
    if not 1 <= number <= len(view.elements):
        raise NotDone(f"there is no element [{number}]; there are {len(view.elements)}")
    element = view.elements[number - 1]
    if element.is_disabled:
        raise NotDone("the element is disabled")
    return element


def _is_renamed(before: Node, now: Node) -> bool:
    """Whether an element that is known by its name has another: a list may have put something else in its place."""
    return bool(before.name) and before.name != now.name and before.role not in ("combo box", "label", "toggle button")


def _middle(box: Box, areas: Sequence[Box]) -> tuple[int, int]:
    """The middle of what shows of the box. Raises ``NotDone`` where none of it does."""
    for area in areas:
        left, top = max(box.x, area.x), max(box.y, area.y)
        right, bottom = min(box.x + box.width, area.x + area.width), min(box.y + box.height, area.y + area.height)
        if right > left and bottom > top:
            return (left + right) // 2, (top + bottom) // 2
    raise NotDone("the element is outside of what its window shows; scroll to it")
