"""The state as of any position: a snapshot, used as a cache, and the events after it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from ...projections.state.state import HANDLED, State
from .log import Log
from .snapshots import is_due, load_moment, save_snapshot
from .tables import PART


def load_state(log: Log, position: int | None = None) -> State:
    """The state as of the position (None: now): the newest usable snapshot, and the events after it folded in."""
    with _uninterrupted():
        return fold(log, load_snapshot(log, position), position)


def load_snapshot(log: Log, position: int | None = None) -> State:
    """The state from the newest snapshot not later than the position (None: now); a blank one where there is none."""
    with log.reading() as connection:
        return log.database.if_table(lambda: load_moment(connection, position)) or State()


def update_snapshots(log: Log) -> None:
    """Save the snapshots that are due after the newest one: none exist after an import, and in a log of another program.

    Raises ``LogError`` for a damaged one, and ``Unwritable``.
    """
    with _uninterrupted():
        state = load_snapshot(log)
        events = log.scan_to_fold(state.position + 1, None, HANDLED)
        while part := list(islice(events, PART)):
            with log.changing_views() as connection:
                before = None
                for position, event in part:
                    state.apply(position, event)
                    if is_due(position):
                        before = save_snapshot(connection, state, before=before)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Without Python's cyclic garbage collector, which would scan all objects for tens of ms; a fold makes no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def fold(log: Log, state: State, position: int | None = None) -> State:
    """The state after the events from its own position to the given one."""
    for place, event in log.scan_to_fold(state.position + 1, position, HANDLED):
        state.apply(place, event)
    return state
