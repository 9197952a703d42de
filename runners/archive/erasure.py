"""Erasing texts for good: from the content store, every page of the log's file, its write-ahead log, and the datasets.

Events name texts and people only by salted hashes, so events stay unchanged, and so does the proof over them. What an
adapter has learnt from the texts is in its weights; such adapters are named, so that they can be trained again without
the texts.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from eventsourcing.persistence import IntegrityError

from ...adapters.data.media_files import FOLDER
from ...domain.aggregates.base import OWN_NAMES
from ...domain.aggregates.erasure import ContentErasure
from ...domain.errors import LogError
from ...domain.events import (
    EVENTS,
    ContentErased,
    Event,
    ExamplesImported,
    ExamplesSynthesized,
    PolicyChanged,
    StepTaken,
    TaskCorrected,
    TaskEnded,
    TaskGraded,
    TaskStarted,
)
from ...domain.events.base import keys_in
from ...domain.page.media import words_of
from ...domain.page.tools import read_stored
from ...domain.settings.keys import without_role
from ...domain.settings.running import TEXT_SETTINGS
from ...projections.explain.provenance import TrainingUse, read_datasets
from ..store.ledger import Ledger
from ..store.log import Log
from ..store.port import Rows, in_parts
from ..store.texts.ahead import LogAhead
from ..store.texts.content import SAID, find_unnamed
from ..store.texts.words import forget_pictures, keep
from ..store.writer import Transaction

PART = 1_000
"""Events that are read before their texts are looked up together; chosen: their texts take a few MB."""


@dataclass(frozen=True)
class Target:
    """Whose texts to erase: one run's, or everything that a person wrote or imported. Exactly one field is set."""

    run: str | None = None
    """Hex id."""
    person: str | None = None
    """The person's name."""


@dataclass
class Words:
    """The texts to erase, by their keys; the runs that lose texts; the adapters that learnt from them."""

    keys: set[str] = field(default_factory=set)
    names: frozenset[str] = frozenset()
    """The content keys of the person's name."""
    person: str | None = None
    """The content key that stands for the person in the recorded erasure; None for one run's texts."""
    unnamed: int = 0
    """Number of texts that no event names; they are deleted too."""
    runs: set[str] = field(default_factory=set)
    adapters: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)
    """Hex ids of the trainings whose datasets hold the texts."""
    under_way: set[str] = field(default_factory=set)
    """The target's runs that have not ended: they may get more texts."""
    plain: int = 0
    """Number of events of an earlier program that hold the person's name itself. They cannot be changed."""
    traces: str = ""
    """Why bytes of the texts may remain in the database's files, and what to do; empty where none remain."""


class Search:
    """A search for the target's texts in the log's events, in order."""

    def __init__(self, log: Log, target: Target) -> None:
        self.log = log
        self.target = target
        self.position = 0
        """Position of the last event seen."""
        self.found = Words()
        self._ahead = LogAhead(log)
        self._own = {target.run} if target.run is not None else set()  # runs whose texts are all the target's
        self._actors: set[str] = set()  # the other people
        self._adapters: dict[str, set[tuple[str, str]]] = {}  # by adapter: the other runs with it, and their actors
        self._forgotten: set[str | None] = set()  # runs and people
        self._instructions: set[str] = set()  # texts of settings: runs name them, and one run's erasure spares them
        self._conversations: dict[str, set[str]] = {}  # by session of the target: what was said in its own turns
        self._turns: dict[str, str] = {}  # the target's runs in these sessions
        self._listeners: dict[str, str] = {}  # others' runs in these sessions, which may have been asked with it
        self._learn_names()
        if target.person is not None:
            # A log of an earlier program has names without keys: then a new key without text stands for the person.
            self.found.person = min(self.found.names, default=str(keep(target.person, "the person's name")))

    def go_on(self, connection: Rows | None = None) -> bool:
        """Read the events up to the log's end; return whether they name more texts of the target.

        On a given connection, all but the last event, which its own transaction has just stored. Raises ``LogError``.
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
        """Look up the keys of the person's name; whether there is a new one, after which all events must be read again."""
        if self.target.person is None:
            return False
        key = self.log.find_name(self.target.person)
        new = ({key} if key is not None else set()) - self.found.names
        self.found.names |= new
        self.found.keys |= new
        if new:
            self.position = self.found.plain = 0
            self._actors.clear()
        return bool(new)

    def _scan(self, last: int | None, connection: Rows | None) -> None:
        events = self.log.scan(self.position + 1, last, _TOPICS, connection)
        while part := [*islice(events, PART)]:
            self._ahead = LogAhead(self.log, (event for _, event in part if isinstance(event, Event)))
            for position, event in part:
                assert isinstance(event, Event)
                self._see(event)
                self.position = position

    def _see(self, event: Event) -> None:
        is_theirs = event.actor in self.found.names or event.actor == self.target.person
        run = event.run if isinstance(event, ExamplesSynthesized) else event.originator_id.hex
        if isinstance(event, PolicyChanged):
            self._see_setting(event, is_theirs)
        if isinstance(event, TaskStarted) and is_theirs:
            self._own.add(run)
        if run not in self._own:
            self._see_listener(run, event)
        if run not in self._own and not is_theirs:
            self._note_names(run, event)
            return
        if run in self._own:
            self._note_turn(run, event)
        if isinstance(event, TaskStarted):
            self.found.under_way.add(run)
        elif isinstance(event, TaskEnded):
            self.found.under_way.discard(run)
        self.found.plain += event.actor == self.target.person and event.actor not in OWN_NAMES
        documents = event.TEXTS if isinstance(event, SAID) else ()
        if not is_theirs:
            self._actors.add(event.actor)
        named = {key for name in (*documents, *event.WORDS) if name != "actor" for key in keys_in(getattr(event, name))}
        keys = {key for key in named if self._ahead.has_content(key)}
        self.found.keys |= keys
        if keys and isinstance(event, SAID) and not isinstance(event, ExamplesImported):
            self.found.runs.add(run)

    def _see_setting(self, event: PolicyChanged, is_theirs: bool) -> None:
        """A person's own instructions are erased with the person's texts; those of others are kept."""
        if without_role(event.key) not in TEXT_SETTINGS:
            return
        if is_theirs and event.document is not None and self._ahead.has_content(event.document):
            self.found.keys.add(event.document)
        elif not is_theirs:
            self._instructions |= {*keys_in(event.document)}

    def _note_turn(self, run: str, event: Event) -> None:
        """Note what was said in a turn of the target, because later turns of the session were asked with it."""
        if isinstance(event, TaskStarted) and event.is_question and event.session is not None:
            self._turns[run] = event.session
            self._note_words(event.session, event.task)
        elif isinstance(event, StepTaken) and run in self._turns:
            self._note_words(self._turns[run], event.answer)
            self._note_calls(self._turns[run], event.tool_calls)

    def _note_words(self, session: str, key: str) -> None:
        words = self._ahead.get_content(key)
        if words is not None and words.strip():
            self._conversations.setdefault(session, set()).add(words_of(words))

    def _note_calls(self, session: str, key: str | None) -> None:
        if calls := read_stored(key, self._ahead.get_content):
            self._conversations.setdefault(session, set()).update(_arguments(calls))

    def _see_listener(self, run: str, event: Event) -> None:
        """Of a later turn of others in a session of the target: its prompt and its lessons, where they repeat the target."""
        if isinstance(event, TaskStarted) and event.is_question and event.session in self._conversations:
            self._listeners[run] = event.session
        if isinstance(event, ExamplesSynthesized) and run in self._listeners and run in self.found.runs:
            self.found.keys.add(event.examples)
        if isinstance(event, TaskGraded) and run in self._listeners and run in self.found.runs:
            self.found.keys |= {*keys_in(event.prompt), *keys_in(event.reason)}  # its prompt repeats that of the step
        key = event.prompt if isinstance(event, StepTaken) else getattr(event, "correction", None)
        if run not in self._listeners or not isinstance(event, StepTaken | TaskCorrected) or key is None:
            return
        said = self._ahead.get_content(key)
        if said is not None and self._conversations[self._listeners[run]] & _contents(json.loads(said)):
            self.found.keys.add(key)
            self.found.runs.add(run)

    def _note_names(self, run: str, event: Event) -> None:
        """Note the names in an event of others: the target may share them."""
        self._actors.add(event.actor)
        if isinstance(event, TaskStarted):
            for key in keys_in(event.adapter):
                self._adapters.setdefault(key, set()).add((run, event.actor))
        if isinstance(event, ContentErased):
            self._forgotten |= {event.run, event.person}

    def _shared(self) -> set[str]:
        """Names of other people, and of adapters that other, not erased runs had."""
        erased = self._forgotten
        adapters = {key for key, users in self._adapters.items() if any(erased.isdisjoint(user) for user in users)}
        return self._actors | adapters | self._instructions


def _contents(said: Any) -> set[str]:
    """The contents of all messages in a prompt, or in the prompts of a correction, and the arguments of calls in them."""
    if isinstance(said, dict) and isinstance(said.get("content"), str):
        return {words_of(said["content"]), *_arguments(said.get("tool_calls", []))}
    if isinstance(said, dict):
        return _contents(said.get("messages", []))
    return set().union(*map(_contents, said)) if isinstance(said, list) else set()


def _arguments(calls: Any) -> set[str]:
    """The arguments of the calls, without those of a call that has none: they say nothing."""
    return {call["function"]["arguments"] for call in calls} - {"{}"}


_TOPICS = frozenset(EVENTS)


def find_words(log: Log, target: Target) -> Words:
    """The target's texts in the whole log. Raises ``LogError``."""
    search = Search(log, target)
    search.go_on()
    _trace_lessons(log, search.found)
    return search.found


def erase(ledger: Ledger, target: Target, reason: str, actor: str) -> Words:
    """Delete the target's texts and record it, in one transaction; then remove their remains from the files.

    Texts that another process stores until then are deleted too. Where there are none, nothing is recorded, but the
    files are cleaned all the same: this finishes an interrupted erasure. Where they cannot be, ``traces`` says why, so
    that the caller goes on: datasets hold the texts too. Raises ``NotPossible`` without a reason, ``BadText``, ``LogError``.
    """
    search = Search(ledger, target)

    def find_and_delete() -> None:
        search.go_on()
        _trace_lessons(ledger, search.found)
        if search.found.keys:
            _delete(ledger, search, reason, actor)

    ledger.until_stored(find_and_delete)
    search.found.unnamed = drop_unnamed(ledger)
    try:
        ledger.database.rid_of_traces()
    except LogError as error:
        search.found.traces = str(error)
    return search.found


def _delete(ledger: Ledger, search: Search, reason: str, actor: str) -> None:
    """Delete the texts found, and record it. Raises ``IntegrityError`` where more of them were stored meanwhile."""
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
            raise IntegrityError("more texts of the target were stored meanwhile")
        ledger.database.shred(transaction.connection)
        for part, _ in in_parts(keys):
            for table in ("content", "names"):
                marks = ", ".join("?" * len(part))
                transaction.connection.execute(f"DELETE FROM {table} WHERE key IN ({marks})", part)
        forget_pictures(transaction.connection)

    ledger.store(erasure, also=delete)


def drop_unnamed(ledger: Ledger) -> int:
    """Delete the texts that no event names; return how many there were. Raises ``LogError``.

    Earlier programs stored a text before its event; a process killed in between left the text.
    """
    with ledger.database.snapshot() as rows:
        unnamed = find_unnamed(rows)

    def delete(transaction: Transaction) -> None:
        ledger.database.shred(transaction.connection)
        transaction.connection.executemany("DELETE FROM content WHERE key = ?", [(key,) for key in unnamed])
        forget_pictures(transaction.connection)

    if unnamed:
        ledger.change(delete)
    return len(unnamed)


def drop_dataset(folder: Path) -> None:
    """Delete the dataset in a training's folder; where it is needed again it is written from the log, without the texts."""
    (folder / "dataset.jsonl").unlink(missing_ok=True)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _trace_lessons(log: Log, words: Words) -> None:
    """Note the trainings that used one of the runs, and those that continued their adapters."""
    words.trainings, words.adapters = [], []
    for use in _taught_by(read_datasets(log), words):
        words.trainings.append(use.training)
        if use.adapter is not None:
            words.adapters.append(use.adapter)


def _taught_by(datasets: list[TrainingUse], words: Words) -> list[TrainingUse]:
    uses: list[TrainingUse] = []
    tainted: set[str] = set()
    for dataset in datasets:
        is_direct = any(row["run"] in words.runs for row in dataset.examples or ())
        if is_direct or dataset.goes_on_from in tainted:
            uses.append(dataset)
            if dataset.adapter is not None:
                tainted.add(dataset.adapter)
    return uses
