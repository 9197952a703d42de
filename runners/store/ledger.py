"""The ledger: the log opened for writing, with the content beside it in the same file.

All events are written through ``write`` and ``store``: load the aggregate, let it decide, store its events in one
transaction; after a lost race it decides again. An ``eventsourcing`` application does the storing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

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
from ...domain.events import Event
from ...domain.events.base import KEY
from ...domain.text import check_text
from .log import Log
from .place import Place, open_store
from .port import Store
from .recorder import FactMapper, LogFactory, LogRecorder, row_of
from .texts.shared import SharedCommits
from .texts.words import (
    Key,
    NameKnown,
    check_fields,
    digest_of,
    find_picture,
    keep,
    known_name,
    store_words,
    swap_key,
    words_of,
)
from .writer import Transaction, Work

if TYPE_CHECKING:
    from ...domain.ports import Clock
    from ...projections.state.state import State

A = TypeVar("A", bound=Aggregate)
T = TypeVar("T")

RACES = 4
"""Attempts at a decision that other processes can overtake; chosen: the last one is made while no other process writes."""


@dataclass(frozen=True)
class Save:
    """Changes to store all or nothing: the aggregates' pending events, and further work in the same transaction."""

    aggregates: tuple[Aggregate, ...]
    also: Work[None] | None = None


class Ledger(Log):
    """One log, opened for writing too. Open it with ``Ledger.open`` or create it with ``Ledger.create``."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        super().__init__(store, clock)
        self.followed = 0
        """The position up to which this process has reacted to events; the stored position may be a few events behind."""
        self._losses = 0
        """The losses of the server after which ``followed`` was found."""
        self._folded = WeakKeyDictionary["State", int]()
        """The losses of the server after which each state was folded."""
        self._names: dict[str, Key] = {}
        """Names that no stored event holds yet."""
        self._pictures = WeakValueDictionary[str, Key]()
        """Pictures by their digests, while events that name them are being stored."""
        with store.explained():
            store.upgrade()
        self._events = _Events(self)
        self._shared = SharedCommits(self._events.recorder, _with_words) if store.shares_commits else None

    @classmethod
    def create(cls, place: Place, clock: Clock | None = None) -> Self:
        """A new, empty log, or the existing one. Raises ``LogError`` where it cannot be created."""
        store = open_store(place)
        if store.is_blank():
            store.create()
        return cls.open(place, clock)

    def close(self) -> None:
        """Close every connection of this thread."""
        super().close()
        if "_events" in vars(self):
            self._events.close()

    def context(self, actor: str, caused_by: str | None = None) -> Context:
        """The context of a decision made now. Raises ``BadText`` for a name that is not valid Unicode."""
        return Context(self.clock.now(), self.name_key(actor), caused_by)

    def name_key(self, name: str, what: str = "the actor's name") -> str:
        """The content key of a name, always the same. The program's own names, and keys, are returned unchanged.

        ``what`` names the name in the error. Raises ``BadText``.
        """
        if name in OWN_NAMES or KEY.fullmatch(name):
            return name
        key = self._names.get(name)
        if key is None or key.is_stored:
            stored_key = self.find_name(check_text(name, what))
            if stored_key is not None:
                return known_name(stored_key, name)
            key = self._names[name] = keep(name, is_name=True)
        return key

    def note_folded(self, state: State) -> None:
        """Remember that the state was folded from what the server has now."""
        self._folded[state] = self._losses

    def unless_doubtful(self, state: State | None) -> State | None:
        """The state; None where the server was lost since it was folded: events of it may be gone, and others in their
        places."""
        if self._losses != self.database.losses:
            self._losses, self.followed = self.database.losses, 0
        return state if state is not None and self._folded.get(state, 0) == self._losses else None

    def until_stored(self, decide: Callable[[], T]) -> T:
        """The result of ``decide``, which reads the log, decides, and stores.

        Where it raises ``IntegrityError``, because another process stored first, it is called again. The last of ``RACES``
        attempts is made while no other process writes, so its error is no lost race. Any error is raised as it is.
        """
        for _ in range(RACES - 1):
            with suppress(IntegrityError):
                return decide()
        with self._events.recorder.writer.alone():
            return decide()

    def _writes_alone(self) -> bool:
        return self._events.recorder.writer.is_alone

    def write(self, kind: type[A], id: UUID, decide: Callable[[A], None]) -> A:
        """Load the aggregate, let it decide, store its events; decide again when another process wrote it meanwhile."""

        def load_and_store() -> A:
            aggregate = self.get(kind, id)
            decide(aggregate)
            self.store(aggregate)
            return aggregate

        return self.until_stored(load_and_store)

    def write_on_state(
        self,
        kind: type[A],
        id: UUID,
        look: Callable[[], State],
        decide: Callable[[A, State], None],
        topics: Sequence[str],
    ) -> A:
        """As ``write``, for a decision that also depends on the state; ``look`` brings the state to the log's end.

        The decision is made again when another process has stored an event of these topics in between. So of several
        concurrent decisions, each knows the ones before it.
        """

        def load_and_store() -> A:
            state = look()
            aggregate = self.get(kind, id)
            decide(aggregate, state)
            own = sum(event.TOPIC in topics for event in aggregate.pending)
            self.store(aggregate, also=refuse_if_stored_since(state.position, topics, own))
            return aggregate

        return self.until_stored(load_and_store)

    def store(self, *aggregates: Aggregate, tracking: Tracking | None = None, also: Work[None] | None = None) -> None:
        """Store the aggregates' pending events with the texts that they name, a follower's position, and further work,
        in one transaction.

        Raises ``IntegrityError`` when another process has stored one of these versions or this tracking first,
        ``LogError``, and ``BadText`` for an event that is not valid Unicode. After an error the events are pending
        again, so storing the aggregate again is a new attempt.
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
        """Store many changes in one commit. For each: None once it is safe on the disk, or the error of that change.

        The error is ``IntegrityError`` where one of the versions exists already, ``LogError``, or what ``also`` raises.
        Raises ``LogError`` where nothing can be stored, and ``BadText`` for an event that is not valid Unicode: then
        nothing is stored. Events that were not stored are pending again.
        """
        collected = [[(aggregate, aggregate.collect_events()) for aggregate in save.aggregates] for save in saves]
        events = [[event for _, pending in pairs for event in pending] for pairs in collected]
        not_stored = collected
        try:
            outcomes = self._store_all(list(zip(events, (save.also for save in saves), strict=True)))
            errors = [self._explained(outcome) if isinstance(outcome, Exception) else None for outcome in outcomes]
            not_stored = [pairs for pairs, error in zip(collected, errors, strict=True) if error is not None]
        except PersistenceError as error:
            raise self._explained(error) from error
        except UnicodeEncodeError:
            for event in chain(*events):
                check_fields(event)
            raise
        finally:
            for aggregate, pending in chain(*not_stored):
                aggregate.take_back(pending)
        return errors

    def _explained(self, error: Exception) -> Exception:
        """The error in the form that the ledger raises."""
        is_ours = isinstance(error, PersistenceError) and not isinstance(error, IntegrityError)
        return self.database.explain(error) if is_ours else error

    def _store(self, events: Sequence[Event], tracking: Tracking | None, also: Work[None] | None) -> None:
        words, shared = words_of(events), self._shared
        try:
            if shared is not None and tracking is None and also is None and not self._writes_alone():
                shared.store([row_of(event) for event in events], words)
            else:
                self._events.record(events, tracking, _with_words(words, also))
        except NameKnown as error:
            self._use_known(events, error)
            self._store(events, tracking, also)
            return
        for key in words:
            key.is_stored = True

    def _store_all(self, batch: Sequence[tuple[Sequence[Event], Work[None] | None]]) -> list[Sequence[int] | Exception]:
        """Store each change's events and texts in one commit; changes with a name that has another key by now are repeated."""
        words = [words_of(events) for events, _ in batch]
        has_more = any(also is not None for _, also in batch)
        outcomes = self._events.record_all(
            [(events, _with_words(keys, also)) for keys, (events, also) in zip(words, batch, strict=True)],
            None if has_more else _with_words([*chain(*words)], None),
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
            for number, outcome in zip(again, self._store_all([batch[index] for index in again]), strict=True):
                outcomes[number] = outcome
        return outcomes

    def _use_known(self, events: Sequence[Event], error: NameKnown) -> None:
        for event in events:
            swap_key(event, error.key, error.known)
        self._names.pop(error.key.text, None)

    def put(self, text: str, what: str = "a text") -> str:
        """The content key of the text. The text is stored with the first event that names the key, and never without one.

        ``what`` names the text in the error. Raises ``BadText`` where it is not valid Unicode.
        """
        return keep(text, what)

    def put_picture(self, picture: str, digest: str | None = None) -> str:
        """The content key of the picture, a text; always the same while the picture is kept. Raises ``BadText``.

        ``digest`` is the picture's SHA-256 where the caller has it.
        """
        check_text(picture, "a picture")
        digest = digest or digest_of(picture)
        key = self._pictures.get(digest)
        if key is not None:
            return key
        stored = find_picture(self, digest)
        if stored is not None:
            return stored
        key = self._pictures[digest] = keep(picture, "a picture")
        key.digest = digest
        return key

    def get_content(self, key: str) -> str | None:
        """The text under the key, also before it is stored; None when it was erased. Raises ``LogError``."""
        return key.text if isinstance(key, Key) and not key.is_stored else super().get_content(key)

    def get_contents(self, keys: Collection[str]) -> dict[str, str]:
        """The texts under the keys, also before they are stored."""
        held: dict[str, str] = {key: key.text for key in keys if isinstance(key, Key) and not key.is_stored}
        return {**super().get_contents([key for key in keys if key not in held]), **held}

    def change(self, work: Work[T]) -> T:
        """Do the work in a transaction of the log's writer. Raises ``LogError`` where nothing can be stored."""
        with self.database.explained():
            return self._events.recorder.writer.do(work)


def refuse_if_stored_since(position: int, topics: Sequence[str], own: int) -> Work[None]:
    """Work that raises ``IntegrityError`` where foreign events of these topics were stored after the position."""
    count = f"SELECT COUNT(*) FROM stored_events WHERE position > ? AND topic IN ({','.join('?' * len(topics))})"

    def check(transaction: Transaction) -> None:
        [stored] = transaction.connection.execute(count, (position, *topics)).fetchone()
        if stored != own:
            raise IntegrityError("another process has decided meanwhile")

    return check


def _with_words(words: Sequence[Key], also: Work[None] | None = None) -> Work[None]:
    """Work that stores the texts in the transaction of the events that name them, followed by the further work."""

    def store(transaction: Transaction) -> None:
        store_words(transaction, words)
        if also is not None:
            also(transaction)

    return store


class _Events(Application[UUID]):
    """The ``eventsourcing`` application with the log's recorder and its closed registry of topics."""

    name = "grokputer"
    recorder: LogRecorder

    def __init__(self, log: Log) -> None:
        self._log = log
        super().__init__()

    def __del__(self) -> None:
        """Not the library's: it would close connections that a block which outlives the ledger still uses."""

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        # Always this factory: an environment variable cannot name code that opens the log.
        return LogFactory(self._log, env)

    def construct_mapper(self) -> FactMapper:
        return FactMapper()

    def construct_recorder(self) -> ProcessRecorder:
        # A process recorder, which stores tracking with the events.
        return self.factory.process_recorder()

    def record(self, events: Sequence[Event], tracking: Tracking | None, also: Work[None] | None) -> None:
        """Store events and tracking, without the library's ``save``, which would add snapshots, caches and listeners."""
        stored = [self.mapper.to_stored_event(event) for event in events]
        self.recorder.insert_events(stored, tracking=tracking, also=also)

    def record_all(
        self, batch: Sequence[tuple[Sequence[Event], Work[None] | None]], also_for_all: Work[None] | None
    ) -> list[Sequence[int] | Exception]:
        """Store each member's events in one commit; return each member's positions or its error."""
        return self.recorder.insert_all(
            [([row_of(event) for event in events], also) for events, also in batch], also_for_all
        )
