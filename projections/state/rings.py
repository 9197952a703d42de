"""Ring buffers of records in saved parts: a new record changes one part only, and most reads need the newest part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Generic, TypeVar

from .shards import StateShards, damaged, encode

PER_PART = 100
"""Records in a part; chosen: a part of ratings is 5 kB, a tenth of the largest window."""

REMEMBERED = 1_000
"""Keys in a ``RecentSet``; chosen: a key that comes again after so many others counts as new."""

Record = tuple[Any, ...]
"""The first item is its key, a string."""

R = TypeVar("R", bound=Record)

KEYS = list[tuple[str]]
"""The form of the parts of ``RecentSet``."""

ASSIGNED = 10_000
"""Keys that keep their assignment; chosen: a session that continues after so many others counts as new."""

PAIRS = list[tuple[str, str]]
"""The form of the parts of ``StickyAssignments``."""


class RingBuffer(Generic[R]):
    """Records in the parts ``<name>/<number>``: at least the newest ``kept``, and at most one part more."""

    def __init__(self, parts: StateShards[list[R]], name: str, kept: int) -> None:
        self._parts, self._name, self._kept = parts, name, kept
        try:
            self._numbers = sorted(int(part[len(name) + 1 :]) for part in parts if part.startswith(f"{name}/"))
        except ValueError as error:
            raise damaged(error) from error
        self._unread = set(self._numbers)
        self._held: dict[str, int] = {}
        """The number of records by key, in the parts that were read."""
        self._sizes: dict[int, int] = {}
        """The number of records of each part that was read: a part that is encoded again need not be decoded for that."""
        self._last: list[R] = []
        """The newest part, to which records are added."""
        if self._numbers:
            self._last = self._part(self._numbers[-1])

    def append(self, record: R) -> list[R]:
        """Add the record, and return the oldest records that are dropped in exchange."""
        dropped = self._begin_part() if not self._numbers or len(self._last) >= PER_PART else []
        self._last.append(record)
        self._sizes[self._numbers[-1]] += 1
        self._held[record[0]] = self._held.get(record[0], 0) + 1
        return dropped

    def remove(self, record: R) -> None:
        """Remove the record."""
        for number in self._numbers:
            part = self._part(number)
            if record in part:
                part.remove(record)
                self._sizes[number] -= 1
                self._let_go(record[0])

    def of(self, key: str) -> Iterator[R]:
        """The records of the key, newest first."""
        if self._unread:
            self._read_those_with(key)
        left = self._held.get(key, 0)
        for number in reversed(self._numbers) if left else ():
            if number not in self._unread:
                records = [record for record in reversed(self._part(number)) if record[0] == key]
                left -= len(records)
                yield from records
            if not left:
                return

    def newest(self, count: int) -> list[R]:
        """The newest ``count`` records or fewer, oldest first."""
        if 0 < count <= len(self._last):
            return self._last[-count:]
        records, left = list[list[R]](), count
        for number in reversed(self._numbers):
            if left <= 0:
                break
            records.append(self._part(number)[-left:])
            left -= len(records[-1])
        return list(chain.from_iterable(reversed(records)))

    def clear(self) -> None:
        """Remove everything."""
        for number in self._numbers:
            del self._parts[f"{self._name}/{number}"]
        self._numbers, self._unread, self._held, self._sizes, self._last = [], set(), {}, {}, []

    def __contains__(self, key: str) -> bool:
        """Whether there is a record of the key."""
        if self._unread:
            self._read_those_with(key)
        return self._held.get(key, 0) > 0

    def _part(self, number: int) -> list[R]:
        records = self._parts[f"{self._name}/{number}"]
        if number in self._unread:
            self._unread.remove(number)
            self._sizes[number] = len(records)
            for key, *_ in records:
                self._held[key] = self._held.get(key, 0) + 1
        return records

    def _let_go(self, key: str) -> None:
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]

    def _read_those_with(self, key: str) -> None:
        """Read the parts that may have records of the key. Searching the saved bytes is faster than decoding them."""
        written = encode(key)
        for number in list(self._unread):
            saved = self._parts.saved(f"{self._name}/{number}")
            if saved is None or written in saved:
                self._part(number)

    def _begin_part(self) -> list[R]:
        """Begin a new part, and drop the oldest parts that are no longer needed; return their records."""
        dropped = list[R]()
        for number in [*self._unread]:
            self._part(number)
        while self._numbers and sum(self._sizes.values()) - self._sizes[self._numbers[0]] >= self._kept:
            number = self._numbers.pop(0)
            oldest = self._part(number)
            for key, *_ in oldest:
                self._let_go(key)
            dropped += oldest
            del self._parts[f"{self._name}/{number}"], self._sizes[number]
        for number in self._numbers:
            self._parts.settle(f"{self._name}/{number}")
        self._numbers.append(self._numbers[-1] + 1 if self._numbers else 0)
        self._last = self._parts[f"{self._name}/{self._numbers[-1]}"] = []
        self._sizes[self._numbers[-1]] = 0
        return dropped


class RecentSet:
    """A set that holds the newest ``REMEMBERED`` keys."""

    def __init__(self, parts: StateShards[list[tuple[str]]], name: str) -> None:
        self._recent = RingBuffer(parts, name, REMEMBERED)

    def __contains__(self, key: str) -> bool:
        return key in self._recent

    def add(self, key: str) -> None:
        """Remember the key."""
        self._recent.append((key,))

    def clear(self) -> None:
        """Remove everything."""
        self._recent.clear()


class StickyAssignments(Mapping[str, str]):
    """The first value that each of the newest ``ASSIGNED`` keys was given."""

    def __init__(self, parts: StateShards[list[tuple[str, str]]], name: str) -> None:
        self._recent = RingBuffer(parts, name, ASSIGNED)

    def __getitem__(self, key: str) -> str:
        for _, value in self._recent.of(key):
            return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self._recent.newest(ASSIGNED))

    def __len__(self) -> int:
        return len(self._recent.newest(ASSIGNED))

    def assign(self, key: str, value: str) -> None:
        """Assign the value, unless the key has one."""
        if key not in self._recent:
            self._recent.append((key, value))

    def clear(self) -> None:
        """Remove everything."""
        self._recent.clear()
