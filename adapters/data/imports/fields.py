"""The keys of one row, and the texts under them.

Case and surrounding white space of keys are ignored, since ``Instruction`` can only mean ``instruction``; a row with
both is refused. A value of null, or NaN as pandas writes an empty cell, counts as absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ....domain.text import is_unicode
from .reasons import LeftOut, quote

_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    float: "a fraction",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}
"""Names of types in messages; other types have their own names."""


class Fields:
    """A row or a turn, key by key; it remembers which keys were read."""

    def __init__(self, row: Mapping[Any, Any]) -> None:
        """Raises ``LeftOut`` when two keys differ only by case or white space."""
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
        """Whether the row has the key, with or without a value."""
        return key in self._names

    def take(self, key: str) -> Any:
        """The value; None where it is absent. The key counts as read."""
        self._asked.add(key)
        return self._values.get(key)

    def text(self, key: str) -> str:
        """The value as text, empty where it is absent. Raises ``LeftOut`` when it is not text."""
        return read_text(self.take(key), key)

    @property
    def names(self) -> list[str]:
        """The keys as written."""
        return list(self._names.values())

    @property
    def unread(self) -> list[str]:
        """The keys with a value that were not read, as written."""
        return [name for key, name in self._names.items() if key in self._values and key not in self._asked]


def is_absent(value: object) -> bool:
    """Whether the value counts as absent: null, or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def read_text(value: object, key: str) -> str:
    """The text, empty where it is absent; a whole number becomes its digits.

    Raises ``LeftOut`` for a list, an object, a fraction, a date, or text that is not Unicode (a lone surrogate).
    """
    if is_absent(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise LeftOut("not text", f"{key!r} is {name_kind(value)}, not text")
    text = str(value)
    if not is_unicode(text):
        raise LeftOut("not Unicode", f"{key!r} holds a lone surrogate, which is not a character")
    return text


def name_kind(value: object) -> str:
    """The name of the value's type in messages."""
    return _KINDS.get(type(value), f"of type {type(value).__name__}")
