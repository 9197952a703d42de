"""A state is saved in named parts, so that unchanged parts are neither written nor read again."""

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
    """A value of the state with typed fields. Its fold changes it in place.

    It is saved as a JSON object with its fields in their order. Times are ISO 8601 text, and ids are hex.
    """

    def to_json(self) -> dict[str, Any]:
        """The fields by name, JSON-plain."""
        return cast("dict[str, Any]", msgspec.to_builtins(self))


encode = msgspec.json.encode
"""JSON without spaces, keys in their order of insertion. So equal histories give equal bytes."""


def decode(saved: bytes, form: type[T]) -> T:
    """The value of this form. Raises ``LogError`` where the bytes have another form."""
    read: Any = form  # mypy does not accept a type as hashable
    try:
        return cast("T", _decoder(read).decode(saved))
    except (msgspec.DecodeError, UnicodeError, TypeError, RecursionError) as error:
        raise damaged(error) from error


@lru_cache(64)
def _decoder(form: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(form)


def damaged(error: Exception) -> LogError:
    """The error for a saved state that cannot be read."""
    return LogError(f"a saved state is damaged ({error!r})", hint=Hint.REPLAY)


class StateShards(MutableMapping[str, T], Generic[T]):
    """Values of one form by name. A loaded value is decoded at its first use."""

    def __init__(self, saved: Mapping[str, bytes] | None = None, form: Any = dict[str, Any]) -> None:
        self._saved = dict(saved or {})
        self._form: type[T] = form
        self._read: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Raises ``KeyError`` for an unknown name, and ``LogError`` for a part of another form."""
        if name not in self._read:
            self._read[name] = decode(self._saved[name], self._form)
            del self._saved[name]
        return self._read[name]

    @overload
    def get(self, name: str, default: None = None, /) -> T | None: ...

    @overload
    def get(self, name: str, default: T | D, /) -> T | D: ...

    def get(self, name: str, default: Any = None, /) -> Any:
        """The value, or the default. Most lookups find nothing, so no exception is raised inside."""
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
        """The encoded value; None where it is decoded already."""
        return self._saved.get(name)

    def settle(self, name: str) -> None:
        """Encode the value again, to save memory. No other object may hold it."""
        if name in self._read:
            self._saved[name] = encode(self._read.pop(name))

    def dump(self, kind: str = "") -> dict[str, bytes]:
        """Every value, encoded, under ``kind/name``; without a kind under its name."""
        parts = self._saved | {name: encode(value) for name, value in self._read.items()}
        return {f"{kind}/{name}": part for name, part in parts.items()} if kind else parts


class SavedParts:
    """The parts of a saved state. Each fold reads its own."""

    def __init__(self, saved: Mapping[str, bytes]) -> None:
        self._several: dict[str, dict[str, bytes]] = defaultdict(dict)
        for name, part in saved.items():
            kind, _, own = name.partition("/")
            self._several[kind][own] = part

    def one(self, name: str, form: type[T]) -> T:
        """The part of this name. Raises ``KeyError`` where it is missing, and ``LogError`` where it has another form."""
        return decode(self._several[name][""], form)

    def shards(self, kind: str, form: type[T]) -> StateShards[T]:
        """The parts whose names begin with ``kind/``, by the rest of their names."""
        return StateShards(self._several[kind], form)
