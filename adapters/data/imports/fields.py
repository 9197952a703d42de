"""The keys of one row, and the texts under them.

Keys are compared without regard to case and to white space around them, since ``Instruction`` can only mean
``instruction``; a row with both is refused. What is null, or NaN as pandas writes an empty cell, is absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .reasons import LeftOut, quote

_KINDS: dict[type, str] = {
    bool: "true or false",
    float: "a fraction",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}
"""What a message calls a value by its type; any other type is called by its own name."""


class Fields:
    """A row or a turn, key by key; it remembers which keys were asked for."""

    def __init__(self, row: Mapping[Any, Any]) -> None:
        """Raises ``LeftOut`` when two keys differ by case or white space alone."""
        self._values: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._asked: set[str] = set()
        for name, value in row.items():
            key = str(name).strip().lower()
            if key in self._names:
                raise LeftOut("ambiguous", f"has the key {quote(key)} twice")
            self._names[key] = str(name)
            if not is_absent(value):
                self._values[key] = value

    def __contains__(self, key: str) -> bool:
        """Whether the row has a value under the key."""
        return key in self._values

    def knows(self, key: str) -> bool:
        """Whether the row has the key, with a value or without."""
        return key in self._names

    def take(self, key: str) -> Any:
        """The value, None where it is absent."""
        self._asked.add(key)
        return self._values.get(key)

    def text(self, key: str) -> str:
        """The value as text, empty where it is absent. Raises ``LeftOut`` when it is no text."""
        return read_text(self.take(key), key)

    @property
    def names(self) -> list[str]:
        """The keys as they are written."""
        return list(self._names.values())

    @property
    def unread(self) -> list[str]:
        """The keys with a value that were not asked for, as they are written."""
        return [name for key, name in self._names.items() if key in self._values and key not in self._asked]


def is_absent(value: object) -> bool:
    """Whether the value says nothing: null, or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def read_text(value: object, key: str) -> str:
    """The text, empty where it is absent; a whole number is its digits.

    Raises ``LeftOut`` for a list, an object, a fraction, a date, or text that is no Unicode (half of a surrogate pair).
    """
    if is_absent(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise LeftOut("not text", f"{key!r} is {name_kind(value)}, not text")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LeftOut("not Unicode", f"{key!r} holds half of a surrogate pair, which is no character") from None
    return text


def name_kind(value: object) -> str:
    """What a message calls the value."""
    return _KINDS.get(type(value), f"of type {type(value).__name__}")
