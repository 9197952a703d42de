"""The log as JSON Lines, out and in, exact to the byte: for other programs, for archives, and for moving it.

The first line says how many lines of what follow, the root of the log's tree and how far each follower has come; then the
texts of the content store by their keys, each with its salt, so that its hash can be checked; then the events by position,
their states as they are stored. What is computed from the log is left out, for it is computed again. Adapter weights are no
part of the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import msgspec

from ...domain.errors import LogError
from ...domain.events.base import names_in
from ...domain.merkle import Tree
from ...projections.state.state import State
from ..store.codec import decode
from ..store.connection import connect, explain
from ..store.locks import WriteLock
from ..store.log import COLUMNS, Log, check_content, content_key
from ..store.snapshots import is_due, save_snapshot
from ..store.writer import Transaction, read_tree

FORM = 1
"""Raised when a line changes its meaning."""


class Opening(msgspec.Struct, tag_field="kind", tag="log", forbid_unknown_fields=True):
    """The first line."""

    form: int
    events: int
    content: int
    root: str
    """The root of the tree over the events, in hex: it holds each in its place."""
    followers: dict[str, int]
    """By name, the position that each has come to."""


class Text(msgspec.Struct, tag_field="kind", tag="content", forbid_unknown_fields=True):
    """A text of the content store; ``key`` is ``sha256:`` and the hash of salt and text, ``salt`` hex."""

    key: str
    salt: str
    text: str


class Stored(msgspec.Struct, tag_field="kind", tag="event", forbid_unknown_fields=True):
    """An event; ``id`` and ``version`` are its aggregate's id, hex, and its place there, from 1; ``state`` as stored."""

    position: int
    id: str
    version: int
    topic: str
    state: str


_READ = msgspec.json.Decoder(Opening | Text | Stored)


@dataclass(frozen=True)
class Exchanged:
    """What was written or read: counts of events and of texts."""

    events: int
    content: int


def export_log(log: Log, out: BinaryIO) -> Exchanged:
    """Write the log, as it is at one moment, while others may go on writing to it.

    Raises ``LogError`` where the log is damaged or holds what this program does not know: what is written can be imported.
    """
    try:
        with closing(connect(log.path, "ro")) as connection:
            connection.execute("BEGIN")
            head = _head(connection)
            encoder = msgspec.json.Encoder()
            for it in chain([head], _texts(connection), _events(connection)):
                out.write(encoder.encode(it) + b"\n")
    except sqlite3.Error as error:
        raise explain(log.path, error) from error
    return Exchanged(head.events, head.content)


def import_log(log: Log, lines: Iterable[bytes]) -> Exchanged:
    """Store what was exported in the empty log, all of it or nothing, and the states that are kept of it.

    Raises ``LogError`` where the log is not empty, and for the first line that is not as it was written, by its number.
    """
    with _storing(log) as transaction:
        reader, state = _Reader(transaction), State()
        for number, line in enumerate(lines, 1):
            try:
                reader.take(line, state)
            except (msgspec.DecodeError, sqlite3.IntegrityError, UnicodeError, LogError, ValueError) as error:
                raise LogError(f"line {number} is not of an exported log: {error}; nothing was imported") from error
        head = reader.finish()
    return Exchanged(head.events, head.content)


class _Reader:
    """Takes in line after line, each checked before it is stored."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.connection = transaction.connection
        self.head: Opening | None = None
        self.texts = self.position = 0
        self.names: set[str] = set()
        """The content keys of names."""

    def take(self, line: bytes, state: State) -> None:
        """Store the line's text or event. Raises ``ValueError`` for one that is not as it was written."""
        it = _READ.decode(line)
        if isinstance(it, Opening) != (self.head is None):
            raise ValueError("the first line says what follows, and no other does; give the whole file")
        match it:
            case Opening():
                self._begin(it)
            case Text():
                self._keep(it)
            case Stored():
                self._store(it, state)

    def finish(self) -> Opening:
        """The first line. Raises ``LogError`` where fewer or more lines came than it says."""
        if self.head is None:
            raise LogError("there is no line to import; give what 'grokputer log export' wrote")
        wanted, there = (self.head.events, self.head.content), (self.position, self.texts)
        if wanted != there:
            raise LogError(
                f"the file has {there[0]} events and {there[1]} texts, its first line says {wanted[0]} and {wanted[1]}: it was "
                "cut or joined; nothing was imported"
            )
        if (root := self.transaction.tree.root().hex()) != self.head.root:
            raise LogError(
                f"the events have the root {root[:19]}, the first line says {self.head.root[:19]}; nothing was imported"
            )
        self.connection.executemany(
            "INSERT OR IGNORE INTO names SELECT text, key FROM content WHERE key = ?",
            ((name,) for name in sorted(self.names)),
        )
        return self.head

    def _begin(self, head: Opening) -> None:
        if head.form != FORM:
            raise ValueError(f"it is of form {head.form}, this program knows {FORM}; upgrade grokputer to read it")
        self.head = head
        for name, position in head.followers.items():
            if not 0 <= position <= head.events:
                raise ValueError(f"follower {name} cannot have come to {position} of {head.events} events")
            self.connection.execute(
                "INSERT INTO tracking (application_name, notification_id) VALUES (?, ?)", (name, position)
            )

    def _keep(self, it: Text) -> None:
        salt = bytes.fromhex(it.salt)
        if it.key != content_key(salt, it.text):
            raise ValueError(f"its text is not the one of {it.key[:19]}: the hashes differ")
        self.connection.execute("INSERT INTO content (key, salt, text) VALUES (?, ?, ?)", (it.key, salt, it.text))
        self.texts += 1

    def _store(self, it: Stored, state: State) -> None:
        if it.position != self.position + 1:
            raise ValueError(f"it has position {it.position} after {self.position}; positions are 1, 2, 3 and so on")
        raw = it.state.encode()
        event = decode(it.topic, it.id, it.version, raw)
        if event.originator_id.hex != it.id or it.version < 1:
            raise ValueError(f"{it.id}/{it.version} is not an aggregate's id, in 32 hex digits, and a version from 1")
        self.transaction.append([(it.id, it.version, it.topic, raw)])
        self.names.update(names_in(event))
        state.apply(it.position, event)
        if is_due(it.position):
            save_snapshot(self.connection, state)
        self.position = it.position


def _head(connection: sqlite3.Connection) -> Opening:
    events, content = (
        connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("stored_events", "content")
    )
    rows = connection.execute("SELECT application_name, notification_id FROM tracking ORDER BY application_name")
    return Opening(FORM, events, content, read_tree(connection).root().hex(), dict(rows.fetchall()))


def _texts(connection: sqlite3.Connection) -> Iterator[Text]:
    for key, salt, text in connection.execute("SELECT key, salt, text FROM content ORDER BY key"):
        yield Text(key, salt.hex(), check_content(key, salt, text))


def _events(connection: sqlite3.Connection) -> Iterator[Stored]:
    wanted = 1
    for position, id, version, topic, state in connection.execute(
        f"SELECT {COLUMNS} FROM stored_events ORDER BY position"
    ):
        if position != wanted:
            raise LogError(f"the log lacks the event at position {wanted}; restore it from a backup")
        decode(topic, id, version, state)
        yield Stored(position, id, version, topic, state.decode())
        wanted += 1


@contextmanager
def _storing(log: Log) -> Iterator[Transaction]:
    """A transaction on the empty log: it is kept where the block ends well. Raises ``LogError`` where it is not empty."""
    try:
        with closing(WriteLock(log.path)) as lock, lock, closing(connect(log.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            head = _head(connection)
            if head.events or head.content:
                raise LogError(
                    f"{log.path} holds {head.events} events already; import into a new log, made with --db and a new name"
                )
            connection.execute("DELETE FROM tracking")
            connection.execute("DELETE FROM checkpoints")
            connection.execute("DELETE FROM moments")
            yield Transaction(connection, Tree())
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise explain(log.path, error) from error
