"""Snapshots of the state: one every ``EVERY`` events, each with only the parts that changed.

The row ``head`` at a position lists, by name of the part, the position of the row that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from ...domain.errors import LogError
from ...projections.state.shards import damaged, decode, encode
from ...projections.state.state import HEAD, VERSION, State
from .port import Rows, in_parts

EVERY = 100
"""Events between two snapshots; chosen: folding half of them takes under a ms, and all snapshots take a seventh of the
log's size. Raise ``VERSION`` with any change of it."""


def is_due(position: int) -> bool:
    """Whether a snapshot is due at the position."""
    return position % EVERY == 0


def load_moment(connection: Rows, position: int | None = None) -> State | None:
    """The state from the newest snapshot not later than the position (None: of all); None where this program has none.

    Raises errors of the database, and ``LogError`` for a damaged snapshot.
    """
    head = _find_head(connection, position)
    if head is None or decode(head, _Versioned).version != VERSION:
        return None
    places = decode(head, _Head).parts
    parts = _parts(connection, places)
    if lost := places.keys() - parts.keys():
        raise damaged(LookupError(f"part {min(lost)} is lost"))
    return State.load({HEAD: head, **parts})


class Snapshot(NamedTuple):
    """A saved state: its parts by name, and the position of each part's row."""

    position: int
    places: dict[str, int]
    parts: dict[str, bytes]


def save_snapshot(connection: Rows, state: State, prefix: str = "", before: Snapshot | None = None) -> Snapshot | None:
    """Save a snapshot of the state, in the caller's transaction. Idempotent.

    It is not saved where the snapshot before it is missing: a later fold from there will save both. A caller that has
    just saved that one, without releasing the table, may pass it as ``before``; otherwise it is read.
    """
    table, position = f"{prefix}moments", state.position
    if before is None:
        if is_of_another_program(connection, prefix):
            connection.execute(f"DELETE FROM {table}")
        before = find_before(connection, position, prefix)
    if before is None or before.position != position - EVERY:
        return None
    rows, snapshot = next_snapshot(state, before)
    replace = "ON CONFLICT (name, position) DO UPDATE SET state = excluded.state"
    connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?) {replace}", rows)
    return snapshot


Part = tuple[str, int, bytes]
"""A row of a snapshot: the name of the part, its position, and its bytes."""


def next_snapshot(state: State, before: Snapshot) -> tuple[list[Part], Snapshot]:
    """The snapshot of the state, and the rows that it adds to the one before it."""
    dumped, position = state.dump(), state.position
    own, places = decode(dumped.pop(HEAD), dict[str, Any]), dict[str, int]()
    for name, part in sorted(dumped.items()):
        places[name] = before.places[name] if before.parts.get(name) == part else position
    rows = [(name, position, dumped[name]) for name, place in places.items() if place == position]
    rows.append((HEAD, position, encode({**own, "parts": places})))
    return rows, Snapshot(position, places, dumped)


def are_kept(connection: Rows, rows: Sequence[Part]) -> bool:
    """Whether all these rows are kept, with these bytes."""
    kept = 0
    for part, marks in in_parts(rows, 3):
        kept += connection.execute(
            f"WITH own (name, position, state) AS (VALUES {marks}) SELECT COUNT(*) FROM own CROSS JOIN moments AS live "
            "WHERE live.name = own.name AND live.position = own.position AND live.state = own.state",
            [*chain.from_iterable(part)],
        ).fetchone()[0]
    return kept == len(rows)


def find_before(connection: Rows, position: int, prefix: str = "") -> Snapshot | None:
    """The newest snapshot before the position; at position 0 an empty one."""
    if position <= EVERY:
        return Snapshot(0, {}, {})
    head = _find_head(connection, position - 1, prefix)
    if head is None:
        return None
    latest = decode(head, _Head)
    return Snapshot(latest.position, latest.parts, _parts(connection, latest.parts, prefix))


def is_last_kept(connection: Rows, position: int) -> bool:
    """Whether the last snapshot due up to the position exists; True where none is due yet."""
    due = position // EVERY * EVERY
    kept = "SELECT 1 FROM moments WHERE name = ? AND position = ?"
    return due == 0 or connection.execute(kept, (HEAD, due)).fetchone() is not None


def is_of_another_program(connection: Rows, prefix: str = "") -> bool:
    """Whether the newest snapshot is of a program with another fold or other events, or is unreadable."""
    newest = _find_head(connection, None, prefix)
    try:
        return newest is not None and decode(newest, _Head).version != VERSION
    except LogError:
        return True


class _Versioned(msgspec.Struct):
    version: str


class _Head(_Versioned):
    position: int
    parts: dict[str, int]


def _find_head(connection: Rows, position: int | None, prefix: str = "") -> bytes | None:
    until = "" if position is None else f"AND position <= {position} "
    row = connection.execute(
        f"SELECT state FROM {prefix}moments WHERE name = ? {until}ORDER BY position DESC LIMIT 1", (HEAD,)
    ).fetchone()
    return row[0] if row is not None else None


def _parts(connection: Rows, places: dict[str, int], prefix: str = "") -> dict[str, bytes]:
    """The parts by name, each from its position."""
    found = dict[str, bytes]()
    for part, marks in in_parts([*places.items()], 2):
        rows = connection.execute(
            f"WITH place (name, position) AS (VALUES {marks}) SELECT part.name, part.state "
            f"FROM place CROSS JOIN {prefix}moments AS part "
            "WHERE part.name = place.name AND part.position = place.position",
            [*chain.from_iterable(part)],
        )
        found.update(rows.fetchall())
    return found
