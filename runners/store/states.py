"""The state as of any position: one that is kept, which is a cache, and what came after it."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ...projections.state.state import HANDLED, State
from .log import Log
from .snapshots import load_moment


def load_state(log: Log, position: int | None = None) -> State:
    """The state as of the position (None: now): the newest kept one that is not later, and the tail folded onto it."""
    with _uninterrupted():
        return fold(log, load_snapshot(log, position), position)


def load_snapshot(log: Log, position: int | None = None) -> State:
    """The newest kept state that is not later than the position (None: now), a blank one where there is none."""
    with log.reading() as connection:
        try:
            kept = load_moment(connection, position)
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            kept = None  # A program without them wrote the log.
    return kept or State()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Without Python's search for cycles, which goes through all that the program holds for tens of ms; a fold makes none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def fold(log: Log, state: State, position: int | None = None) -> State:
    """The state after the log's events from its own position to the given one."""
    for at, event in log.scan(state.position + 1, position, HANDLED):
        state.apply(at, event)
    return state
