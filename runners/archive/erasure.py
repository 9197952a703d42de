"""Erasing words for good: from the content store and every page of the log's file, its write-ahead log and the datasets.

Events name words and people by salted hashes alone, so they stand as they are, and so does the proof over them. What an adapter
has learnt from the words is in its weights; those are named, so that they can be trained again without them.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from ...domain.aggregates.base import OWN_NAMES
from ...domain.aggregates.erasure import ContentErasure
from ...domain.errors import LogError
from ...domain.events import (
    EVENTS,
    ContentErased,
    Event,
    ExamplesImported,
    ExamplesSynthesized,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
)
from ...domain.events.base import keys_in
from ...projections.explain.provenance import TrainingUse, read_datasets
from ..store.connection import connect
from ..store.content import SAID, find_unnamed
from ..store.ledger import RACES, Ledger
from ..store.log import Log
from ..store.words import keep
from ..store.writer import Transaction

READERS_S = 5.0
"""Seconds to wait until no reader needs the write-ahead log; chosen: a command that reads ends sooner."""


@dataclass(frozen=True)
class Target:
    """Whose words: one run's, or all that a person said, asked, corrected or imported. One of the two is given."""

    run: str | None = None
    """Hex id."""
    person: str | None = None
    """The person's name."""


@dataclass
class Words:
    """What is to be erased: content keys that are there, the runs that lose words, the adapters that learnt from them."""

    keys: set[str] = field(default_factory=set)
    names: frozenset[str] = frozenset()
    """The content keys of the person's name."""
    person: str | None = None
    """The content key that stands for the person in what is recorded of the erasure; None where it is one run's."""
    unnamed: int = 0
    """Texts that no event names, which were deleted too."""
    runs: set[str] = field(default_factory=set)
    adapters: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)
    """Hex ids of the trainings whose datasets hold them."""
    under_way: set[str] = field(default_factory=set)
    """Those of the target's runs that have not ended: more words may come."""
    plain: int = 0
    """Events of an earlier program that hold the person's name itself. They cannot be changed."""


class Search:
    """Looks for the target's words in the log's events, which go by in order."""

    def __init__(self, log: Log, target: Target) -> None:
        self.log = log
        self.target = target
        self.position = 0
        """Of the last event seen."""
        self.found = Words()
        self._own = {target.run} if target.run is not None else set()  # runs all of whose words are the target's
        self._actors: set[str] = set()  # the other people
        self._adapters: dict[str, set[tuple[str, str]]] = {}  # to the other runs that had the adapter, and their actors
        self._forgotten: set[str | None] = set()  # runs and people
        self._learn_names()
        if target.person is not None:
            # A log of an earlier program has names without keys: then a new key stands for the person, with no text.
            self.found.person = min(self.found.names, default=str(keep(target.person, "the person's name")))

    def go_on(self, connection: sqlite3.Connection | None = None) -> bool:
        """See the events up to the log's end; whether they name more words of the target.

        On a connection that is given, all but the last event, which its own transaction has just stored. Raises ``LogError``.
        """
        before, last = len(self.found.keys), None
        if connection is not None:
            last = connection.execute("SELECT MAX(position) - 1 FROM stored_events").fetchone()[0]
        self._scan(last, connection)
        while self._learn_names():
            self._scan(last, connection)
        self.found.keys -= self._shared() - self.found.names
        return len(self.found.keys) > before

    def _learn_names(self) -> bool:
        """Look up the keys of the person's name; whether there is a new one, for which all events are to be seen again."""
        if self.target.person is None:
            return False
        with self.log.reading() as connection:
            rows = connection.execute("SELECT key FROM names WHERE name = ?", (self.target.person,)).fetchall()
        new = {key for (key,) in rows} - self.found.names
        self.found.names |= new
        self.found.keys |= new
        if new:
            self.position = self.found.plain = 0
            self._actors.clear()
        return bool(new)

    def _scan(self, last: int | None, connection: sqlite3.Connection | None) -> None:
        for position, event in self.log.scan(self.position + 1, last, _HEARD, connection):
            assert isinstance(event, Event)
            self._see(event)
            self.position = position

    def _see(self, event: Event) -> None:
        is_theirs = event.actor in self.found.names or event.actor == self.target.person
        run = event.run if isinstance(event, ExamplesSynthesized) else event.originator_id.hex
        if isinstance(event, TaskStarted) and is_theirs:
            self._own.add(run)
        if run not in self._own and not is_theirs:
            self._note_names(run, event)
            return
        if isinstance(event, TaskStarted):
            self.found.under_way.add(run)
        elif isinstance(event, TaskSucceeded | TaskFailed):
            self.found.under_way.discard(run)
        self.found.plain += event.actor == self.target.person and event.actor not in OWN_NAMES
        documents = event.TEXTS if isinstance(event, SAID) else ()
        if not is_theirs:
            self._actors.add(event.actor)
        named = {key for name in (*documents, *event.WORDS) if name != "actor" for key in keys_in(getattr(event, name))}
        keys = {key for key in named if self.log.has_content(key)}
        self.found.keys |= keys
        if keys and isinstance(event, SAID) and not isinstance(event, ExamplesImported):
            self.found.runs.add(run)

    def _note_names(self, run: str, event: Event) -> None:
        """Note the names in an event that is not the target's: the target may share them."""
        self._actors.add(event.actor)
        if isinstance(event, TaskStarted):
            for key in keys_in(event.adapter):
                self._adapters.setdefault(key, set()).add((run, event.actor))
        if isinstance(event, ContentErased):
            self._forgotten |= {event.run, event.person}

    def _shared(self) -> set[str]:
        """Names of other people, and of adapters that other runs had which were not forgotten."""
        gone = self._forgotten
        adapters = {key for key, held in self._adapters.items() if any(gone.isdisjoint(it) for it in held)}
        return self._actors | adapters


_HEARD = frozenset(EVENTS)


def find_words(log: Log, target: Target) -> Words:
    """Look through the whole log for the target's words. Raises ``LogError``."""
    search = Search(log, target)
    search.go_on()
    _trace_lessons(log, search.found)
    return search.found


def erase(ledger: Ledger, target: Target, reason: str, actor: str) -> Words:
    """Delete the target's words and record it, in one transaction, then rid the files of what is left of them.

    What another process stores until then is deleted too. Where there are none (any more) nothing is recorded, but the files
    are gone over all the same: that finishes an erasure that was interrupted. Raises ``NotPossible`` without a reason,
    ``BadText``, ``LogError``.
    """
    search = Search(ledger, target)
    for _ in range(RACES):
        search.go_on()
        _trace_lessons(ledger, search.found)
        if not search.found.keys or _delete(ledger, search, reason, actor):
            break
    else:
        raise LogError(f"{ledger.path} is being written by too many at once; try again")
    search.found.unnamed = drop_unnamed(ledger)
    clean(ledger.path)
    return search.found


class _More(Exception):
    """The target's words were stored meanwhile."""


def _delete(ledger: Ledger, search: Search, reason: str, actor: str) -> bool:
    """Delete the words that were found, and record it; False where more of them were stored meanwhile."""
    words, target = search.found, search.target
    keys = sorted(words.keys)
    listed = keys if words.person is None else sorted({*keys, words.person})
    if actor == target.person and words.person is not None:
        actor = words.person  # the erasure must not store the name again
    erasure = ContentErasure(uuid4())
    erasure.erase(
        ledger.context(actor), run=target.run, person=words.person, runs=len(words.runs), texts=len(keys),
        adapters=words.adapters, reason=ledger.put(reason, "the reason") if reason.strip() else "",
        erased=ledger.put(json.dumps(listed)),
    )  # fmt: skip

    def delete(transaction: Transaction) -> None:
        if search.go_on(transaction.connection):
            raise _More
        transaction.connection.execute("PRAGMA secure_delete = ON")
        for key in keys:
            transaction.connection.execute("DELETE FROM content WHERE key = ?", (key,))
            transaction.connection.execute("DELETE FROM names WHERE key = ?", (key,))

    try:
        ledger.store(erasure, also=delete)
    except _More:
        return False
    return True


def drop_unnamed(ledger: Ledger) -> int:
    """Delete the texts that no event names, and say how many there were. Raises ``LogError``.

    Earlier programs stored a text before its event, and left it where they were stopped between the two.
    """
    with ledger.reading() as connection:
        connection.execute("BEGIN")
        try:
            unnamed = find_unnamed(connection)
        finally:
            connection.execute("ROLLBACK")

    def delete(transaction: Transaction) -> None:
        transaction.connection.execute("PRAGMA secure_delete = ON")
        transaction.connection.executemany("DELETE FROM content WHERE key = ?", [(key,) for key in unnamed])

    if unnamed:
        ledger.change(delete)
    return len(unnamed)


def clean(path: Path) -> None:
    """Rewrite the log's file and empty its write-ahead log, so that no page holds a byte of what was deleted.

    Raises ``LogError`` while another process reads, and without room for the file once more: what was deleted is deleted,
    but bytes of it may be left in the files.
    """
    left = f"the words are erased, but bytes of them may be left in the files of {path}"
    try:
        with closing(connect(path)) as connection:
            connection.execute("VACUUM")
            end = time.monotonic() + READERS_S
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > end:
                    raise LogError(f"{left}: another process reads it; end it and give the same command again")
    except sqlite3.Error as error:
        raise LogError(f"{left} ({error}); make room for the log twice over and give the same command again") from error


def drop_datasets(folder: Path, trainings: list[str]) -> None:
    """Delete the dataset files of these trainings; what is needed again is written anew from the log, without the words."""
    for training in trainings:
        (folder / "trainings" / training / "dataset.jsonl").unlink(missing_ok=True)


def _trace_lessons(log: Log, words: Words) -> None:
    """Note the trainings that used one of the runs, and those that went on from their adapters."""
    words.trainings, words.adapters = [], []
    for use in _taught_by(read_datasets(log), words):
        words.trainings.append(use.training)
        if use.adapter is not None:
            words.adapters.append(use.adapter)


def _taught_by(datasets: list[TrainingUse], words: Words) -> list[TrainingUse]:
    found: list[TrainingUse] = []
    tainted: set[str] = set()
    for dataset in datasets:
        uses = any(row["run"] in words.runs for row in dataset.examples or ())
        if uses or dataset.goes_on_from in tainted:
            found.append(dataset)
            if dataset.adapter is not None:
                tainted.add(dataset.adapter)
    return found
