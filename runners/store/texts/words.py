"""Texts on their way into the log: each gets a content key, which carries the text until an event that names it is stored.

A text is stored in the transaction of its event, never before, and never without one. All texts pass this module, which
refuses text that is not valid Unicode.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from ....domain.events import Event
from ....domain.text import check_text
from ..log import Log, content_key
from ..port import Rows, in_parts, insert_rows
from ..writer import Transaction


class Key(str):
    """A content key that carries its text. Once the text is stored it is a key like any other."""

    text: str
    salt: bytes
    is_name: bool
    """Whether the text is the name of a person or thing: one name has one key."""
    is_stored: bool
    digest: str = ""
    """Of a picture: the SHA-256 of its text, under which the key is found again."""


SALTS_TOGETHER = 64
"""Salts that are fetched at once; chosen."""
KEEP_PICTURE = "INSERT INTO pictures VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET key = excluded.key"
_SALTS: list[bytes] = []
os.register_at_fork(after_in_child=_SALTS.clear)  # two processes never use one salt

_PLAIN = frozenset((str, int, float, bool, type(None), datetime, UUID))
"""The types of most field values, which are never keys."""
_LISTS = (tuple, list)


class NameKnown(Exception):
    """Another process gave the name a key first, or erased this one: use ``known`` in place of ``key``."""

    def __init__(self, key: Key, known: Key) -> None:
        super().__init__(key, known)
        self.key, self.known = key, known


def keep(text: str, what: str = "a text", *, is_name: bool = False) -> Key:
    """The text's key, a salted hash: after an erasure nothing remains that a guess could be compared with.

    ``what`` names the text in the error. Raises ``BadText``.
    """
    check_text(text, what)
    salt = _salt()
    return _make(content_key(salt, text), text, salt, is_name=is_name, is_stored=False)


def _salt() -> bytes:
    """16 random bytes. Many are fetched at once, because asking the system lets another thread run."""
    try:
        return _SALTS.pop()
    except IndexError:
        drawn = secrets.token_bytes(16 * SALTS_TOGETHER)
        _SALTS.extend(drawn[first : first + 16] for first in range(16, len(drawn), 16))
        return drawn[:16]


def digest_of(picture: str) -> str:
    """The SHA-256 of the picture's text."""
    return sha256(picture.encode()).hexdigest()


def find_picture(log: Log, digest: str) -> str | None:
    """The key of the stored picture with this digest; None without one."""
    with log.reading() as rows:
        find = "SELECT key FROM pictures WHERE digest = ?"
        row = log.database.if_table(lambda: rows.execute(find, (digest,)).fetchone())
    return None if row is None else str(row[0])


def forget_pictures(connection: Rows) -> None:
    """Remove the digests of pictures whose texts were deleted: a digest would confirm a guess."""
    connection.execute("DELETE FROM pictures WHERE key NOT IN (SELECT key FROM content)")


def known_name(key: str, name: str) -> Key:
    """The key of a stored name."""
    return _make(key, name, b"", is_name=True, is_stored=True)


def _make(key: str, text: str, salt: bytes, *, is_name: bool, is_stored: bool) -> Key:
    carrier = Key(key)
    carrier.text, carrier.salt, carrier.is_name, carrier.is_stored = text, salt, is_name, is_stored
    return carrier


def check_fields(event: Event) -> None:
    """Raise ``BadText`` for a field of the event that is not valid Unicode, at any depth."""
    for name, value in vars(event).items():
        for text in _texts_in(value):
            check_text(text, f"{name} of {event.TOPIC}")


def words_of(events: Iterable[Event]) -> list[Key]:
    """The keys with texts in the events, each once: those not stored yet, and all names."""
    keys: dict[Key, Key] = {}
    for event in events:
        _collect_keys(vars(event).values(), keys)
    return list(keys.values())


def _collect_keys(values: Iterable[Any], keys: dict[Key, Key]) -> None:
    """Add the keys among the values, at any depth. It runs for every event, so it skips plain values quickly."""
    for value in values:
        kind = type(value)
        if kind in _PLAIN or not value:
            continue
        if kind is Key:
            if value.is_name or not value.is_stored:
                keys[value] = value
        elif isinstance(value, dict):
            _collect_keys(value, keys)
            _collect_keys(value.values(), keys)
        elif isinstance(value, _LISTS):
            _collect_keys(value, keys)


def swap_key(event: Event, key: Key, known: Key) -> None:
    """Replace the key in the event by the known one. The event is not stored yet, so this changes no recorded fact."""
    for name in event.WORDS:
        vars(event)[name] = _swap(getattr(event, name), key, known)


def store_words(transaction: Transaction, keys: Sequence[Key]) -> None:
    """Store the texts in the transaction of the events that name them.

    A name that was erased meanwhile is not stored again under its old key, which earlier events hold. Raises ``NameKnown``.
    """
    connection = transaction.connection
    _store_names(connection, [key for key in keys if key.is_name])
    texts = {}
    for key in keys:
        if not key.is_stored:
            texts[str(key)] = (str(key), key.salt, key.text)
            if key.digest:
                connection.execute(KEEP_PICTURE, (key.digest, str(key)))
    insert_rows(connection, "INSERT INTO content", [*texts.values()], "ON CONFLICT (key) DO NOTHING")


def _store_names(connection: Rows, keys: Sequence[Key]) -> None:
    """Store the names that are new. Raises ``NameKnown``."""
    known = dict[str, str]()
    for part, marks in in_parts(sorted({key.text for key in keys})):
        known.update(connection.execute(f"SELECT name, key FROM names WHERE name IN (VALUES {marks})", part).fetchall())
    for key in keys:
        stored = known.get(key.text)
        if stored is not None and stored != key:
            raise NameKnown(key, known_name(stored, key.text))
        if stored is None and key.is_stored:
            raise NameKnown(key, keep(key.text, is_name=True))
        if stored is None:
            connection.execute("INSERT INTO names VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (key.text, str(key)))
            known[key.text] = str(key)


def _swap(value: Any, key: Key, known: Key) -> Any:
    if isinstance(value, Key):
        return known if value == key else value
    if isinstance(value, str):
        return value.replace(key, known)
    if isinstance(value, dict):
        return {name: _swap(inner, key, known) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_swap(inner, key, known) for inner in value)
    return value


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts_in(key)
            yield from _texts_in(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _texts_in(inner)
