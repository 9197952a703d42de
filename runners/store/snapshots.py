"""The states that are kept for looking back: one every so many events, and of each only the parts that changed.

Row ``head`` at a position says of which rows its state is made: ``parts``, by name the position of each.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple, TypeVar

import msgspec

from ...domain.errors import LogError
from ...projections.state.shards import damaged, decode, encode
from ...projections.state.state import HEAD, VERSION, State

EVERY = 100
"""Events between two of them; chosen: half of them are folded in less than a ms, and all kept take a seventh of the log's
room. With another number, raise ``VERSION``."""


def is_due(position: int) -> bool:
    """Whether the state as of the position is kept."""
    return position % EVERY == 0


def load_moment(connection: sqlite3.Connection, position: int | None = None) -> State | None:
    """The newest kept state that is not later than the position (None: of all), None where this program has none.

    Raises ``sqlite3.Error``, and ``LogError`` for what is damaged.
    """
    found = _find_head(connection, position)
    if found is None or _read(found, _Versioned).version != VERSION:
        return None
    places = _read(found, _Head).parts
    parts = _parts(connection, places)
    if lost := places.keys() - parts.keys():
        raise damaged(LookupError(f"part {min(lost)} is lost"))
    return State.load({HEAD: found, **parts})


class Snapshot(NamedTuple):
    """A state as it is kept: by name its parts, and where each was written."""

    position: int
    places: dict[str, int]
    parts: dict[str, bytes]


def save_snapshot(
    connection: sqlite3.Connection, state: State, schema: str = "main", before: Snapshot | None = None
) -> Snapshot | None:
    """Keep the state, in a transaction of the caller's; the same twice changes nothing.

    Where the one before it is not kept (any more), neither is this: whoever folds from there on will. Who has just kept that
    one, alone with the table, may give it: it is read otherwise.
    """
    table, dumped, position = f"{schema}.moments", state.dump(), state.position
    if before is None:
        if is_of_another_program(connection, schema):
            connection.execute(f"DELETE FROM {table}")
        before = _find_before(connection, position, schema)
    if before is None or before.position != position - EVERY:
        return None
    own, places = decode(dumped.pop(HEAD), dict[str, Any]), dict[str, int]()
    for name, part in sorted(dumped.items()):
        places[name] = before.places[name] if before.parts.get(name) == part else position
    rows = [(name, position, dumped[name]) for name, place in places.items() if place == position]
    rows.append((HEAD, position, encode({**own, "parts": places})))
    connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)
    return Snapshot(position, places, dumped)


def _find_before(connection: sqlite3.Connection, position: int, schema: str) -> Snapshot | None:
    """The newest state that is kept of before the position; nothing at 0 is before the first."""
    if position == EVERY:
        return Snapshot(0, {}, {})
    found = _find_head(connection, position - 1, schema)
    if found is None:
        return None
    head = _read(found, _Head)
    return Snapshot(head.position, head.parts, _parts(connection, head.parts, schema))


def is_last_kept(connection: sqlite3.Connection, position: int) -> bool:
    """Whether the last state that was to be kept up to the position is; none is where the log is short."""
    due = position // EVERY * EVERY
    kept = "SELECT 1 FROM moments WHERE name = ? AND position = ?"
    return due == 0 or connection.execute(kept, (HEAD, due)).fetchone() is not None


def is_of_another_program(connection: sqlite3.Connection, schema: str = "main") -> bool:
    """Whether the newest state was kept by a program that folds otherwise, or knows other facts; or cannot be read."""
    newest = _find_head(connection, None, schema)
    try:
        return newest is not None and _read(newest, _Head).version != VERSION
    except LogError:
        return True


class _Versioned(msgspec.Struct):
    version: str


class _Head(_Versioned):
    position: int
    parts: dict[str, int]


S = TypeVar("S", bound=_Versioned)


def _read(head: bytes, form: type[S]) -> S:
    try:
        return msgspec.json.decode(head, type=form)
    except (msgspec.DecodeError, UnicodeError, TypeError) as error:
        raise damaged(error) from error


def _find_head(connection: sqlite3.Connection, position: int | None, schema: str = "main") -> bytes | None:
    until = "" if position is None else f"AND position <= {position} "
    found = connection.execute(
        f"SELECT state FROM {schema}.moments WHERE name = ? {until}ORDER BY position DESC LIMIT 1", (HEAD,)
    ).fetchone()
    return found[0] if found is not None else None


def _parts(connection: sqlite3.Connection, places: dict[str, int], schema: str = "main") -> dict[str, bytes]:
    """The parts by name, each as it was kept at its position."""
    found = connection.execute(
        f"SELECT name, state FROM json_each(?) AS place CROSS JOIN {schema}.moments AS it "
        "ON it.name = place.key AND it.position = place.value",
        (encode(places).decode(),),
    )
    return dict(found.fetchall())
