"""The state as of any position: one that is saved, which is a cache, and what came after it.

The newest state is saved at each step of the process, and besides one every ten thousand events, for looking back.
"""

from __future__ import annotations

from ..projections.state import State
from .log import Log

CHECKPOINT = "state"

MOMENT = 10_000
"""Events between two states that are kept for looking back; chosen: half of them are folded in some 20 ms."""


def name_moment(position: int) -> str:
    """Under which the state as of the position is kept; names stand in the order of positions."""
    return f"{CHECKPOINT}@{position:012d}"


def load_state(log: Log, position: int | None = None) -> State:
    """The state as of the position (None: now): the newest saved one that is not later, and the tail folded onto it."""
    saved = log.load_checkpoint(CHECKPOINT)
    if position is not None and (saved is None or saved[0] > position):
        saved = log.load_checkpoint_until(name_moment(0), name_moment(position))
    state = State.load(saved[1]) if saved is not None else None
    return fold(log, state or State(), position)


def fold(log: Log, state: State, position: int | None = None) -> State:
    """The state after the log's events from its own position to the given one."""
    for recorded in log.read(state.position + 1, position):
        state.apply(recorded.position, recorded.event)
    return state
