"""Keys as the browser's protocol names them: ``ctrl+s``, ``Enter``, ``alt+left``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODIFIERS = {"alt": 1, "ctrl": 2, "control": 2, "meta": 4, "cmd": 4, "shift": 8}

NAMED = {
    "enter": ("Enter", "Enter", 13, "\r"),
    "return": ("Enter", "Enter", 13, "\r"),
    "tab": ("Tab", "Tab", 9, ""),
    "escape": ("Escape", "Escape", 27, ""),
    "esc": ("Escape", "Escape", 27, ""),
    "backspace": ("Backspace", "Backspace", 8, ""),
    "delete": ("Delete", "Delete", 46, ""),
    "space": (" ", "Space", 32, " "),
    "up": ("ArrowUp", "ArrowUp", 38, ""),
    "down": ("ArrowDown", "ArrowDown", 40, ""),
    "left": ("ArrowLeft", "ArrowLeft", 37, ""),
    "right": ("ArrowRight", "ArrowRight", 39, ""),
    "home": ("Home", "Home", 36, ""),
    "end": ("End", "End", 35, ""),
    "pageup": ("PageUp", "PageUp", 33, ""),
    "pagedown": ("PageDown", "PageDown", 34, ""),
    "insert": ("Insert", "Insert", 45, ""),
    **{f"f{n}": (f"F{n}", f"F{n}", 111 + n, "") for n in range(1, 13)},
}
"""For each key: its value, its place on the keyboard, its code in Windows, and the text that it types."""

OF_THE_BROWSER = {
    "alt+left": "back",
    "alt+right": "forward",
    "f5": "reload",
    "ctrl+r": "reload",
    "ctrl+w": "close",
    "ctrl+t": "new",
}
"""Keys that the browser itself answers."""

COMMANDS = {"ctrl+a": "selectAll", "ctrl+z": "undo", "ctrl+c": "copy", "ctrl+v": "paste", "ctrl+x": "cut"}
"""What a field does with keys, which the protocol wants to have named."""


@dataclass(frozen=True)
class Keys:
    """Keys that are pressed together."""

    written: str
    """In small letters, modifiers in the order of the alphabet."""
    modifiers: int
    key: str
    code: str
    number: int
    text: str

    def events(self) -> list[dict[str, Any]]:
        """The parameters of ``Input.dispatchKeyEvent``, one for each event."""
        common = {
            "modifiers": self.modifiers,
            "key": self.key,
            "code": self.code,
            "windowsVirtualKeyCode": self.number,
            "nativeVirtualKeyCode": self.number,
        }
        down = {**common, "type": "keyDown" if self.text else "rawKeyDown"}
        if self.text:
            down["text"] = self.text
        if command := COMMANDS.get(self.written):
            down["commands"] = [command]
        return [down, {**common, "type": "keyUp"}]


def read_keys(written: str) -> Keys | None:
    """The keys; None for what is none."""
    *before, last = written.split("+") if not written.endswith("+") else [*written[:-1].strip("+").split("+"), "+"]
    names = sorted({"ctrl" if name.lower() == "control" else name.lower() for name in before if name})
    if any(name not in MODIFIERS for name in names):
        return None
    bits = sum(MODIFIERS[name] for name in names)
    known = NAMED.get(last.lower())
    if known is None and last.lower().startswith("arrow"):
        known = NAMED.get(last.lower()[5:])
    if known is None:
        if len(last) != 1 or not last.isprintable():
            return None
        letter = last.upper() if bits & 8 else last
        is_plain = not bits & ~8
        code = f"Key{last.upper()}" if last.isascii() and last.isalpha() else f"Digit{last}" if last.isdigit() else ""
        number = ord(last.upper()) if last.isascii() and last.isalnum() else 0
        known = (letter, code, number, letter if is_plain else "")
    key, code, number, text = known
    return Keys("+".join([*names, last.lower()]), bits, key, code, number, text if not bits & ~8 else "")
