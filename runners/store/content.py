"""The texts beside the events: each is what was kept under its key, and of those that events name none is lost.

A text that is not there was erased, and the log says so: by an erasure after the event, of its run or of the person whose words
they were.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ...domain.errors import LogError
from ...domain.events import (
    EVENTS,
    ContentErased,
    CorrectionWithdrawn,
    ExamplesImported,
    ExamplesSynthesized,
    SessionImported,
    StepTaken,
    TaskCorrected,
    TaskRated,
    TaskStarted,
)
from ...domain.events.base import keys_in
from .codec import Recorded, decode
from .log import BATCH, COLUMNS, check_content

NAMING = {topic: (*kind.TEXTS, *kind.WORDS) for topic, kind in EVENTS.items()}
"""By topic the fields in which the facts name texts."""

SAID = (
    *(TaskStarted, SessionImported, StepTaken, TaskRated, TaskCorrected, CorrectionWithdrawn),
    *(ExamplesImported, ExamplesSynthesized),
)
"""The facts whose documents are somebody's words, which can be erased; those of the others are figures."""


_VALUE: Any = str | list[Any] | dict[str, Any] | None
"""What a field that names texts may hold."""


def _reader(topic: str) -> Callable[[bytes], Any]:
    """Reads the fields in which a fact of the topic names texts, and nothing else of it."""
    form = msgspec.defstruct(topic, [(field, _VALUE, None) for field in NAMING[topic]], gc=False)
    return msgspec.json.Decoder(form).decode


_READERS = {topic: _reader(topic) for topic in NAMING}


def check_texts(connection: sqlite3.Connection) -> int:
    """Hold every text against its key; how many there are. Raises ``LogError`` for the first that is another."""
    count = 0
    for row in connection.execute("SELECT key, salt, text FROM content"):
        check_content(*row)
        count += 1
    return count


class Search:
    """Looks for a text that is not there though nobody erased it, while the stored events go by in order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._named: dict[str, int] = {}
        self._lacking: list[tuple[int, str]] = []

    def see(self, position: int, topic: str, state: bytes) -> None:
        """Note the texts that the event names, and look for them where many are noted. Raises ``LogError``."""
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
            self._look()

    def find_lost(self) -> tuple[int, str] | None:
        """Of those seen, the first event a text of which is lost: its position, and the key. Raises ``LogError``."""
        self._look()
        if not self._lacking:
            return None
        erasures = Erasures.read(self._connection)
        for position, key in self._lacking:
            if not erasures.cover(self._connection, _at(self._connection, position), key):
                return position, key
        return None

    def _look(self) -> None:
        lacking = self._connection.execute(
            "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM content WHERE key = value)",
            (msgspec.json.encode(list(self._named)).decode(),),
        )
        self._lacking += sorted((self._named[key], key) for (key,) in lacking.fetchall())
        self._named.clear()


def named_in(topic: str, state: bytes) -> Iterator[str]:
    """The keys of the texts that a stored event names, without reading more of it."""
    event = _READERS[topic](state)
    for field in NAMING[topic]:
        yield from keys_in(getattr(event, field))


def find_unnamed(connection: sqlite3.Connection) -> set[str]:
    """The texts that no event names, as of one moment. Raises ``LogError``."""
    left = {key for (key,) in connection.execute("SELECT key FROM content")}
    for position, topic, state in connection.execute("SELECT position, topic, state FROM stored_events"):
        if topic not in NAMING:
            raise LogError(
                f"the event at position {position} is {topic!r}, which this version does not know; upgrade grokputer"
            )
        left.difference_update(named_in(topic, state))
    return left


@dataclass(frozen=True)
class Erasures:
    """Which texts were erased; of erasures that do not list them, whose words, and the position of the last time."""

    keys: Mapping[str, int]
    """By key the position of its erasure."""
    runs: Mapping[str, int]
    people: Mapping[str, int]

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> Erasures:
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
        """The position of the last erasure of one of the texts, 0 without any.

        An erasure that does not list its texts may be of any text.
        """
        unlisted = max([*self.runs.values(), *self.people.values()], default=0)
        return max((self.keys.get(key, unlisted) for key in keys), default=0)

    def cover(self, connection: sqlite3.Connection, recorded: Recorded, key: str) -> bool:
        """Whether the text was erased on record.

        An erasure that does not list its texts covers those of the run, of the person and of the runs that the person began.
        """
        event = recorded.event
        if key in self.keys:
            return True
        if not isinstance(event, SAID):
            return False
        run = event.run if isinstance(event, ExamplesSynthesized) else event.originator_id.hex
        if max(self.runs.get(run, 0), self.people.get(event.actor, 0)) > recorded.position:
            return True
        [began] = _select(connection, "originator_id = ? AND originator_version = 1", run) or [recorded]
        return self.people.get(began.event.actor, 0) > recorded.position


def _read_list(connection: sqlite3.Connection, position: int, key: str) -> list[str]:
    row = connection.execute("SELECT key, salt, text FROM content WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise LogError(f"the list of what was erased at position {position} is not there; restore it from a backup")
    return [str(it) for it in json.loads(check_content(*row))]


def _at(connection: sqlite3.Connection, position: int) -> Recorded:
    [found] = _select(connection, "position = ?", position)
    return found


def _select(connection: sqlite3.Connection, where: str, *values: object) -> list[Recorded]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM stored_events WHERE {where}", values)
    return [Recorded(position, decode(topic, id, version, state)) for position, id, version, topic, state in rows]
