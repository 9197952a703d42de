"""Events as they are listed: each with the position of its cause, its actor and its data, JSON-plain."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...domain.errors import NotFound
from ...domain.events import EVENTS
from ...projections.explain.tree import own_fields
from ...projections.wording.sentences import describe

if TYPE_CHECKING:
    from ..store.codec import Recorded
    from ..store.log import Log

REMEMBERED = 10_000
"""Positions of events read before that are kept; chosen: memory stays small however long the log is."""


def list_entries(log: Log, events: Iterable[Recorded]) -> Iterator[dict[str, Any]]:
    """The events with names in words. A cause is mostly shortly before its effect, so it was just read and is not looked up."""
    positions: OrderedDict[str, int | None] = OrderedDict()
    for recorded in map(log.reveal, events):
        cause = recorded.event.caused_by
        positions[recorded.event.reference] = recorded.position
        if cause is not None and cause not in positions:
            positions[cause] = log.position_of(cause)
        yield _entry(recorded, positions[cause] if cause is not None else None)
        while len(positions) > REMEMBERED:
            positions.popitem(last=False)


def _entry(recorded: Recorded, caused_by: int | None) -> dict[str, Any]:
    event = recorded.event
    return {
        "position": recorded.position,
        "time": event.time.isoformat(),
        "event": event.TOPIC,
        "aggregate": event.AGGREGATE,
        "id": event.originator_id.hex,
        "version": event.originator_version,
        "caused_by": caused_by,
        "actor": event.actor,
        "data": own_fields(event),
    }


def show_line(log: Log, recorded: Recorded) -> dict[str, Any]:
    """The event in words, JSON-plain, with names in place of their keys."""
    position, event = log.reveal(recorded)
    return {
        "position": position,
        "time": event.time.isoformat(),
        "actor": event.actor,
        "event": event.TOPIC,
        "text": describe(event),
    }


def require_event(name: str) -> str:
    """The name of a kind of events. Raises ``NotFound`` for another, naming those that are close."""
    if name in EVENTS:
        return name
    import difflib

    close = difflib.get_close_matches(name, EVENTS, n=3, cutoff=0.3)
    hint = f"close to it: {', '.join(close)}" if close else f"there are {len(EVENTS)}, such as TaskRated"
    raise NotFound(f"{name!r} is not an event; {hint}")
