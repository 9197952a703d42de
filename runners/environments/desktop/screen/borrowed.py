"""Mouse and keyboard by pyautogui, for those who have set it up for their display."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .....domain.errors import EnvironmentUnavailable

NAME = "pyautogui"

NAMES = {
    "control": "ctrl",
    "super": "win",
    "return": "enter",
    "escape": "esc",
    "plus": "+",
    "minus": "-",
    "menu": "apps",
}
"""Names of keys in an action, and pyautogui's where they differ."""

NOTCH = {"up": (0, 3), "down": (0, -3), "left": (-3, 0), "right": (3, 0)}
"""How far each direction scrolls, to the side and up."""


class BorrowedDevices:
    """The ``Devices`` of pyautogui. It knows one display, the one in ``DISPLAY``, and types ASCII alone."""

    def __init__(self, display: str) -> None:
        """Raises ``EnvironmentUnavailable`` where the package is missing, or knows another display."""
        if find_spec(NAME) is None:
            raise EnvironmentUnavailable(
                f"{NAME} is not installed; set environment.desktop_input to own, which needs no further package"
            )
        if os.environ.get("DISPLAY") != display:
            raise EnvironmentUnavailable(
                f"{NAME} uses the display {os.environ.get('DISPLAY', '(none)')}, not {display}; set DISPLAY, or set "
                "environment.desktop_input to own"
            )
        self._input = _load()

    def press(self, x: int, y: int, *, button: int = 1, times: int = 1) -> None:
        """See ``Devices.press``."""
        self._input.click(x, y, clicks=times, interval=0.02, button={1: "left", 2: "middle", 3: "right"}[button])

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """See ``Devices.drag``."""
        self._input.moveTo(*start)
        self._input.dragTo(*end, duration=0.5, button="left")

    def scroll(self, x: int, y: int, direction: str) -> None:
        """See ``Devices.scroll``."""
        aside, up = NOTCH[direction]
        if up:
            self._input.scroll(up, x, y)
        else:
            self._input.hscroll(aside, x, y)

    def type(self, text: str, wait: Callable[[], None]) -> str:
        """See ``Devices.type``."""
        if not text.isascii():
            return f"{NAME} types ASCII alone; set environment.desktop_input to own for other characters"
        if unknown := next((each for each in text if each.isprintable() and not self._finds_key(each)), ""):
            return f"{NAME} cannot type {unknown} on this keyboard; set environment.desktop_input to own"
        self._input.write(text)
        return ""

    def _finds_key(self, character: str) -> bool:
        """Whether the package presses a key that writes the character.

        It takes the first key that has the character, and presses Shift with some characters whatever that key needs: for
        ``<`` it would write ``>`` where a keyboard has a key for both. So here it gets the key that writes it with Shift.
        """
        platform = self._input.platformModule
        keys, level = platform.keyboardMapping, int(self._input.isShiftCharacter(character))
        symbol = platform._display.keycode_to_keysym
        if keys.get(character) and symbol(keys[character], level) == ord(character):
            return True
        keys[character] = next((code for code in range(8, 256) if symbol(code, level) == ord(character)), None)
        return keys[character] is not None

    def keys(self, keys: str) -> str:
        """See ``Devices.keys``."""
        names = [NAMES.get(name.lower(), name.lower()) for name in keys.split("+")]
        if unknown := next((name for name in names if name not in self._input.KEYBOARD_KEYS), ""):
            return f"there is no key {unknown[:20]!r}"
        self._input.hotkey(*names)
        return ""


def check_library() -> None:
    """Check that the library of the display is whole. Raises ``EnvironmentUnavailable``.

    pyautogui brings ``python3-xlib``, an old copy under the same name without what the desktop needs.
    """
    if find_spec("Xlib.ext.damage") is None:
        raise EnvironmentUnavailable(
            "python3-xlib, which pyautogui brings, has overwritten python-xlib; run: pip uninstall --yes python3-xlib, and "
            "then: pip install --force-reinstall --no-deps python-xlib"
        )


def _load() -> Any:
    package: Any = import_module(NAME)
    package.__dict__["PAUSE"] = 0
    return package
