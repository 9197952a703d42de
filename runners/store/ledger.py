"""The ledger: the log, opened for writing, with the content beside it in the same file.

All writing of events goes through ``write`` and ``store``: load the aggregate, let it decide, store what it decided in one
transaction; a lost race is decided anew. Storing is the work of an ``eventsourcing`` application.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import (
    InfrastructureFactory,
    IntegrityError,
    PersistenceError,
    ProcessRecorder,
    Tracking,
)
from eventsourcing.utils import Environment

from ...domain.aggregates.base import OWN_NAMES, Aggregate, Context
from ...domain.errors import LogError
from ...domain.events import Event
from ...domain.events.base import KEY
from ...domain.text import check_text
from .connection import explain
from .log import Log
from .recorder import FactMapper, LogFactory, LogRecorder
from .schema import create_tables, is_blank, upgrade_tables
from .words import Key, NameKnown, check_fields, keep, known_name, store_words, swap_key, words_of
from .writer import Transaction, Work

if TYPE_CHECKING:
    from ...domain.ports import Clock
    from ...projections.state.state import State

A = TypeVar("A", bound=Aggregate)
T = TypeVar("T")

RACES = 20
"""Times a decision is taken anew because another process wrote first; chosen: more than that is not a race."""


@dataclass(frozen=True)
class Save:
    """What is stored in whole or not at all: the aggregates' pending events, and what else is to be done with them."""

    aggregates: tuple[Aggregate, ...]
    also: Work[None] | None = None


class Ledger(Log):
    """One log file, for writing too. Open it with ``Ledger.open`` or make it with ``Ledger.create``."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        super().__init__(path, clock)
        self.followed = 0
        """Up to which position this process has reacted, at the least; what is stored of it may lie a few events behind."""
        self._names: dict[str, Key] = {}
        """Names that no stored event holds yet."""
        try:
            upgrade_tables(path)
            self._events = _Events({"SQLITE_DBNAME": str(path), "CREATE_TABLE": "no"})
        except (PersistenceError, sqlite3.Error, OSError) as error:
            raise explain(path, error) from error

    @classmethod
    def create(cls, path: Path, clock: Clock | None = None) -> Self:
        """A new, empty log, or the one that is there already. Raises ``LogError`` where none can be made."""
        if is_blank(path):
            if not path.parent.is_dir():
                raise LogError(f"no folder {path.parent} to keep the log in; make it, or give another path with --db")
            try:
                create_tables(path)
            except (sqlite3.Error, OSError) as error:
                raise explain(path, error) from error
        return cls.open(path, clock)

    def close(self) -> None:
        """Close every connection of this thread."""
        super().close()
        if "_events" in vars(self):
            self._events.close()

    def context(self, actor: str, caused_by: str | None = None) -> Context:
        """What surrounds a decision taken now. Raises ``BadText`` for a name that is not valid Unicode."""
        return Context(self.clock.now(), self.name_key(actor), caused_by)

    def name_key(self, name: str, what: str = "the name to record (--as, or your user name)") -> str:
        """The content key of a name, the same each time. The program's own names, and keys, come back unchanged.

        ``what`` names the name where it is refused. Raises ``BadText``.
        """
        if name in OWN_NAMES or KEY.fullmatch(name):
            return name
        kept = self._names.get(name)
        if kept is None or kept.is_stored:
            known = self._one("SELECT key FROM names WHERE name = ?", check_text(name, what))
            if known is not None:
                return known_name(known, name)
            kept = self._names[name] = keep(name, is_name=True)
        return kept

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

    def write_on_state(
        self,
        kind: type[A],
        id: UUID,
        look: Callable[[], State],
        decide: Callable[[A, State], None],
        topics: Sequence[str],
    ) -> A:
        """As ``write``, for a decision that rests on the state as well: ``look`` brings that to the log's end.

        It is taken anew when another process has stored an event of these topics between the look and the storing, so of
        several that decide at once each knows what those before it have decided.
        """
        for _ in range(RACES):
            state = look()
            aggregate = self.get(kind, id)
            decide(aggregate, state)
            own = sum(event.TOPIC in topics for event in aggregate.pending)
            try:
                self.store(aggregate, also=_refuse_if_stored_since(state.position, topics, own))
            except IntegrityError:
                continue
            return aggregate
        raise LogError(f"{self.path} is being written by too many at once; try again")

    def store(self, *aggregates: Aggregate, tracking: Tracking | None = None, also: Work[None] | None = None) -> None:
        """Store the aggregates' pending events with the words that they name, how far a follower is, and what else is to be
        done, in one transaction.

        Raises ``IntegrityError`` when another process has stored one of these versions or this tracking first, ``LogError``,
        and ``BadText`` for an event that is not valid Unicode.
        What could not be stored is pending still, so to store the aggregate again is to try again.
        """
        collected = [(aggregate, aggregate.collect_events()) for aggregate in aggregates]
        events = [event for _, pending in collected for event in pending]
        if not events and tracking is None:
            return
        try:
            self._store(events, tracking, also)
        except BaseException as error:
            for aggregate, pending in collected:
                aggregate.take_back(pending)
            if isinstance(error, PersistenceError):
                raise self._explained(error) from error
            if isinstance(error, UnicodeEncodeError):
                for event in events:
                    check_fields(event)
            raise

    def store_all(self, saves: Sequence[Save]) -> list[Exception | None]:
        """Store many in one commit. For each None once it is safe on the disk, or why it alone was not stored.

        That is ``IntegrityError`` where one of the versions is there already, ``LogError``, or what ``also`` raises. Raises
        ``LogError`` where nothing can be stored, and ``BadText`` for an event that is not valid Unicode: then nothing is.
        What could not be stored is pending still.
        """
        collected = [[(aggregate, aggregate.collect_events()) for aggregate in save.aggregates] for save in saves]
        events = [[event for _, pending in pairs for event in pending] for pairs in collected]
        undone = collected
        try:
            outcomes = self._store_all(list(zip(events, (save.also for save in saves), strict=True)))
            errors = [self._explained(outcome) if isinstance(outcome, Exception) else None for outcome in outcomes]
            undone = [pairs for pairs, error in zip(collected, errors, strict=True) if error is not None]
        except PersistenceError as error:
            raise self._explained(error) from error
        except UnicodeEncodeError:
            for event in chain(*events):
                check_fields(event)
            raise
        finally:
            for aggregate, pending in chain(*undone):
                aggregate.take_back(pending)
        return errors

    def _explained(self, error: Exception) -> Exception:
        """The error as the ledger raises it."""
        is_ours = isinstance(error, PersistenceError) and not isinstance(error, IntegrityError)
        return explain(self.path, error) if is_ours else error

    def _store(self, events: Sequence[Event], tracking: Tracking | None, also: Work[None] | None) -> None:
        words = words_of(events)
        try:
            self._events.record(events, tracking, _with_words(words, also))
        except NameKnown as error:
            self._use_known(events, error)
            self._store(events, tracking, also)
            return
        for key in words:
            key.is_stored = True

    def _store_all(self, batch: Sequence[tuple[Sequence[Event], Work[None] | None]]) -> list[Sequence[int] | Exception]:
        """Store each member's events and words in one commit for all, and once more those with a name that has another key."""
        words = [words_of(events) for events, _ in batch]
        outcomes = self._events.record_all(
            [(events, _with_words(keys, also)) for keys, (events, also) in zip(words, batch, strict=True)]
        )
        again = []
        for number, outcome in enumerate(outcomes):
            if isinstance(outcome, NameKnown):
                self._use_known(batch[number][0], outcome)
                again.append(number)
            elif not isinstance(outcome, Exception):
                for key in words[number]:
                    key.is_stored = True
        if again:
            for number, outcome in zip(again, self._store_all([batch[it] for it in again]), strict=True):
                outcomes[number] = outcome
        return outcomes

    def _use_known(self, events: Sequence[Event], error: NameKnown) -> None:
        for event in events:
            swap_key(event, error.key, error.known)
        self._names.pop(error.key.text, None)

    def put(self, text: str, what: str = "a text") -> str:
        """The content key of the text. It is stored with the first event that names the key, and never without one.

        ``what`` names the text where it is refused. Raises ``BadText`` where it is not valid Unicode.
        """
        return keep(text, what)

    def get_content(self, key: str) -> str | None:
        """The text under the key, also before it is stored; None when it was erased. Raises ``LogError``."""
        return key.text if isinstance(key, Key) and not key.is_stored else super().get_content(key)

    def change(self, work: Work[T]) -> T:
        """Do the work in a transaction of the log's writer. Raises ``LogError`` where nothing can be stored."""
        try:
            return self._events.recorder.datastore.writer.do(work)
        except (sqlite3.Error, OSError) as error:
            raise explain(self.path, error) from error


def _refuse_if_stored_since(position: int, topics: Sequence[str], own: int) -> Work[None]:
    """Raises ``IntegrityError`` within the transaction where events of these topics but its own stand after the position."""
    count = f"SELECT COUNT(*) FROM stored_events WHERE position > ? AND topic IN ({','.join('?' * len(topics))})"

    def check(transaction: Transaction) -> None:
        [found] = transaction.connection.execute(count, (position, *topics)).fetchone()
        if found != own:
            raise IntegrityError("another process has decided meanwhile")

    return check


def _with_words(words: Sequence[Key], also: Work[None] | None) -> Work[None]:
    """What stores the words in the transaction of the events that name them, and then does what else is to be done."""

    def store(transaction: Transaction) -> None:
        store_words(transaction, words)
        if also is not None:
            also(transaction)

    return store


class _Events(Application[UUID]):
    """The ``eventsourcing`` application: our recorder, our closed registry of topics."""

    name = "grokputer"
    recorder: LogRecorder

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        # Our own, whatever the environment names: a log is never opened by code that a variable names.
        return LogFactory(env)

    def construct_mapper(self) -> FactMapper:
        return FactMapper()

    def construct_recorder(self) -> ProcessRecorder:
        # One that stores tracking with the events.
        return self.factory.process_recorder()

    def record(self, events: Sequence[Event], tracking: Tracking | None, also: Work[None] | None) -> None:
        """Store events and tracking, without what ``save`` adds for snapshots, caches and listeners that are not here."""
        stored = [self.mapper.to_stored_event(event) for event in events]
        self.recorder.insert_events(stored, tracking=tracking, also=also)

    def record_all(self, batch: Sequence[tuple[Sequence[Event], Work[None] | None]]) -> list[Sequence[int] | Exception]:
        """Store each member's events in one commit for all; each one's positions or its error."""
        to_stored = self.mapper.to_stored_event
        return self.recorder.insert_all([([to_stored(event) for event in events], also) for events, also in batch])
