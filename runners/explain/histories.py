"""Histories that pages show again and again: each is kept, and follows the log on from where it was."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from threading import Lock

from ...projections.explain.history import History
from ...projections.state.state import State
from ..store.log import Log
from ..store.states import load_state

KEPT = 8
"""Histories that are kept, the newest used; chosen: each holds one state of the log in memory."""

MOST_LOOKS = 1000
"""Looks at a canary that are kept at least, spread over its time; chosen: a curve is no wider on any screen."""


@dataclass
class _Followed:
    history: History
    lock: Lock = field(default_factory=Lock)


_followed: OrderedDict[tuple[object, ...], _Followed] = OrderedDict()
_choosing = Lock()


@contextmanager
def following(
    log: Log,
    role: str,
    rollout: str | None = None,
    keys: frozenset[str] = frozenset(),
    *,
    first: int = 1,
    last: int | None = None,
) -> Iterator[History]:
    """The history as of now, from the position ``first`` to ``last`` or to the end, with names in words.

    Of many looks at a canary only some are kept. It does not change while the block runs, so one thread at a time uses it.
    """
    followed = _choose(log, role, rollout, keys, first)
    with followed.lock:
        history = followed.history
        if history.state.position > log.position:  # another log was put in its place
            history = followed.history = _begin(log, role, rollout, keys, first)
        for recorded in log.read(history.state.position + 1, last):
            history.follow(recorded.position, recorded.event)
            if len(history.looks) > 2 * MOST_LOOKS:
                del history.looks[1:-1:2]
        shown = copy(history)
        # The kept one has keys in place of names, because a name can be erased at any time.
        shown.marks = [replace(mark, text=log.say(mark.text)) for mark in history.marks]
        yield shown


def _choose(log: Log, role: str, rollout: str | None, keys: frozenset[str], first: int) -> _Followed:
    wanted = (log.label, role, rollout, keys, first)
    with _choosing:
        followed = _followed.get(wanted)
        if followed is None:
            followed = _followed[wanted] = _Followed(_begin(log, role, rollout, keys, first))
        _followed.move_to_end(wanted)
        while len(_followed) > KEPT:
            _followed.popitem(last=False)
        return followed


def _begin(log: Log, role: str, rollout: str | None, keys: frozenset[str], first: int) -> History:
    state = load_state(log, first - 1) if first > 1 else State()
    return History(role, rollout, keys, state)
