"""What a state is saved in: parts by name, so that what did not change need not be written, nor read, again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import msgspec

from ...domain.errors import LogError

encode = msgspec.json.encode
"""JSON without spaces, keys in the order they came: equal values that came about alike give equal bytes."""


def decode(saved: bytes, form: Any = dict[str, Any]) -> Any:
    """What was encoded, of this form. Raises ``LogError``."""
    try:
        return msgspec.json.decode(saved, type=form)
    except (msgspec.DecodeError, UnicodeError, TypeError) as error:
        raise damaged(error) from error


def damaged(error: Exception) -> LogError:
    """What is said of a saved state that cannot be read."""
    return LogError(f"a saved state is damaged ({error!r}); run 'grokputer replay' to make it anew")


class StateShards(MutableMapping[str, Any]):
    """JSON-plain values of one form by name. One that was loaded stays encoded until it is asked for."""

    def __init__(self, saved: Mapping[str, bytes] | None = None, form: Any = dict[str, Any]) -> None:
        self._saved = dict(saved or {})
        self._form = form
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Raises ``KeyError``, and ``LogError`` for a part that is no JSON of the form."""
        if name not in self._read:
            self._read[name] = decode(self._saved[name], self._form)
            del self._saved[name]
        return self._read[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The part, or the default; most questions are for what is not there."""
        if name in self:
            return self[name]
        return default

    def __setitem__(self, name: str, value: Any) -> None:
        self._saved.pop(name, None)
        self._read[name] = value

    def __delitem__(self, name: str) -> None:
        if self._saved.pop(name, None) is None:
            del self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._saved, *self._read])

    def __len__(self) -> int:
        return len(self._saved) + len(self._read)

    def __contains__(self, name: object) -> bool:
        return name in self._read or name in self._saved

    def saved(self, name: str) -> bytes | None:
        """The part as it is encoded, None for one that has been asked for."""
        return self._saved.get(name)

    def settle(self, name: str) -> None:
        """Keep the part encoded until it is asked for again: nobody holds it."""
        if name in self._read:
            self._saved[name] = encode(self._read.pop(name))

    def dump(self) -> dict[str, bytes]:
        """Every part, encoded."""
        return self._saved | {name: encode(value) for name, value in self._read.items()}
