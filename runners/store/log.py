"""The log opened for reading: events by position, by aggregate and by time, and the content beside them.

It needs only the store. Reading commands do not load the event sourcing library, and write at most views.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

from ...domain.aggregates.base import Aggregate
from ...domain.errors import LogError, NotFound
from ...domain.events import EVENTS, Event, Timestamped
from ...domain.events.base import CONTENT
from ...projections.state.open_runs import StepFigures
from ...projections.wording.words import ERASED, reveal, say_words
from .codec import Recorded, decode, decode_for_fold, decode_timestamp
from .place import Place, open_store
from .port import COLUMNS, LARGEST, Row, Rows, Store, in_parts

if TYPE_CHECKING:
    from ...domain.ports import Clock

BATCH = 200
"""Rows read at a time; measured: 3.8 us an event; 8.5 us with 5,000 at a time, because objects that live longer cost
more memory management."""

SHORTEST = 4
"""Fewest characters of an abbreviated id; chosen: a mistyped character should match nothing."""

MAY_BE_THEN = "(substr(state, 10, 19) <= ? OR substr(state, 1, 9) <> ? OR instr(substr(state, 29, 9), ?) = 0)"
"""SQL condition: events of this second or earlier, by the first bytes of their states; and all whose state does not
begin with a time in UTC."""
TIME_FIRST, IN_UTC = b'{"time":"', b'Z"'
"""The second and the third value of the condition."""

A = TypeVar("A", bound=Aggregate)
T = TypeVar("T")


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The current time."""
        return datetime.now(UTC)


class Log:
    """One log, for reading; it writes only views. Open it with ``Log.open``. Thread-safe."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self.database = store
        self.label, self.path = store.label, store.path
        self.clock = clock or SystemClock()
        self.tables_seen = -1
        """The store's schema version at which the SQL tables were last found valid."""

    @classmethod
    def open(cls, place: Place, clock: Clock | None = None) -> Self:
        """The log at the place. Raises ``LogError`` when there is none, or what is there is not a log."""
        store = open_store(place)
        store.require()
        return cls(store, clock)

    def close(self) -> None:
        """Close this thread's connections; the next read opens another."""
        self.database.close()

    def read(self, first: int = 1, last: int | None = None, topics: Sequence[str] = ()) -> Iterator[Recorded]:
        """The events between two positions, inclusive, in order, fetched in batches.

        With topics only those; an event that this program does not know is an error, never skipped. Raises ``LogError``.
        """
        for position, id, version, topic, state in self._rows(first, last, topics):
            yield Recorded(position, decode(topic, id, version, state))

    def scan(
        self, first: int, last: int | None, handled: Collection[str], connection: Rows | None = None
    ) -> Iterator[tuple[int, Event | Timestamped]]:
        """Events of these topics, and only the timestamps of all others, with their positions. Raises ``LogError``.

        Most events are steps, which most projections ignore. A given connection also sees what its own transaction has
        stored.
        """
        for position, id, version, topic, state in self._rows(first, last, connection=connection):
            yield position, (decode if topic in handled else decode_timestamp)(topic, id, version, state)

    def scan_to_fold(
        self, first: int, last: int | None, handled: Collection[str], connection: Rows | None = None
    ) -> Iterator[tuple[int, Event | StepFigures | Timestamped]]:
        """As ``scan``, but of steps only what the state takes from them. Raises ``LogError``."""
        for position, id, version, topic, state in self._rows(first, last, connection=connection):
            yield position, (decode_for_fold if topic in handled else decode_timestamp)(topic, id, version, state)

    def _rows(
        self, first: int, last: int | None, topics: Sequence[str] = (), connection: Rows | None = None
    ) -> Iterator[Row]:
        """The stored rows, in order, fetched in batches."""
        conditions, values = _of_topics(topics)
        if last is not None:
            conditions, values = [*conditions, "position <= ?"], [*values, min(last, LARGEST)]
        where = " AND ".join(["WHERE position >= ?", *conditions])
        first = min(first, LARGEST)
        while True:
            rows = self._select_rows(f"{where} ORDER BY position LIMIT {BATCH}", first, *values, connection=connection)
            yield from rows
            if len(rows) < BATCH:
                return
            first = rows[-1][0] + 1

    def read_back(
        self,
        topics: Sequence[str] = (),
        holding: bytes = b"",
        prefix: str = "",
        *,
        before: int = LARGEST,
        after: int = 0,
    ) -> Iterator[Recorded]:
        """The events between two positions, exclusive, newest first, fetched in batches; with topics only those.

        With ``holding``, only events whose stored bytes hold these. The database searches them, without decoding. With
        ``prefix``, only events of aggregates whose hex id begins with it. Raises ``LogError``.
        """
        conditions, values = _of_topics(topics)
        if holding:
            conditions, values = [*conditions, "instr(state, ?)"], [*values, holding]
        if prefix:
            conditions, values = [*conditions, "originator_id BETWEEN ? AND ?"], [*values, prefix, prefix + "g"]
        if after:
            conditions, values = [*conditions, "position > ?"], [*values, after]
        where = " AND ".join(["WHERE position < ?", *conditions])
        while batch := self._select(f"{where} ORDER BY position DESC LIMIT {BATCH}", before, *values):
            yield from batch
            before = batch[-1].position

    def newest(self, count: int, topics: Sequence[str] = (), prefix: str = "") -> list[Recorded]:
        """The last ``count`` events, oldest first; only of the topics and of aggregates whose hex id begins with the prefix."""
        conditions, values = _of_topics(topics)
        if prefix:
            conditions, values = [*conditions, "originator_id BETWEEN ? AND ?"], [*values, prefix, prefix + "g"]
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        return self._select(f"{where}ORDER BY position DESC LIMIT ?", *values, min(count, LARGEST))[::-1]

    @property
    def position(self) -> int:
        """The position of the newest event; 0 when there is none."""
        return self._one("SELECT MAX(position) FROM stored_events") or 0

    def position_of(self, reference: str) -> int | None:
        """The position of the event with this reference (``<id>/<version>``); None when it is not in the log."""
        originator, _, version = reference.partition("/")
        key = originator.replace("-", "")
        position: int | None = self._one(
            "SELECT position FROM stored_events WHERE originator_id = ? AND originator_version = ?", key, int(version)
        )
        return position

    def positions_of(self, references: Collection[str]) -> dict[str, int | None]:
        """The positions of the events with these references, read together; None for those that are not in the log."""
        split = {reference: reference.partition("/") for reference in references}
        named = [(id.replace("-", ""), int(version)) for id, _, version in split.values()]
        found = dict[tuple[str, int], int]()
        with self.reading() as connection:
            for part, marks in in_parts(named, 2):
                rows = connection.execute(
                    f"WITH named (id, version) AS (VALUES {marks}) SELECT originator_id, originator_version, position "
                    "FROM named CROSS JOIN stored_events WHERE originator_id = id AND originator_version = version",
                    [*chain.from_iterable(part)],
                )
                found.update(((id, version), position) for id, version, position in rows)
        return {reference: found.get(key) for reference, key in zip(split, named, strict=True)}

    def position_of_newest(self, aggregate: Aggregate) -> int:
        """The position of the newest event of an aggregate that is stored."""
        position = self.position_of(f"{aggregate.id}/{aggregate.version}")
        assert position is not None
        return position

    def at(self, position: int) -> Recorded:
        """The event at the position. Raises ``NotFound``."""
        for recorded in self._select("WHERE position = ?", position):
            return recorded
        raise NotFound(f"no event at position {position}; the log has 1 to {self.position}")

    def history(self, id: UUID) -> list[Recorded]:
        """All events of one aggregate, with their positions."""
        return self._select("WHERE originator_id = ? ORDER BY originator_version", id.hex)

    def histories(self, ids: Collection[UUID]) -> dict[UUID, list[Recorded]]:
        """All events of the aggregates, read together, by aggregate; those without events are missing."""
        found: dict[UUID, list[Recorded]] = {}
        for part, _ in in_parts(sorted({id.hex for id in ids})):
            where = f"WHERE originator_id IN ({', '.join('?' * len(part))}) ORDER BY originator_id, originator_version"
            for recorded in self._select(where, *part):
                found.setdefault(recorded.event.originator_id, []).append(recorded)
        return found

    def get(self, kind: type[A], id: UUID) -> A:
        """The aggregate from its events in the log; a blank one without events."""
        return kind.project(id, (stored.event for stored in self.history(id)))

    def last(self, id: UUID) -> Recorded | None:
        """The newest event of one aggregate; None without any."""
        events = self._select("WHERE originator_id = ? ORDER BY originator_version DESC LIMIT 1", id.hex)
        return events[0] if events else None

    def ids_like(self, prefix: str, first_topic: str) -> list[str]:
        """Hex ids of aggregates that begin with the prefix and whose history begins with the topic, at most ten.

        The prefix is user input: it may have dashes and capitals. One that cannot be an id, or has fewer than
        ``SHORTEST`` characters, matches nothing.
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
        """The highest position of an event that is not later than the time; 0 when all are later.

        Times need not be in order: a clock may be set back, and parallel runs are stored when they end. So events
        before that position may be later than the time. The search goes back from the newest event, and compares the
        text of the times first, because decoding a million events is too slow.
        """
        second = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        before, where = self.position + 1, f"WHERE position < ? AND {MAY_BE_THEN} ORDER BY position DESC LIMIT ?"
        limit = 1  # mostly the first one decides
        while rows := self._select_rows(where, before, second, TIME_FIRST, IN_UTC, limit):
            for position, id, version, topic, state in rows:
                if decode_timestamp(topic, id, version, state).time <= time:
                    return position
            before, limit = rows[-1][0], BATCH
        return 0

    def find_name(self, name: str) -> str | None:
        """The content key of a person's name; None where the log does not know the name."""
        key = self._one("SELECT key FROM names WHERE name = ?", name)
        return None if key is None else str(key)

    def get_content(self, key: str) -> str | None:
        """The text under the key; None when it was erased. Raises ``LogError`` when it does not match its key."""
        with self.reading() as connection:
            row = connection.execute("SELECT salt, text FROM content WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return check_content(key, *row)

    def get_contents(self, keys: Collection[str]) -> dict[str, str]:
        """The texts under the keys, read together, by key; erased ones are missing. Raises ``LogError`` as ``get_content``.

        A database server answers one query for many texts in the time of one for a single text.
        """
        found = dict[str, str]()
        with self.reading() as connection:
            for part, _ in in_parts(sorted({*keys})):
                rows = connection.execute(
                    f"SELECT key, salt, text FROM content WHERE key IN ({', '.join('?' * len(part))})", part
                )
                found.update((key, check_content(key, salt, text)) for key, salt, text in rows)
        return found

    def reveal(self, recorded: Recorded) -> Recorded:
        """The event with names and short texts in place of their content keys; ``(erased)`` for erased ones."""
        return recorded._replace(event=reveal(recorded.event, self.get_content))

    def say(self, value: T, erased: str | None = ERASED) -> T:
        """The value, at any depth, with texts in place of content keys; see ``say_words``."""
        return say_words(value, self.get_content, erased)

    def has_content(self, key: str) -> bool:
        """Whether a text is stored under the key."""
        return self._one("SELECT 1 FROM content WHERE key = ?", key) is not None

    def has_contents(self, keys: Collection[str]) -> set[str]:
        """Those of the keys under which a text is stored."""
        found = set[str]()
        with self.reading() as connection:
            for part, _ in in_parts(sorted({*keys})):
                marks = ", ".join("?" * len(part))
                found |= {key for (key,) in connection.execute(f"SELECT key FROM content WHERE key IN ({marks})", part)}
        return found

    def tracked(self, name: str) -> int:
        """The position of the named follower; 0 when it has not begun."""
        return self._one("SELECT notification_id FROM tracking WHERE application_name = ?", name) or 0

    def changing_views(self) -> AbstractContextManager[Rows]:
        """This thread's connection for views, in a transaction that ends with the block. Raises ``LogError``, ``Unwritable``.

        Views are committed without waiting for the disk: what a power cut undoes can be computed again from the log.
        """
        return self.database.changing_views(is_alone=self._writes_alone())

    def _writes_alone(self) -> bool:
        """Whether this thread has the right to write already, until a block ends."""
        return False

    def _select(self, where: str, *values: Any) -> list[Recorded]:
        return [
            Recorded(position, decode(topic, id, version, state))
            for position, id, version, topic, state in self._select_rows(where, *values)
        ]

    def _select_rows(self, where: str, *values: Any, connection: Rows | None = None) -> list[Row]:
        with self.reading() if connection is None else nullcontext(connection) as opened:
            return opened.execute(f"SELECT {COLUMNS} FROM stored_events {where}", values).fetchall()

    def _one(self, statement: str, *values: Any) -> Any:
        with self.reading() as connection:
            row = connection.execute(statement, values).fetchone()
        return row[0] if row else None

    def reading(self) -> AbstractContextManager[Rows]:
        """This thread's connection, which cannot write. Raises ``LogError``."""
        return self.database.reading()


def _of_topics(topics: Sequence[str]) -> tuple[list[str], list[Any]]:
    """The SQL conditions and values for these topics and all unknown ones; none for all topics."""
    others = sorted(EVENTS.keys() - set(topics)) if topics else []
    return [f"topic NOT IN ({','.join('?' * len(others))})"] * bool(others), [*others]


def content_key(salt: bytes, text: str) -> str:
    """The key of a text: ``CONTENT`` and the hash of salt and text."""
    return CONTENT + sha256(salt + text.encode()).hexdigest()


def check_content(key: str, salt: bytes, text: str) -> str:
    """The text. Raises ``LogError`` when it does not match the key."""
    if content_key(salt, text) != key:
        raise LogError(f"content {key[:19]} does not match its key; restore the log from a backup")
    return text


def adapters_folder(log: Path) -> Path:
    """The folder of a log's weights and unfinished trainings: ``events.adapters`` beside ``events.db``."""
    return log.resolve().with_suffix(".adapters")


class LogAsOf(Log):
    """A log as of an earlier position: events after ``until`` are not visible; None is now."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        super().__init__(store, clock)
        self.until: int | None = None
        self.lacking: set[str] = set()
        """Content keys that were requested but are missing."""

    @property
    def position(self) -> int:
        """The last visible position."""
        return super().position if self.until is None else self.until

    def get_contents(self, keys: Collection[str]) -> dict[str, str]:
        """The texts under the keys as they are now."""
        found = super().get_contents(keys)
        self.lacking |= {*keys} - found.keys()
        return found

    def get_content(self, key: str) -> str | None:
        """The text under the key as it is now: texts erased since are missing."""
        text = super().get_content(key)
        if text is None:
            self.lacking.add(key)
        return text

    def history(self, id: UUID) -> list[Recorded]:
        """All visible events of one aggregate."""
        return self._visible(super().history(id))

    def histories(self, ids: Collection[UUID]) -> dict[UUID, list[Recorded]]:
        """All visible events of the aggregates."""
        seen = {id: self._visible(history) for id, history in super().histories(ids).items()}
        return {id: history for id, history in seen.items() if history}

    def _visible(self, history: list[Recorded]) -> list[Recorded]:
        return [stored for stored in history if self.until is None or stored.position <= self.until]
