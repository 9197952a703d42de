"""The log, opened for reading: events by position, by aggregate and by time, and the content beside them.

It needs SQLite alone. Commands that only read load nothing of the event sourcing library and write views at most.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

from ...domain.aggregates.base import Aggregate
from ...domain.errors import Hint, LogError, NotFound
from ...domain.events import EVENTS, Event, Timestamped
from ...domain.events.base import CONTENT
from ...projections.explain.words import ERASED, reveal, say_words
from .codec import Recorded, decode, decode_timestamp
from .connection import connect, explain, is_as_it_lies, is_folder_writable
from .locks import WriteLock

if TYPE_CHECKING:
    from ...domain.ports import Clock

APPLICATION_ID = 0x47524F4B
"""Marks a file as a log of this program (``PRAGMA application_id``): the letters GROK."""


BATCH = 200
"""Rows read at a time; measured: 3.8 us an event, with 5,000 at a time 8.5, as what lives longer costs more to keep."""

SHORTEST = 4
"""Characters of an id that name an aggregate at the least; chosen: a slip of a finger names none."""

LARGEST = 2**63 - 1
"""The largest integer that SQLite takes: no position is beyond it, and no number of events."""

COLUMNS = "position, originator_id, originator_version, topic, state"

MAY_BE_THEN = """(substr(state, 10, 19) <= ? OR substr(state, 1, 9) <> CAST('{"time":"' AS BLOB)
 OR instr(substr(state, 29, 9), CAST('Z"' AS BLOB)) = 0)"""
"""Events of the second or earlier, by the first bytes of their states; and any that do not begin with a time in UTC."""

Row = tuple[int, str, int, str, bytes]
"""Those columns of one event."""

A = TypeVar("A", bound=Aggregate)
T = TypeVar("T")


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The current time."""
        return datetime.now(UTC)


class Log:
    """One log file, for reading; all it writes are views. Open it with ``Log.open``; any number of threads may use it."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        self._threads = threading.local()
        self._is_folder_writable = is_folder_writable(path)
        self.tables_seen = -1
        """The file's schema version under which the SQL tables were found to be this program's."""

    @classmethod
    def open(cls, path: Path, clock: Clock | None = None) -> Self:
        """The log at the path. Raises ``LogError`` when there is none, or the file is not a log."""
        if not path.exists():
            raise LogError(f"no log at {path}", hint=Hint.MAKE_LOG)
        if path.is_dir():
            raise LogError(f"{path} is a folder, not a log; name a file with --db")
        try:
            with closing(connect(path, "ro")) as connection:
                found = connection.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.Error as error:
            raise explain(path, error) from error
        if found != APPLICATION_ID:
            raise LogError(
                f"{path} is not a log of grokputer; name another with --db, or make one with 'grokputer init'"
            )
        return cls(path, clock)

    def close(self) -> None:
        """Close this thread's connections; the next read opens another."""
        for name in ("connection", "views", "lock"):
            held = self._threads.__dict__.pop(name, None)
            if held is not None:
                held.close()

    def __del__(self) -> None:
        self.close()

    # --- events ---

    def read(self, first: int = 1, last: int | None = None, topics: Sequence[str] = ()) -> Iterator[Recorded]:
        """The events from one position to another, in order, a batch at a time.

        With topics, those alone; an event that this program does not know is never passed over. Raises ``LogError``.
        """
        for position, id, version, topic, state in self._rows(first, last, topics):
            yield Recorded(position, decode(topic, id, version, state))

    def scan(
        self, first: int, last: int | None, heard: Collection[str], connection: sqlite3.Connection | None = None
    ) -> Iterator[tuple[int, Event | Timestamped]]:
        """The events of these topics where they stand, and of the others only when they happened. Raises ``LogError``.

        Most events are steps, and most who follow the log hear nothing of them. A connection that is given sees what its own
        transaction has stored, too.
        """
        for position, id, version, topic, state in self._rows(first, last, connection=connection):
            yield position, (decode if topic in heard else decode_timestamp)(topic, id, version, state)

    def _rows(
        self, first: int, last: int | None, topics: Sequence[str] = (), connection: sqlite3.Connection | None = None
    ) -> Iterator[Row]:
        """What is stored, in order, a batch at a time."""
        conditions, values = _of_topics(topics)
        if last is not None:
            conditions, values = [*conditions, "position <= ?"], [*values, min(last, LARGEST)]
        where = " AND ".join(["WHERE position >= ?", *conditions])
        first = min(first, LARGEST)
        while True:
            found = self._select_rows(f"{where} ORDER BY position LIMIT {BATCH}", first, *values, connection=connection)
            yield from found
            if len(found) < BATCH:
                return
            first = found[-1][0] + 1

    def read_back(self, topics: Sequence[str] = ()) -> Iterator[Recorded]:
        """The events, those of the topics alone where some are given, newest first, a batch at a time. Raises ``LogError``."""
        conditions, values = _of_topics(topics)
        where = " AND ".join(["WHERE position < ?", *conditions])
        before = LARGEST
        while found := self._select(f"{where} ORDER BY position DESC LIMIT {BATCH}", before, *values):
            yield from found
            before = found[-1].position

    def newest(self, count: int, topics: Sequence[str] = (), prefix: str = "") -> list[Recorded]:
        """The last events, at most so many, oldest first: those of the topics, of aggregates whose hex id begins so."""
        conditions, values = _of_topics(topics)
        if prefix:
            conditions, values = [*conditions, "originator_id BETWEEN ? AND ?"], [*values, prefix, prefix + "g"]
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        return self._select(f"{where}ORDER BY position DESC LIMIT ?", *values, min(count, LARGEST))[::-1]

    @property
    def position(self) -> int:
        """The position of the newest event, 0 when there is none."""
        return self._one("SELECT MAX(position) FROM stored_events") or 0

    def position_of(self, reference: str) -> int | None:
        """Where the event with this reference (``<id>/<version>``) stands, None when it is not in the log."""
        originator, _, version = reference.partition("/")
        key = originator.replace("-", "")
        position: int | None = self._one(
            "SELECT position FROM stored_events WHERE originator_id = ? AND originator_version = ?", key, int(version)
        )
        return position

    def at(self, position: int) -> Recorded:
        """The event at the position. Raises ``NotFound``."""
        for recorded in self._select("WHERE position = ?", position):
            return recorded
        raise NotFound(f"no event at position {position}; the log has 1 to {self.position}")

    def history(self, id: UUID) -> list[Recorded]:
        """All events of one aggregate, with their positions."""
        return self._select("WHERE originator_id = ? ORDER BY originator_version", id.hex)

    def get(self, kind: type[A], id: UUID) -> A:
        """The aggregate as the log has it, or a blank one."""
        return kind.project(id, (stored.event for stored in self.history(id)))

    def last(self, id: UUID) -> Recorded | None:
        """The newest event of one aggregate, None without any."""
        found = self._select("WHERE originator_id = ? ORDER BY originator_version DESC LIMIT 1", id.hex)
        return found[0] if found else None

    def ids_like(self, prefix: str, first_topic: str) -> list[str]:
        """Hex ids of the aggregates that begin with the prefix and whose history begins with the topic, at most ten.

        The prefix may be as a person types it: with dashes, in capitals, or no id at all, which nothing begins with. Fewer
        than ``SHORTEST`` characters name nothing.
        """
        prefix = prefix.strip().lower().replace("-", "")
        if len(prefix) < SHORTEST or not set(prefix) <= set("0123456789abcdef"):
            return []
        with self.reading() as connection:
            cursor = connection.execute(
                "SELECT originator_id FROM stored_events WHERE originator_id >= ? AND originator_id < ? "
                "AND originator_version = 1 AND topic = ? LIMIT 10",
                (prefix, prefix + "g", first_topic),
            )
            return [row[0] for row in cursor]

    def position_at(self, time: datetime) -> int:
        """The position of the last event that is not later than the time; 0 when all are later.

        Last means the highest position. Times need not be in order: a clock may be set back, and runs that are played side by
        side are stored when they end. Events before that position may then be later than the time. Events are looked through
        from the newest on, by the text of their times first, as a million of them are too many to decode.
        """
        second = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        with self.reading() as connection:
            found = connection.execute(
                f"SELECT {COLUMNS} FROM stored_events WHERE position <= ? AND {MAY_BE_THEN} ORDER BY position DESC",
                (self.position, second),
            )
            with closing(found):
                for position, id, version, topic, state in found:
                    if decode_timestamp(topic, id, version, state).time <= time:
                        return int(position)
        return 0

    # --- beside the events ---

    def get_content(self, key: str) -> str | None:
        """The text under the key, None when it was erased. Raises ``LogError`` when it is not what was kept."""
        with self.reading() as connection:
            row = connection.execute("SELECT salt, text FROM content WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return check_content(key, *row)

    def reveal(self, recorded: Recorded) -> Recorded:
        """The event with words in place of the content keys of names and short texts, ``(erased)`` where they are gone."""
        return recorded._replace(event=reveal(recorded.event, self.get_content))

    def say(self, value: T, erased: str | None = ERASED) -> T:
        """The value, however deep, with words in place of content keys; see ``say_words``."""
        return say_words(value, self.get_content, erased)

    def has_content(self, key: str) -> bool:
        """Whether there is a text under the key."""
        return self._one("SELECT 1 FROM content WHERE key = ?", key) is not None

    def tracked(self, name: str) -> int:
        """How far the named follower has come, 0 when it has not begun."""
        return self._one("SELECT notification_id FROM tracking WHERE application_name = ?", name) or 0

    @contextmanager
    def changing_views(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection for views, in a transaction that ends with the block. Raises ``LogError``, ``Unwritable``.

        What a power cut takes back of a view follows from the log again, so nobody waits for the disk.
        """
        try:
            if "views" not in self._threads.__dict__:
                self._threads.lock, self._threads.views = WriteLock(self.path), connect(self.path)
                self._threads.views.execute("PRAGMA synchronous = NORMAL")
            connection: sqlite3.Connection = self._threads.views
            with self._threads.lock:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except (sqlite3.Error, OSError) as error:
            raise explain(self.path, error) from error

    # --- the file ---

    def _select(self, where: str, *values: Any) -> list[Recorded]:
        return [
            Recorded(position, decode(topic, id, version, state))
            for position, id, version, topic, state in self._select_rows(where, *values)
        ]

    def _select_rows(self, where: str, *values: Any, connection: sqlite3.Connection | None = None) -> list[Row]:
        with self.reading() if connection is None else nullcontext(connection) as opened:
            return opened.execute(f"SELECT {COLUMNS} FROM stored_events {where}", values).fetchall()

    def _one(self, statement: str, *values: Any) -> Any:
        with self.reading() as connection:
            row = connection.execute(statement, values).fetchone()
        return row[0] if row else None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, which cannot write."""
        try:
            if "connection" in self._threads.__dict__ and self._threads.lies != self._lies():
                self._threads.__dict__.pop("connection").close()  # it was read as it lay there, and is another now
            if "connection" not in self._threads.__dict__:
                self._threads.lies = self._lies()
                self._threads.connection = connect(self.path, "ro")
            yield self._threads.connection
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    def _lies(self) -> tuple[int, int, int] | None:
        """What tells a log in a folder that cannot be written from one that another user changed; None elsewhere."""
        if self._is_folder_writable:
            return None
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size, is_as_it_lies(self.path)


def _of_topics(topics: Sequence[str]) -> tuple[list[str], list[Any]]:
    """The SQL conditions, and their values, for these topics and all that this program does not know; none for all topics."""
    others = sorted(EVENTS.keys() - set(topics)) if topics else []
    return [f"topic NOT IN ({','.join('?' * len(others))})"] * bool(others), [*others]


def content_key(salt: bytes, text: str) -> str:
    """Under which a text is kept: ``CONTENT`` and the hash of salt and text."""
    return CONTENT + sha256(salt + text.encode()).hexdigest()


def check_content(key: str, salt: bytes, text: str) -> str:
    """The text. Raises ``LogError`` when it is not the one that was kept under the key."""
    if content_key(salt, text) != key:
        raise LogError(f"content {key[:19]} is not what was kept; restore the log from a backup")
    return text


def adapters_folder(log: Path) -> Path:
    """Where the weights and unfinished trainings of a log lie: ``events.adapters`` beside ``events.db``."""
    return log.resolve().with_suffix(".adapters")


class LogAsOf(Log):
    """A log whose events after ``until`` have not happened yet; None is now."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        super().__init__(path, clock)
        self.until: int | None = None
        self.lacking: set[str] = set()
        """Content keys that were asked for in vain."""

    @property
    def position(self) -> int:
        """The position that it is read up to."""
        return super().position if self.until is None else self.until

    def get_content(self, key: str) -> str | None:
        """The text under the key as it is now: what was erased since is not there."""
        text = super().get_content(key)
        if text is None:
            self.lacking.add(key)
        return text

    def history(self, id: UUID) -> list[Recorded]:
        """All events of one aggregate up to then."""
        return [stored for stored in super().history(id) if self.until is None or stored.position <= self.until]
