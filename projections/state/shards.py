"""What a state is saved in: parts by name, so that what did not change need not be written, nor read, again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast, overload

import msgspec

from ...domain.errors import Hint, LogError

T = TypeVar("T")
D = TypeVar("D")


class StateValue(msgspec.Struct, forbid_unknown_fields=True):
    """A value of the state with typed fields, which its fold changes in place.

    It is saved as a JSON object with its fields in their order.

    Times are text, ISO 8601, and ids are hex, as people and other programs see them.
    """

    def to_json(self) -> dict[str, Any]:
        """The fields by name, JSON-plain."""
        return cast("dict[str, Any]", msgspec.to_builtins(self))


encode = msgspec.json.encode
"""JSON without spaces, keys in the order they came: equal values that came about alike give equal bytes."""


def decode(saved: bytes, form: type[T]) -> T:
    """What was encoded, of this form. Raises ``LogError``."""
    read: Any = form  # mypy takes no type for hashable
    try:
        return cast("T", _decoder(read).decode(saved))
    except (msgspec.DecodeError, UnicodeError, TypeError) as error:
        raise damaged(error) from error


@lru_cache(64)
def _decoder(form: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(form)


def damaged(error: Exception) -> LogError:
    """The error for a saved state that cannot be read."""
    return LogError(f"a saved state is damaged ({error!r})", hint=Hint.REPLAY)


class StateShards(MutableMapping[str, T], Generic[T]):
    """Values of one form by name. One that was loaded stays encoded until it is asked for."""

    def __init__(self, saved: Mapping[str, bytes] | None = None, form: Any = dict[str, Any]) -> None:
        self._saved = dict(saved or {})
        self._form: type[T] = form
        self._read: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Raises ``KeyError``, and ``LogError`` for a part that is no JSON of the form."""
        if name not in self._read:
            self._read[name] = decode(self._saved[name], self._form)
            del self._saved[name]
        return self._read[name]

    @overload
    def get(self, name: str, default: None = None, /) -> T | None: ...

    @overload
    def get(self, name: str, default: T | D, /) -> T | D: ...

    def get(self, name: str, default: Any = None, /) -> Any:
        """The part, or the default; most questions are for what is not there."""
        if name in self:
            return self[name]
        return default

    def __setitem__(self, name: str, value: T) -> None:
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
        """Keep the part encoded until it is asked for again. No other object may hold the value."""
        if name in self._read:
            self._saved[name] = encode(self._read.pop(name))

    def dump(self, kind: str = "") -> dict[str, bytes]:
        """Every part, encoded, under ``kind/name``, or under its name alone."""
        parts = self._saved | {name: encode(value) for name, value in self._read.items()}
        return {f"{kind}/{name}": part for name, part in parts.items()} if kind else parts


class SavedParts:
    """The parts of a saved state, each to be read by the fold that it is of."""

    def __init__(self, saved: Mapping[str, bytes]) -> None:
        self._several: dict[str, dict[str, bytes]] = defaultdict(dict)
        for name, part in saved.items():
            kind, _, own = name.partition("/")
            self._several[kind][own] = part

    def one(self, name: str, form: type[T]) -> T:
        """The part of this name. Raises ``KeyError`` where there is none, and ``LogError`` for one of another form."""
        return decode(self._several[name][""], form)

    def shards(self, kind: str, form: type[T]) -> StateShards[T]:
        """The parts ``kind/...``, by what follows."""
        return StateShards(self._several[kind], form)
