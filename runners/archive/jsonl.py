"""The log as JSON Lines, exported and imported byte for byte: for other programs, for archives, and for moving it.

The first line states the number of lines of each kind, the root of the log's tree, and the position of each follower.
Then come the texts of the content store by their keys, each with its salt, so that its hash can be verified; then the
events by position, with their states as stored. Views are left out, because they can be computed again. Adapter weights
are not part of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, BinaryIO

import msgspec

from ...domain.errors import Hint, LogError
from ...domain.events.base import names_in
from ...projections.state.state import State
from ..store.codec import check_numbers, decode
from ..store.log import Log, check_content, content_key
from ..store.port import COLUMNS, LARGEST, Rows, pages
from ..store.snapshots import is_due, save_snapshot
from ..store.writer import Transaction, Writer, read_tree

FORM = 1
"""Raised when a line changes its meaning."""

Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
"""A number that both stores have room for."""


class Opening(msgspec.Struct, tag_field="kind", tag="log", forbid_unknown_fields=True):
    """The first line."""

    form: int
    events: Count
    content: Count
    root: str
    """The root of the tree over the events, in hex; it commits to each event's place."""
    followers: dict[str, Count]
    """The position of each follower, by name."""


class Text(msgspec.Struct, tag_field="kind", tag="content", forbid_unknown_fields=True):
    """A text of the content store; ``key`` is ``sha256:`` and the hash of salt and text, ``salt`` hex."""

    key: str
    salt: str
    text: str


class Stored(msgspec.Struct, tag_field="kind", tag="event", forbid_unknown_fields=True):
    """An event; ``id`` and ``version`` are its aggregate's id, hex, and its number there, from 1; ``state`` as stored."""

    position: Count
    id: str
    version: Count
    topic: str
    state: str


_READ = msgspec.json.Decoder(Opening | Text | Stored)


@dataclass(frozen=True)
class Exchanged:
    """Counts of the events and texts that were written or read."""

    events: int
    content: int


def export_log(log: Log, out: BinaryIO) -> Exchanged:
    """Write the log as of one moment, while others may write to it.

    Raises ``LogError`` where the log is damaged or holds unknown events, so that every export can be imported.
    """
    with log.database.snapshot() as rows:
        head = _head(rows)
        encoder = msgspec.json.Encoder()
        for line in chain([head], _texts(rows), _events(rows)):
            out.write(encoder.encode(line) + b"\n")
    return Exchanged(head.events, head.content)


def import_log(log: Log, lines: Iterable[bytes]) -> Exchanged:
    """Store the exported lines in the empty log, all or nothing, with its snapshots.

    Raises ``LogError`` where the log is not empty, and with the number of the first invalid line.
    """

    def work(transaction: Transaction) -> Opening:
        _empty(log, transaction.connection)
        reader, state = _Reader(transaction), State()
        for number, line in enumerate(lines, 1):
            try:
                reader.take(line, state)
            except Exception as error:
                if not (isinstance(error, WRONG) or log.database.is_conflict(error)):
                    raise
                [reason, *_] = str(error).splitlines() or [type(error).__name__]  # PostgreSQL adds details
                raise LogError(
                    f"line {number} is not a line of an exported log: {reason}; nothing was imported"
                ) from error
        return reader.finish()

    with log.database.explained(), closing(Writer(log.database)) as writer:
        head = writer.do(work)
    return Exchanged(head.events, head.content)


WRONG = (msgspec.DecodeError, UnicodeError, LogError, ValueError, RecursionError)
"""The errors of a line that is not one of an exported log."""


class _Reader:
    """Reads line after line; each is verified before it is stored."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.connection = transaction.connection
        self.head: Opening | None = None
        self.texts = self.position = 0
        self.names: set[str] = set()
        """The content keys of names."""

    def take(self, line: bytes, state: State) -> None:
        """Store the line's text or event. Raises ``ValueError`` for an invalid line."""
        item = _READ.decode(line)
        if isinstance(item, Opening) != (self.head is None):
            raise ValueError("the first line, and no other, states the counts; give the whole file")
        match item:
            case Opening():
                self._begin(item)
            case Text():
                self._keep(item)
            case Stored():
                self._store(item, state)

    def finish(self) -> Opening:
        """The first line. Raises ``LogError`` where the number of lines differs from its counts."""
        if self.head is None:
            raise LogError("the file has no line to import", hint=Hint.EXPORT_LOG)
        expected, found = (self.head.events, self.head.content), (self.position, self.texts)
        if expected != found:
            raise LogError(
                f"the file has {found[0]} events and {found[1]} texts, its first line says {expected[0]} and {expected[1]}: it "
                "was cut or joined; nothing was imported"
            )
        if (root := self.transaction.tree.root().hex()) != self.head.root:
            raise LogError(
                f"the events have the root {root[:19]}, the first line says {self.head.root[:19]}; nothing was imported"
            )
        self.connection.executemany(
            "INSERT INTO names SELECT text, key FROM content WHERE key = ? ON CONFLICT (name) DO NOTHING",
            ((name,) for name in sorted(self.names)),
        )
        return self.head

    def _begin(self, head: Opening) -> None:
        if head.form != FORM:
            raise ValueError(
                f"it has format version {head.form}, this program knows {FORM}; upgrade grokputer to read it"
            )
        self.head = head
        for name, position in head.followers.items():
            if not 0 <= position <= head.events:
                raise ValueError(f"follower {name} cannot be at {position} of {head.events} events")
            self.connection.execute(
                "INSERT INTO tracking (application_name, notification_id) VALUES (?, ?)", (name, position)
            )

    def _keep(self, text: Text) -> None:
        salt = bytes.fromhex(text.salt)
        if text.key != content_key(salt, text.text):
            raise ValueError(f"its text is not the one of {text.key[:19]}: the hashes differ")
        self.connection.execute("INSERT INTO content (key, salt, text) VALUES (?, ?, ?)", (text.key, salt, text.text))
        self.texts += 1

    def _store(self, stored: Stored, state: State) -> None:
        if stored.position != self.position + 1:
            raise ValueError(
                f"it has position {stored.position} after {self.position}; positions are 1, 2, 3 and so on"
            )
        raw = stored.state.encode()
        event = decode(stored.topic, stored.id, stored.version, raw)
        if event.originator_id.hex != stored.id or stored.version < 1:
            raise ValueError(
                f"{stored.id}/{stored.version} is not an aggregate's id, in 32 hex digits, and a version from 1"
            )
        check_numbers(event)
        self.transaction.append([(stored.id, stored.version, stored.topic, raw)])
        self.names.update(names_in(event))
        state.apply(stored.position, event)
        if is_due(stored.position):
            save_snapshot(self.connection, state)
        self.position = stored.position


def _head(connection: Rows) -> Opening:
    events, content = (
        connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("stored_events", "content")
    )
    rows = connection.execute("SELECT application_name, notification_id FROM tracking ORDER BY application_name")
    return Opening(FORM, events, content, read_tree(connection).root().hex(), dict(rows.fetchall()))


def _texts(connection: Rows) -> Iterator[Text]:
    for key, salt, text in pages(connection, "key, salt, text", "content", ""):
        yield Text(key, salt.hex(), check_content(key, salt, text))


def _events(connection: Rows) -> Iterator[Stored]:
    expected = 1
    for position, id, version, topic, state in pages(connection, COLUMNS, "stored_events", 0):
        if position != expected:
            raise LogError(f"the log lacks the event at position {expected}; restore it from a backup")
        decode(topic, id, version, state)
        yield Stored(position, id, version, topic, state.decode())
        expected += 1


def _empty(log: Log, rows: Rows) -> None:
    """Remove what a log without events may have. Raises ``LogError`` where it has some."""
    head = _head(rows)
    if head.events or head.content:
        raise LogError(
            f"{log.label} already holds {head.events} events; an import needs a new log", hint=Hint.NAME_NEW_LOG
        )
    for table in ("tracking", "checkpoints", "moments"):
        rows.execute(f"DELETE FROM {table}")
