"""The ledger: the one log, opened for reading and writing, with the content beside it in the same file.

It is the ``eventsourcing`` application of the project. All writing goes through ``write`` and ``write_all``, which load
the aggregate, let it decide, and store what it decided in one transaction; a lost race is decided anew.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Application, ProcessingEvent
from eventsourcing.persistence import (
    InfrastructureFactory,
    IntegrityError,
    PersistenceError,
    ProcessRecorder,
    Tracking,
)
from eventsourcing.sqlite import SQLiteDatastore
from eventsourcing.utils import Environment

from ..domain.aggregate import Aggregate, Context
from ..domain.errors import LogError, NotFound
from ..domain.ports import Clock
from .mapper import FactMapper, Recorded, decode
from .recorder import APPLICATION_ID, LogFactory, LogRecorder, create_tables, select_rows

A = TypeVar("A", bound=Aggregate)

RACES = 20
"""Times a decision is taken anew because another process wrote first; chosen: more than that is not a race."""

BATCH = 5_000
"""Rows read at a time: bounds memory at a few megabytes however long the log is."""


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The current time."""
        return datetime.now(UTC)


class Ledger(Application[UUID]):
    """One log file. Open it with ``Ledger.open`` or make it with ``Ledger.create``."""

    name = "grokputer"

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        uri = f"file:{path.resolve().as_posix().replace('?', '%3f').replace('#', '%23')}"
        try:
            super().__init__({"SQLITE_DBNAME": uri, "CREATE_TABLE": "no"})
        except PersistenceError as error:
            raise explain(path, error) from error

    @classmethod
    def create(cls, path: Path, clock: Clock | None = None) -> Ledger:
        """A new, empty log, or the one that is there already. Raises ``LogError`` where none can be made."""
        if path.exists() and path.stat().st_size:
            return cls.open(path, clock)
        if not path.parent.is_dir():
            raise LogError(f"no folder {path.parent} to keep the log in; make it, or give another path with --db")
        try:
            create_tables(path)
        except sqlite3.Error as error:
            raise explain(path, error) from error
        return cls(path, clock)

    @classmethod
    def open(cls, path: Path, clock: Clock | None = None) -> Ledger:
        """The log at the path. Raises ``LogError`` when there is none, or the file is not a log."""
        if not path.exists():
            raise LogError(f"no log at {path}; make one with 'grokputer init', or name one with --db")
        if path.is_dir():
            raise LogError(f"{path} is a folder, not a log; name a file with --db")
        try:
            with closing(sqlite3.connect(f"file:{path.resolve().as_posix()}?mode=ro", uri=True)) as connection:
                found = connection.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.Error as error:
            raise explain(path, error) from error
        if found != APPLICATION_ID:
            raise LogError(
                f"{path} is not a log of grokputer; name another with --db, or make one with 'grokputer init'"
            )
        return cls(path, clock)

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """Our own factory, whatever the environment names: a log is never opened by code that a variable names."""
        return LogFactory(env)

    def construct_mapper(self) -> FactMapper:
        """The closed registry of topics."""
        return FactMapper()

    def construct_recorder(self) -> ProcessRecorder:
        """A recorder that stores tracking with the events."""
        return self.factory.process_recorder()

    @property
    def _datastore(self) -> SQLiteDatastore:
        assert isinstance(self.recorder, LogRecorder)
        return self.recorder.datastore

    # --- writing ---

    def context(self, actor: str, caused_by: str | None = None) -> Context:
        """What surrounds a decision taken now."""
        return Context(self.clock.now(), actor, caused_by)

    def get(self, kind: type[A], id: UUID) -> A:
        """The aggregate as the log has it, or a blank one."""
        try:
            return self.repository.get(id, projector_func=kind.project)
        except AggregateNotFoundError:
            return kind(id)

    def write(self, kind: type[A], id: UUID, decide: Callable[[A], None]) -> A:
        """Load the aggregate, let it decide, store its events; taken anew when another process wrote it meanwhile."""
        for _ in range(RACES):
            aggregate = self.get(kind, id)
            decide(aggregate)
            try:
                self.store(aggregate)
            except IntegrityError:
                continue
            return aggregate
        raise LogError(f"{self.path} is being written by too many at once; try again")

    def store(self, *aggregates: Aggregate, tracking: Tracking | None = None) -> None:
        """Store the aggregates' pending events, and how far a follower is, in one transaction.

        Raises ``IntegrityError`` when another process has stored one of these versions or this tracking first.
        """
        processing: ProcessingEvent[UUID] = ProcessingEvent(tracking)
        processing.collect_events(*aggregates)
        if not processing.events and tracking is None:
            return
        try:
            self._record(processing)
        except IntegrityError:
            raise
        except (PersistenceError, sqlite3.Error) as error:
            raise explain(self.path, error) from error

    def tracked(self, name: str) -> int:
        """How far the named follower has come, 0 when it has not begun."""
        with self._reading() as cursor:
            cursor.execute("SELECT notification_id FROM tracking WHERE application_name = ?", (name,))
            row = cursor.fetchone()
        return row[0] if row else 0

    # --- reading ---

    def read(self, first: int = 1, last: int | None = None, topics: Sequence[str] = ()) -> Iterator[Recorded]:
        """The log from one position to another, in order, a batch at a time."""
        while True:
            rows = self._rows(first, last, topics)
            for position, originator_id, version, topic, state in rows:
                yield Recorded(position, decode(topic, originator_id, version, state))
            if len(rows) < BATCH:
                return
            first = rows[-1][0] + 1

    def _rows(self, first: int, last: int | None, topics: Sequence[str]) -> list[Any]:
        with self._reading() as cursor:
            return select_rows(cursor, first, last, topics, BATCH)

    @property
    def position(self) -> int:
        """The position of the newest event, 0 when there is none."""
        with self._reading() as cursor:
            cursor.execute("SELECT MAX(position) FROM stored_events")
            return cursor.fetchone()[0] or 0

    def position_of(self, reference: str) -> int | None:
        """Where the event with this reference (``<id>/<version>``) stands, None when it is not in the log."""
        originator, _, version = reference.partition("/")
        with self._reading() as cursor:
            cursor.execute(
                "SELECT position FROM stored_events WHERE originator_id = ? AND originator_version = ?",
                (originator.replace("-", ""), int(version)),
            )
            row = cursor.fetchone()
        return row[0] if row else None

    def at(self, position: int) -> Recorded:
        """The event at the position. Raises ``NotFound``."""
        for recorded in self.read(position, position):
            return recorded
        raise NotFound(f"no event at position {position}; the log has 1 to {self.position}")

    def history(self, id: UUID) -> list[Recorded]:
        """All events of one aggregate, with their positions."""
        with self._reading() as cursor:
            cursor.execute(
                "SELECT position, originator_id, originator_version, topic, state FROM stored_events "
                "WHERE originator_id = ? ORDER BY originator_version",
                (id.hex,),
            )
            return [
                Recorded(p, decode(topic, origin, version, state))
                for p, origin, version, topic, state in cursor.fetchall()
            ]

    def ids_like(self, prefix: str, first_topic: str) -> list[str]:
        """Hex ids of the aggregates that begin with the prefix and whose history begins with the topic, at most ten."""
        with self._reading() as cursor:
            cursor.execute(
                "SELECT originator_id FROM stored_events WHERE originator_id >= ? AND originator_id < ? "
                "AND originator_version = 1 AND topic = ? LIMIT 10",
                (prefix, prefix + "g", first_topic),
            )
            return [row[0] for row in cursor.fetchall()]

    def position_at(self, time: datetime) -> int:
        """The position of the last event no later than the time, by bisection; 0 when all are later."""
        low, high = 0, self.position
        while low < high:
            middle = (low + high + 1) // 2
            if self.at(middle).event.time <= time:
                low = middle
            else:
                high = middle - 1
        return low

    # --- content and checkpoints ---

    def put(self, text: str) -> str:
        """Keep the text under a salted hash, so that erasing it leaves nothing that a guess could be held against."""
        salt = secrets.token_bytes(16)
        key = "sha256:" + sha256(salt + text.encode()).hexdigest()
        with self._writing() as cursor:
            cursor.execute("INSERT INTO content VALUES (?, ?, ?)", (key, salt, text))
        return key

    def get_content(self, key: str) -> str | None:
        """The text under the key, None when it was erased. Raises ``LogError`` when it is not what was kept."""
        with self._reading() as cursor:
            cursor.execute("SELECT salt, text FROM content WHERE key = ?", (key,))
            row = cursor.fetchone()
        if row is None:
            return None
        if "sha256:" + sha256(row[0] + row[1].encode()).hexdigest() != key:
            raise LogError(f"content {key[:19]} is not what was kept; restore the log from a backup")
        text: str = row[1]
        return text

    def load_checkpoint(self, name: str) -> tuple[int, bytes] | None:
        """A follower's saved state and the position it is of."""
        with self._reading() as cursor:
            cursor.execute("SELECT position, state FROM checkpoints WHERE name = ?", (name,))
            row = cursor.fetchone()
        return (row[0], row[1]) if row else None

    def save_checkpoint(self, name: str, position: int, state: bytes) -> None:
        """Save a follower's state, unless a newer one is there."""
        with self._writing() as cursor:
            cursor.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position, "
                "state = excluded.state WHERE excluded.position > checkpoints.position",
                (name, position, state),
            )

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        try:
            with self._datastore.transaction(commit=False) as cursor:
                yield cursor
        except (PersistenceError, sqlite3.Error) as error:
            raise explain(self.path, error) from error

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        try:
            with self._datastore.transaction(commit=True) as cursor:
                yield cursor
        except (PersistenceError, sqlite3.Error) as error:
            raise explain(self.path, error) from error


def explain(path: Path, error: BaseException) -> LogError:
    """One line for what SQLite said, with what to do next."""
    said = str(error)
    if "not a database" in said or "malformed" in said:
        return LogError(f"{path} is damaged or not a log ({said}); restore it from a backup, or name another with --db")
    if "full" in said:
        return LogError(f"the disk with {path} is full; make room and run the command again, nothing recorded is lost")
    if "locked" in said:
        return LogError(f"{path} is being written by another process; try again")
    if "readonly" in said or "unable to open" in said:
        access = "" if os.access(path, os.W_OK) else ", this user may not write it"
        return LogError(f"{path} cannot be written ({said}{access}); check its permissions, or name another with --db")
    return LogError(f"{path}: {said}")
