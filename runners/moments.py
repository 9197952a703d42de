"""The states that are kept for looking back: one every so many events, and of each only the parts that changed.

Row ``head`` at a position says of which rows its state is made: ``parts``, by name the position of each.
"""

from __future__ import annotations

import sqlite3

from ..domain.errors import LogError
from ..projections.parts import decode, encode
from ..projections.state import HEAD, VERSION, State

EVERY = 1_000
"""Events between two of them; chosen: half of them are folded in a few ms, and all kept take an eighth of the log's room.
With another number, raise ``VERSION``."""


def is_due(position: int) -> bool:
    """Whether the state as of the position is kept."""
    return position % EVERY == 0


def load_moment(connection: sqlite3.Connection, position: int | None = None) -> State | None:
    """The newest kept state that is not later than the position (None: of all), None where this program has none.

    Raises ``sqlite3.Error``, and ``LogError`` for what is damaged.
    """
    found = _head(connection, position)
    if found is None:
        return None
    _, head = found
    parts = decode(head)["parts"]
    return State.load({HEAD: head, **{name: _part(connection, name, kept) for name, kept in parts.items()}})


def save_moment(connection: sqlite3.Connection, state: State, schema: str = "main") -> None:
    """Keep the state, in a transaction of the caller's; the same twice changes nothing."""
    table, dumped = f"{schema}.moments", state.dump()
    head = decode(dumped.pop(HEAD))
    if is_of_another_program(connection, schema):
        connection.execute(f"DELETE FROM {table}")
    last = _head(connection, state.position - 1, schema)
    before, parts = decode(last[1])["parts"] if last is not None else {}, {}
    for name, part in sorted(dumped.items()):
        kept = before.get(name)
        is_as_before = kept is not None and _part(connection, name, kept, schema) == part
        parts[name] = kept if is_as_before else state.position
        if not is_as_before:
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (name, state.position, part))
    saved = encode({**head, "parts": parts})
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (HEAD, state.position, saved))


def is_of_another_program(connection: sqlite3.Connection, schema: str = "main") -> bool:
    """Whether the newest state was kept by a program that folds otherwise, or knows other facts; or cannot be read."""
    newest = _head(connection, None, schema)
    try:
        return newest is not None and decode(newest[1])["version"] != VERSION
    except LogError:
        return True


def _head(connection: sqlite3.Connection, position: int | None, schema: str = "main") -> tuple[int, bytes] | None:
    until = "" if position is None else f"AND position <= {position} "
    found: tuple[int, bytes] | None = connection.execute(
        f"SELECT position, state FROM {schema}.moments WHERE name = ? {until}ORDER BY position DESC LIMIT 1", (HEAD,)
    ).fetchone()
    return found


def _part(connection: sqlite3.Connection, name: str, position: int, schema: str = "main") -> bytes:
    found = connection.execute(
        f"SELECT state FROM {schema}.moments WHERE name = ? AND position = ?", (name, position)
    ).fetchone()
    return found[0] if found is not None else b""
