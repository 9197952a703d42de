"""A keyboard that types any character: those that the layout lacks are put on keys that have none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from Xlib import XK, X
from Xlib.ext import xtest

from .display import Display

NAMES = {
    "ctrl": "Control_L",
    "control": "Control_L",
    "alt": "Alt_L",
    "shift": "Shift_L",
    "super": "Super_L",
    "enter": "Return",
    "return": "Return",
    "esc": "Escape",
    "escape": "Escape",
    "tab": "Tab",
    "space": "space",
    "backspace": "BackSpace",
    "delete": "Delete",
    "del": "Delete",
    "insert": "Insert",
    "home": "Home",
    "end": "End",
    "pageup": "Page_Up",
    "pagedown": "Page_Down",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "plus": "plus",
    "minus": "minus",
    "menu": "Menu",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}
"""The names of keys in an action, and X's names of them."""

HELD = ("ctrl", "control", "alt", "shift", "super")
"""Keys that are held while another is pressed."""

VENDOR = 0x1008
"""The first half of the symbols of keys for music, mail and the like. Source: X11, ``XF86keysym.h``."""


class Keyboard:
    """The keyboard of one display."""

    def __init__(self, display: Display) -> None:
        self._display, self._connection = display, display.connection
        info = self._connection.display.info
        first, last = info.min_keycode, info.max_keycode
        with display.watched():
            mapping = self._connection.get_keyboard_mapping(first, last - first + 1)
        self._known: dict[int, tuple[int, bool]] = {}
        self._spare = [first + number for number, symbols in enumerate(mapping) if _is_spare(symbols)]
        self._lent: OrderedDict[int, int] = OrderedDict()
        """The keys that carry a character for now, the longest unused first: the key by its symbol."""
        for number, symbols in enumerate(mapping):
            for level in (0, 1):
                if len(symbols) > level and symbols[level]:
                    self._known.setdefault(symbols[level], (first + number, level == 1))
        self._shift = self._connection.keysym_to_keycode(XK.XK_Shift_L)

    def type(self, text: str, wait: Callable[[], None]) -> None:
        """Type the text. ``wait`` returns when the program has read all keys so far: only then may a key change its meaning."""
        for part in self._parts(text):
            self._lend(part, wait)
            with self._display.watched():
                for character in part:
                    code, is_shifted = self._place(_symbol(character))
                    self._tap(code, [self._shift] if is_shifted else [])
                self._connection.sync()

    def press(self, keys: str) -> str:
        """Press keys together, as ``ctrl+s``; why that is not possible, or nothing."""
        *held, last = [*keys[:-1].split("+")[:-1], "+"] if keys.endswith("+") else keys.split("+")
        for key in held:
            if key.lower() not in HELD:
                return f"cannot hold the key {key[:20]!r}; keys that are held are ctrl, alt, shift and super"
        name = NAMES.get(last.lower())
        if name is None and len(last) != 1:
            return (
                f"there is no key {last[:20]!r}; keys are single characters, {', '.join(list(NAMES)[5:12])} and so on"
            )
        symbol = XK.string_to_keysym(name) if name else _symbol(last)
        if symbol not in self._known:
            return f"the keyboard has no key {last[:20]!r}"
        code, is_shifted = self._known[symbol]
        codes = [self._connection.keysym_to_keycode(XK.string_to_keysym(NAMES[key.lower()])) for key in held]
        with self._display.watched():
            self._tap(code, [*codes, *([self._shift] if is_shifted and self._shift not in codes else [])])
            self._connection.sync()
        return ""

    def _parts(self, text: str) -> list[str]:
        """The text in parts, each with no more missing characters than there are spare keys."""
        parts, part, missing = list[str](), "", set[int]()
        for character in text:
            symbol = _symbol(character)
            if symbol not in self._known and symbol not in missing:
                if len(missing) == len(self._spare):
                    parts.append(part)
                    part, missing = "", set()
                missing.add(symbol)
            part += character
        return [*parts, part] if part else parts

    def _lend(self, part: str, wait: Callable[[], None]) -> None:
        """Put the missing characters of the part on keys; before a key gets another meaning, wait."""
        wanted = dict.fromkeys(symbol for symbol in map(_symbol, part) if symbol not in self._known)
        for symbol in wanted.keys() & self._lent.keys():
            self._lent.move_to_end(symbol)
        missing = [symbol for symbol in wanted if symbol not in self._lent]
        if len(self._lent) + len(missing) > len(self._spare):
            wait()
        codes: dict[int, int] = {}
        for symbol in missing:
            is_free = len(self._lent) < len(self._spare)
            self._lent[symbol] = self._spare[len(self._lent)] if is_free else self._lent.popitem(last=False)[1]
            codes[self._lent[symbol]] = symbol
        if codes:
            self._change(codes)

    def _change(self, codes: Mapping[int, int]) -> None:
        """Put the symbols on their keys, neighbours at once: each change makes every program read the whole keyboard."""
        with self._display.watched():
            waiting = sorted(codes)
            while waiting:
                first, run = waiting[0], [codes[waiting[0]]]
                while first + len(run) in codes:
                    run.append(codes[first + len(run)])
                self._connection.change_keyboard_mapping(first, [[symbol, symbol] for symbol in run])
                waiting = waiting[len(run) :]
            self._connection.sync()
        self._display.ping_manager()

    def _place(self, symbol: int) -> tuple[int, bool]:
        return self._known[symbol] if symbol in self._known else (self._lent[symbol], False)

    def _tap(self, code: int, held: list[int]) -> None:
        for key in (*held, code):
            xtest.fake_input(self._connection, X.KeyPress, key)
        for key in (code, *reversed(held)):
            xtest.fake_input(self._connection, X.KeyRelease, key)


def _is_spare(symbols: Sequence[int]) -> bool:
    """Whether the key has no character: nothing, or what a key for music or mail on some keyboards does."""
    return all(symbol == 0 or symbol >> 16 == VENDOR for symbol in symbols)


def _symbol(character: str) -> int:
    """X's number of the character."""
    special = {"\n": XK.XK_Return, "\t": XK.XK_Tab}
    code = ord(character)
    return int(special.get(character) or (code if 0x20 <= code < 0x7F or 0xA0 <= code < 0x100 else 0x0100_0000 | code))
