"""The recorder of ``eventsourcing`` on the log's tables: the log's own reading connections, and its writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    InfrastructureFactory,
    IntegrityError,
    JSONTranscoder,
    Mapper,
    Notification,
    OperationalError,
    PersistenceError,
    ProcessRecorder,
    StoredEvent,
    Tracking,
    TrackingRecorder,
)
from eventsourcing.utils import Environment

from ...domain.events import Event
from .codec import decode, encode
from .log import Log
from .port import COLUMNS, LARGEST
from .writer import Row, Transaction, Work, Writer, each_alone

T = TypeVar("T")

TRACK = (
    "INSERT INTO tracking (application_name, notification_id) VALUES (?, ?) ON CONFLICT (application_name) "
    "DO UPDATE SET notification_id = excluded.notification_id "
    "WHERE tracking.notification_id IS NULL OR tracking.notification_id < excluded.notification_id"
)
"""Brings a follower further; a position that it has reached or passed changes nothing."""


class LogRecorder(ProcessRecorder):
    """Stores events through the writer, and the process's tracking in the same transaction."""

    def __init__(self, log: Log) -> None:
        self.log, self.writer = log, Writer(log.database)

    def close(self) -> None:
        """Close this thread's connection and the writer's. Not while another thread writes."""
        self.log.database.close()
        self.writer.close()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Store the events at the log's end; their positions. Raises ``IntegrityError`` when one of the versions exists."""
        rows = _rows(stored_events)
        tracking: Tracking | None = kwargs.get("tracking")
        also: Work[None] | None = kwargs.get("also")
        return self._do(lambda transaction: _store(transaction, rows, tracking, also))

    def insert_all(
        self, batch: Sequence[tuple[Sequence[Row], Work[None] | None]], also_for_all: Work[None] | None = None
    ) -> list[Sequence[int] | Exception]:
        """Store each member's events and further work in one commit; each member's positions or its error.

        ``also_for_all`` is the further work of all members at once. With it they are stored by few statements, which is
        faster; where that fails, one by one.
        """
        outcomes, commit = self.insert_unsettled(batch, also_for_all)
        self.settle(commit)
        return outcomes

    def insert_unsettled(
        self, batch: Sequence[tuple[Sequence[Row], Work[None] | None]], also_for_all: Work[None] | None = None
    ) -> tuple[list[Sequence[int] | Exception], int]:
        """As ``insert_all``, with the number for ``settle``, before which what is stored may be lost."""

        def work(rows: Sequence[Row], also: Work[None] | None) -> Work[Sequence[int]]:
            return lambda transaction: _store(transaction, rows, None, also)

        def together(transaction: Transaction) -> list[Sequence[int]]:
            positions = iter(_store(transaction, [*chain(*(rows for rows, _ in batch))], None, also_for_all))
            return [[*islice(positions, len(rows))] for rows, _ in batch]

        has_one_way = also_for_all is None or len(batch) < 2
        with self._translated():
            outcomes, commit = self.writer.do_unsettled(
                each_alone([work(*member) for member in batch], None if has_one_way else together)
            )
        return [self._translate(each) if isinstance(each, Exception) else each for each in outcomes], commit

    def insert_one_unsettled(self, rows: Sequence[Row], also: Work[None]) -> tuple[Sequence[int], int]:
        """As ``insert_unsettled`` for one member, whose error is raised."""
        with self._translated():
            return self.writer.do_unsettled(lambda transaction: _store(transaction, rows, None, also))

    def settle(self, number: int) -> None:
        """Wait until the commit of this number is safe on the disk."""
        with self._translated():
            self.writer.settle(number)

    def insert_tracking(self, tracking: Tracking) -> None:
        """Store a follower's position. Raises ``IntegrityError`` when it is already further."""
        self._do(lambda transaction: _store(transaction, [], tracking))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one aggregate, with versions above ``gt`` up to ``lte``, at most ``limit``."""
        order = "DESC" if desc else "ASC"
        with self.log.reading() as rows:
            found = rows.execute(
                f"SELECT {COLUMNS} FROM stored_events WHERE originator_id = ? AND originator_version > ? "
                f"AND originator_version <= ? ORDER BY originator_version {order} LIMIT ?",
                (
                    _hex(originator_id),
                    -1 if gt is None else gt,
                    LARGEST if lte is None else lte,
                    LARGEST if limit is None else limit,
                ),
            ).fetchall()
        return [StoredEvent(UUID(id), version, topic, state) for _, id, version, topic, state in found]

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
        named = f"AND topic IN ({','.join('?' * len(topics))}) " if topics else ""
        with self.log.reading() as rows:
            found = rows.execute(
                f"SELECT {COLUMNS} FROM stored_events WHERE position >= ? AND position <= ? {named}"
                "ORDER BY position LIMIT ?",
                (first, LARGEST if stop is None else stop, *topics, limit),
            ).fetchall()
        return [
            Notification(UUID(id), version, topic, state, id=position) for position, id, version, topic, state in found
        ]

    def max_notification_id(self) -> int | None:
        """The position of the newest event; None without any."""
        return self.log.position or None

    def max_tracking_id(self, application_name: str) -> int | None:
        """The position of the follower; None where it has not begun."""
        return self.log.tracked(application_name) or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> NoReturn:
        """Not possible: followers use ``Watch``."""
        raise NotImplementedError("this recorder has no subscriptions; use Watch")

    def _do(self, work: Work[T]) -> T:
        with self._translated():
            return self.writer.do(work)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn errors of the database and of the system into those of ``eventsourcing``."""
        try:
            yield
        except Exception as error:
            if not self.log.database.is_error(error):
                raise
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> Exception:
        if not self.log.database.is_error(error):
            return error
        kind: type[PersistenceError] = IntegrityError if self.log.database.is_conflict(error) else OperationalError
        translated = kind(error)
        translated.__cause__ = error
        return translated


def _store(
    transaction: Transaction, rows: Sequence[Row], tracking: Tracking | None, also: Work[None] | None = None
) -> list[int]:
    transaction.defer()
    positions = transaction.append(rows) if rows else []
    if tracking is not None:
        values = (tracking.application_name, tracking.notification_id)
        if not transaction.connection.execute(TRACK, values).rowcount:
            raise IntegrityError(f"{tracking.application_name} is at {tracking.notification_id} or further")
    if also is not None:
        also(transaction)
    return positions


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


class LogFactory(InfrastructureFactory[TrackingRecorder]):
    """The factory of ``eventsourcing`` with the log's one recorder."""

    def __init__(self, log: Log, env: Environment) -> None:
        super().__init__(env)
        self._recorder = LogRecorder(log)

    def aggregate_recorder(self, purpose: str = "events") -> LogRecorder:
        """The recorder."""
        return self._recorder

    def application_recorder(self) -> LogRecorder:
        """The recorder."""
        return self._recorder

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> Any:
        """The recorder."""
        return self._recorder

    def process_recorder(self) -> LogRecorder:
        """The recorder."""
        return self._recorder

    def close(self) -> None:
        """Close the recorder's connections."""
        self._recorder.close()
