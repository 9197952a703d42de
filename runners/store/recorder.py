"""The recorder of ``eventsourcing`` on the log's tables: one reading connection per thread, and the log's writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    IntegrityError,
    JSONTranscoder,
    Mapper,
    Notification,
    OperationalError,
    PersistenceError,
    StoredEvent,
    Tracking,
)
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore, SQLiteFactory, SQLiteProcessRecorder
from eventsourcing.utils import Environment

from ...domain.events import Event
from .codec import decode, encode
from .log import COLUMNS, Log
from .writer import Row, Transaction, Work, Writer

T = TypeVar("T")


class LogDatastore(SQLiteDatastore):
    """A reading connection in each thread, and the one writer.

    The library's pool would close connections that other threads are reading from, which Python 3.11 answers with a
    segmentation fault.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.log, self.writer = Log(path), Writer(path)

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """A cursor of this thread's connection, which cannot write. Raises ``LogError``."""
        if commit:
            raise OperationalError("only the writer writes")
        with self.log.reading() as connection, closing(connection.cursor()) as cursor:
            cursor.row_factory = sqlite3.Row
            yield SQLiteCursor(cursor)

    def close(self) -> None:
        """Close this thread's connection and the writer's. Not while another thread writes."""
        super().close()
        self.log.close()
        self.writer.close()


class LogRecorder(SQLiteProcessRecorder):
    """Stores events through the writer, and the process's tracking in the same transaction."""

    datastore: LogDatastore

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Store the events at the log's end; their positions. Raises ``IntegrityError`` when one of the versions exists."""
        rows = _rows(stored_events)
        tracking: Tracking | None = kwargs.get("tracking")
        also: Work[None] | None = kwargs.get("also")
        return self._do(lambda transaction: self._store(transaction, rows, tracking, also))

    def insert_all(
        self, batch: Sequence[tuple[Sequence[Row], Work[None] | None]], also_for_all: Work[None] | None = None
    ) -> list[Sequence[int] | Exception]:
        """Store each member's events and further work in one commit; each member's positions or its error.

        ``also_for_all`` is the further work of all members at once. With it they are stored by few statements, which is
        faster; where that fails, one by one.
        """

        def work(rows: Sequence[Row], also: Work[None] | None) -> Work[Sequence[int]]:
            return lambda transaction: self._store(transaction, rows, None, also)

        def together(transaction: Transaction) -> list[Sequence[int]]:
            positions = iter(self._store(transaction, [*chain(*(rows for rows, _ in batch))], None, also_for_all))
            return [[*islice(positions, len(rows))] for rows, _ in batch]

        has_one_way = also_for_all is None or len(batch) < 2
        with _translated():
            outcomes = self.datastore.writer.do_all(
                [work(*member) for member in batch], None if has_one_way else together
            )
        return [_translate(outcome) if isinstance(outcome, sqlite3.Error) else outcome for outcome in outcomes]

    def insert_tracking(self, tracking: Tracking) -> None:
        """Store a follower's position. Raises ``IntegrityError`` when it is already further."""
        self._do(lambda transaction: self._store(transaction, [], tracking))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The events from ``start`` to ``stop``, at most ``limit``; only of these topics where some are given."""
        first = (start or 0) + (not inclusive_of_start)
        where, values = "position >= ? AND position <= coalesce(?, position)", [first, stop, *topics, limit]
        named = f"AND topic IN ({','.join('?' * len(topics))}) " if topics else ""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(
                f"SELECT {COLUMNS} FROM stored_events WHERE {where} {named}ORDER BY position LIMIT ?", values
            )
            return [
                Notification(self.convert_originator_id(id), version, topic, state, id=position)
                for position, id, version, topic, state in cursor.fetchall()
            ]

    def _store(
        self,
        transaction: Transaction,
        rows: Sequence[Row],
        tracking: Tracking | None,
        also: Work[None] | None = None,
    ) -> list[int]:
        positions = transaction.append(rows) if rows else []
        if tracking is not None:
            self._insert_tracking(SQLiteCursor(transaction.connection.cursor()), tracking)
        if also is not None:
            also(transaction)
        return positions

    def _do(self, work: Work[T]) -> T:
        with _translated():
            return self.datastore.writer.do(work)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors of SQLite and of the system into those of ``eventsourcing``."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _translate(error) from error


def _translate(error: sqlite3.Error | OSError) -> PersistenceError:
    kind = IntegrityError if isinstance(error, sqlite3.IntegrityError) else OperationalError
    translated = kind(error)
    translated.__cause__ = error
    return translated


def _rows(stored_events: Sequence[StoredEvent]) -> list[Row]:
    return [
        (_hex(stored.originator_id), stored.originator_version, stored.topic, stored.state) for stored in stored_events
    ]


def _hex(id: UUID | str) -> str:
    return id.hex if isinstance(id, UUID) else id


def row_of(event: Event) -> Row:
    """The row to store. Raises as ``encode`` does."""
    return event.originator_id.hex, event.originator_version, event.TOPIC, encode(event)


class FactMapper(Mapper[UUID]):
    """The mapper of ``eventsourcing``, with ``encode`` and ``decode``."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The row to store."""
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, domain_event.TOPIC, encode(domain_event)
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event of the row."""
        originator = stored_event.originator_id
        text = originator.hex if isinstance(originator, UUID) else originator
        return decode(stored_event.topic, text, stored_event.originator_version, stored_event.state)


class LogFactory(SQLiteFactory):
    """The factory of ``eventsourcing`` with the log's datastore and recorder; ``SQLITE_DBNAME`` is the log's path."""

    process_recorder_class = LogRecorder
    datastore: LogDatastore

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.datastore.close()
        self.datastore = LogDatastore(Path(str(env.get(self.SQLITE_DBNAME))))
