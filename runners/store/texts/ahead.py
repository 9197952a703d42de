"""A log that reads ahead: what its events name is read together, when one of it is first asked for.

A database server answers one question for many texts in the time of one for a single text. So a loop that asks one by
one, over events of which it knows the next, asks this log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from uuid import UUID

from ....domain.events import Event
from ....domain.events.base import CONTENT
from ..codec import Recorded
from ..log import Log
from ..port import VALUES_TOGETHER

RUNS = 100
"""Runs whose histories a loop over all runs reads together; chosen: with their texts a few MB."""

MOST = 32_000_000
"""Characters of texts that are kept; chosen. Texts after that are read one by one."""


class LogAhead(Log):
    """Another log, for reading in one loop: what was read once is not read again. Not thread-safe."""

    def __init__(self, log: Log, events: Iterable[Event] = ()) -> None:
        """``events`` name texts and causes that will be asked for."""
        super().__init__(log.database, log.clock)
        self._log = log
        self._keys: list[str] = []
        self._numbers: dict[str, int] = {}
        """By key, its place among the keys that events named."""
        self._texts: dict[str, str | None] = {}
        self._there: dict[str, bool] = {}
        self._room = MOST
        self._causes: dict[str, int | None] = {}
        self._awaited: dict[str, None] = {}
        """The causes that events named and that were not looked up yet."""
        self._histories: dict[UUID, list[Recorded]] = {}
        self.foresee(events)

    def close(self) -> None:
        """Nothing: whoever opened the other log closes it."""

    def foresee(self, events: Iterable[Event]) -> None:
        """Expect questions about what the events name. Reads nothing yet."""
        for event in events:
            if event.caused_by is not None and event.caused_by not in self._causes:
                self._awaited[event.caused_by] = None
            for key in event.readable_keys:
                if key not in self._numbers:
                    self._numbers[key] = len(self._keys)
                    self._keys.append(key)

    def foresee_all(self, ids: Collection[UUID]) -> None:
        """Read the histories of these aggregates together."""
        new = [id for id in ids if id not in self._histories]
        found = self._log.histories(new)
        for id in new:
            self._keep(id, found.get(id, []))

    @property
    def position(self) -> int:
        """The other log's position."""
        return self._log.position

    def read(self, first: int = 1, last: int | None = None, topics: Sequence[str] = ()) -> Iterator[Recorded]:
        """The events between two positions; questions about what they name are expected."""
        for recorded in self._log.read(first, last, topics):
            self.foresee([recorded.event])
            yield recorded

    def history(self, id: UUID) -> list[Recorded]:
        """All events of one aggregate; questions about what they name are expected."""
        if id not in self._histories:
            self._keep(id, self._log.history(id))
        return self._histories[id]

    def _keep(self, id: UUID, history: list[Recorded]) -> None:
        self._histories[id] = history
        self.foresee(recorded.event for recorded in history)

    def position_of(self, reference: str) -> int | None:
        """The position of the event with this reference."""
        if reference not in self._causes:
            self._causes |= self._log.positions_of([*{**self._awaited, reference: None}])
            self._awaited.clear()
        return self._causes[reference]

    def positions_of(self, references: Collection[str]) -> dict[str, int | None]:
        """The positions of the events with these references."""
        return self._log.positions_of(references)

    def get_content(self, key: str) -> str | None:
        """The text under the key."""
        if key not in self._texts:
            if not key.startswith(CONTENT):
                return None
            if key not in self._numbers or self._room <= 0:
                return self._log.get_content(key)
            part = self._part(key, self._texts)
            found = self._log.get_contents(part)
            self._texts |= {each: found.get(each) for each in part}
            self._room -= sum(map(len, found.values()))
        return self._texts[key]

    def get_contents(self, keys: Collection[str]) -> dict[str, str]:
        """The texts under the keys."""
        return self._log.get_contents(keys)

    def has_content(self, key: str) -> bool:
        """Whether a text is stored under the key."""
        if key not in self._there:
            part = self._part(key, self._there) if key in self._numbers else [key]
            found = self._log.has_contents(part)
            self._there |= {each: each in found for each in part}
        return self._there[key]

    def _part(self, key: str, known: Collection[str]) -> list[str]:
        """The key and its neighbours, as events named them, without those that are known."""
        first = self._numbers[key] // VALUES_TOGETHER * VALUES_TOGETHER
        return [each for each in self._keys[first : first + VALUES_TOGETHER] if each not in known]
