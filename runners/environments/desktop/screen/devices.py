"""Mouse and keyboard as the desktop uses them, and the ways to have them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from .display import WHEEL, Display
from .keyboard import Keyboard

BETWEEN_S = 0.02
"""Time between the two presses of a double press, and between the parts of a drag; chosen: programs take up to 0.4 s as one."""

DRAG_PARTS = 12
"""Moves of a drag; chosen: a program begins to drag after some pixels, and then looks where the pointer is."""

DROP_S = 0.15
"""How long a drag waits over its target, so that the program there can answer; chosen."""

NOTCHES = 3
"""Turns of the wheel; chosen: what a person does in one go."""


class Devices(Protocol):
    """A mouse and a keyboard."""

    def press(self, x: int, y: int, *, button: int = 1, times: int = 1) -> None:
        """Press a button of the mouse at the point."""
        ...

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press at the one point and let go at the other."""
        ...

    def scroll(self, x: int, y: int, direction: str) -> None:
        """Turn the wheel over the point."""
        ...

    def type(self, text: str, wait: Callable[[], None]) -> str:
        """Type the text; why that is not possible, or nothing. ``wait`` returns when the program has read all keys so far."""
        ...

    def keys(self, keys: str) -> str:
        """Press keys together; why that is not possible, or nothing."""
        ...


class OwnDevices:
    """The ``Devices`` of a display by its extension XTEST: any character can be typed."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._keyboard = Keyboard(display)

    def press(self, x: int, y: int, *, button: int = 1, times: int = 1) -> None:
        """See ``Devices.press``."""
        self._display.move(x, y)
        for number in range(times):
            if number:
                time.sleep(BETWEEN_S)
            self._display.press(button)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """See ``Devices.drag``."""
        self._display.move(*start)
        self._display.press(is_up=False)
        for part in range(1, DRAG_PARTS + 1):
            time.sleep(BETWEEN_S)
            x, y = (a + (b - a) * part // DRAG_PARTS for a, b in zip(start, end, strict=True))
            self._display.move(x, y)
        for shift in (1, 0):
            time.sleep(DROP_S)
            self._display.move(end[0] + shift, end[1])
        self._display.press(is_down=False)

    def scroll(self, x: int, y: int, direction: str) -> None:
        """See ``Devices.scroll``."""
        self._display.move(x, y)
        for _ in range(NOTCHES):
            self._display.press(WHEEL[direction])

    def type(self, text: str, wait: Callable[[], None]) -> str:
        """See ``Devices.type``."""
        self._keyboard.type(text, wait)
        return ""

    def keys(self, keys: str) -> str:
        """See ``Devices.keys``."""
        return self._keyboard.press(keys)
