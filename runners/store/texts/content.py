"""The texts beside the events: each must match its key, and no text that an event names may be lost.

A missing text must have been erased, and the log says so: by a later erasure of the text, of its run, or of the person
who wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ....domain.errors import LogError
from ....domain.events import (
    EVENTS,
    ContentErased,
    CorrectionWithdrawn,
    ExamplesImported,
    ExamplesSynthesized,
    PicturesKept,
    SessionImported,
    StepTaken,
    TaskCorrected,
    TaskGraded,
    TaskRated,
    TaskStarted,
)
from ....domain.events.base import keys_in
from ..codec import Recorded, decode
from ..log import BATCH, check_content
from ..port import COLUMNS, Rows, in_parts, pages

NAMING = {topic: (*kind.TEXTS, *kind.WORDS) for topic, kind in EVENTS.items()}
"""By topic, the fields in which events name texts."""

SAID = (
    *(TaskStarted, SessionImported, PicturesKept, StepTaken, TaskRated, TaskGraded, TaskCorrected, CorrectionWithdrawn),
    *(ExamplesImported, ExamplesSynthesized),
)
"""The events whose documents are texts of people, which can be erased; the documents of other events are numbers."""


_VALUE: Any = str | list[Any] | dict[str, Any] | None
"""The types of a field that names texts."""


def _reader(topic: str) -> Callable[[bytes], Any]:
    """A function that reads only the fields in which an event of the topic names texts."""
    form = msgspec.defstruct(topic, [(field, _VALUE, None) for field in NAMING[topic]], gc=False)
    return msgspec.json.Decoder(form).decode


_READERS = {topic: _reader(topic) for topic in NAMING}


def check_texts(connection: Rows) -> int:
    """Verify every text against its key; return how many there are. Raises ``LogError`` for the first mismatch."""
    count = 0
    for row in pages(connection, "key, salt, text", "content", ""):
        check_content(*row)
        count += 1
    return count


class Search:
    """A search for texts that are missing but were not erased, over the stored events in order."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection
        self._named: dict[str, int] = {}
        self._missing: list[tuple[int, str]] = []

    def add(self, position: int, topic: str, state: bytes) -> None:
        """Collect the texts that the event names; they are looked up in batches. Raises ``LogError``."""
        if topic not in NAMING:
            return
        try:
            for key in named_in(topic, state):
                self._named.setdefault(key, position)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise LogError(
                f"the event at position {position} is damaged ({error}); restore the log from a backup"
            ) from None
        if len(self._named) >= BATCH:
            self._look_up()

    def find_lost(self) -> tuple[int, str] | None:
        """The first event with a lost text: its position, and the key; None without one. Raises ``LogError``."""
        self._look_up()
        if not self._missing:
            return None
        erasures = Erasures.read(self._connection)
        for position, key in self._missing:
            if not erasures.cover(self._connection, _at(self._connection, position), key):
                return position, key
        return None

    def _look_up(self) -> None:
        missing = dict(self._named)
        for part, marks in in_parts([*missing]):
            for (key,) in self._connection.execute(f"SELECT key FROM content WHERE key IN (VALUES {marks})", part):
                missing.pop(key, None)
        self._missing += sorted((position, key) for key, position in missing.items())
        self._named.clear()


def named_in(topic: str, state: bytes) -> Iterator[str]:
    """The keys of the texts that a stored event names, without decoding the rest of it."""
    event = _READERS[topic](state)
    for field in NAMING[topic]:
        yield from keys_in(getattr(event, field))


def find_unnamed(connection: Rows) -> set[str]:
    """The texts that no event names, at one moment. Raises ``LogError``."""
    unnamed = {key for (key,) in connection.execute("SELECT key FROM content").fetchall()}
    for position, topic, state in pages(connection, "position, topic, state", "stored_events", 0):
        if topic not in NAMING:
            raise LogError(
                f"the event at position {position} is {topic!r}, which this version does not know; upgrade grokputer"
            )
        unnamed.difference_update(named_in(topic, state))
    return unnamed


@dataclass(frozen=True)
class Erasures:
    """The texts that were erased; for older erasures without a list, the runs and people whose texts were erased."""

    keys: Mapping[str, int]
    """By key, the position of its erasure."""
    runs: Mapping[str, int]
    people: Mapping[str, int]

    @classmethod
    def read(cls, connection: Rows) -> Erasures:
        keys, runs, people = dict[str, int](), dict[str, int](), dict[str, int]()
        for position, event in _select(connection, "topic = ? ORDER BY position", ContentErased.TOPIC):
            assert isinstance(event, ContentErased)
            if event.erased:
                keys.update(dict.fromkeys(_read_list(connection, position, event.erased), position))
            elif event.run is not None:
                runs[event.run] = position
            elif event.person is not None:
                people[event.person] = position
        return cls(keys, runs, people)

    def latest(self, keys: Iterable[str]) -> int:
        """The position of the last erasure of one of the texts; 0 without any.

        An erasure without a list may cover any text.
        """
        unlisted = max([*self.runs.values(), *self.people.values()], default=0)
        return max((self.keys.get(key, unlisted) for key in keys), default=0)

    def cover(self, connection: Rows, recorded: Recorded, key: str) -> bool:
        """Whether an erasure covers the text.

        An erasure without a list covers the texts of its run, or of its person and of the runs that the person began.
        """
        event = recorded.event
        if key in self.keys:
            return True
        if not isinstance(event, SAID):
            return False
        run = event.run if isinstance(event, ExamplesSynthesized) else event.originator_id.hex
        if max(self.runs.get(run, 0), self.people.get(event.actor, 0)) > recorded.position:
            return True
        [start] = _select(connection, "originator_id = ? AND originator_version = 1", run) or [recorded]
        return self.people.get(start.event.actor, 0) > recorded.position


def _read_list(connection: Rows, position: int, key: str) -> list[str]:
    row = connection.execute("SELECT key, salt, text FROM content WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise LogError(f"the list of texts erased at position {position} is missing; restore the log from a backup")
    return [str(erased) for erased in json.loads(check_content(*row))]


def _at(connection: Rows, position: int) -> Recorded:
    [recorded] = _select(connection, "position = ?", position)
    return recorded


def _select(connection: Rows, where: str, *values: object) -> list[Recorded]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM stored_events WHERE {where}", values).fetchall()
    return [Recorded(position, decode(topic, id, version, state)) for position, id, version, topic, state in rows]
