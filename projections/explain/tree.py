"""Trees of events: a node stands for one event, or sums up several, and has children."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from ...domain.aggregates.schedule import SCHEDULE_ID
from ...domain.events import EVENTS, CanaryAssessed, Event, RatingThresholdBreached
from ..wording.sentences import describe
from ..wording.words import reveal


class Placed(Protocol):
    """An event and its position in the log."""

    @property
    def position(self) -> int:
        """From 1."""
        ...

    @property
    def event(self) -> Event:
        """What happened."""
        ...


class Lookup(Protocol):
    """The questions that a tree asks of a log."""

    def history(self, id: UUID) -> Sequence[Placed]:
        """All events of one aggregate."""
        ...

    def read(self, first: int, last: int | None, topics: Sequence[str]) -> Iterable[Placed]:
        """The events of these topics between the two positions."""
        ...

    def position_of(self, reference: str) -> int | None:
        """The position of the event with this reference."""
        ...

    def positions_of(self, references: Collection[str]) -> Mapping[str, int | None]:
        """The positions of the events with these references."""
        ...

    def at(self, position: int) -> Placed:
        """The event at the position."""
        ...

    def get_content(self, key: str) -> str | None:
        """The text under the content key; None where it was erased."""
        ...


@dataclass
class Node:
    """One line of a tree. ``position`` is that of its event, or of the last of its events."""

    kind: str
    """The topic of its event. Other nodes have their own kinds: ``Ratings``, ``Source``, ``Draw``, ``Path``."""
    position: int
    text: str
    data: dict[str, Any]
    actor: str = ""
    time: str = ""
    caused_by: int | None = None
    """The position of the event that caused it."""
    children: list[Node] = field(default_factory=list)
    brief: str = ""
    """The text without the list of runs in it; empty where it has none."""

    def to_json(self) -> dict[str, Any]:
        """The node with all its descendants, JSON-plain."""
        return {
            "kind": self.kind,
            "position": self.position,
            "time": self.time,
            "actor": self.actor,
            "caused_by": self.caused_by,
            "text": self.text,
            "data": self.data,
            "children": [child.to_json() for child in self.children],
        }


def node_of(log: Lookup, placed: Placed) -> Node:
    """The event as a node, in words, with the position of its cause."""
    event = reveal(placed.event, log.get_content)
    caused_by = find_cause(log, placed.event)
    time = event.time.isoformat()
    return Node(event.TOPIC, placed.position, describe(event), own_fields(event), event.actor, time, caused_by)


def find_cause(log: Lookup, event: Event) -> int | None:
    """The position of the event that caused this event; None where a person began.

    Two kinds of causes lead no further, so another event is named in their place. For a verdict on a canary it is the
    rollout's start, because older programs recorded the event before the verdict. For a breach that a scheduled check found,
    it is the last rating of the window.
    """
    if isinstance(event, CanaryAssessed):
        return log.position_of(f"{event.originator_id}/1")
    if isinstance(event, RatingThresholdBreached) and (event.caused_by or "").startswith(f"{SCHEDULE_ID}/"):
        return event.last_position
    return log.position_of(event.caused_by) if event.caused_by is not None else None


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """All nodes of the trees, each before its children."""
    for node in roots:
        yield node
        yield from walk(node.children)


def own_fields(event: Event) -> dict[str, Any]:
    """The event's fields, without those that every event has."""
    return {name: getattr(event, name) for name in _own_names(event.TOPIC)}


@cache
def _own_names(topic: str) -> tuple[str, ...]:
    common = {field.name for field in dataclasses.fields(Event)}
    return tuple(field.name for field in dataclasses.fields(EVENTS[topic]) if field.name not in common)
