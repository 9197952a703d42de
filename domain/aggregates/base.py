"""The base class of all aggregates: public methods decide, private ones apply.

A command method checks and raises. Applying an event only assigns and never raises, so stored history always loads,
even after the rules have changed. Time, actor and cause come in with each command, because the domain reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from ..events import Event

ACTOR = "grokputer"
"""The actor of what the program does by itself; any other actor is a person or a part named in ``OWN_NAMES``."""

OWN_NAMES = frozenset({ACTOR, "reviewer", "bench", "demo"})
"""Actors that are parts of the program. Every other actor is a person, whose name the log knows by a content key."""

NAMESPACE = UUID("5f0b9d0e-5c3c-4a8e-9d52-6f1f0a3e7c11")
"""Namespace of derived ids, so that repeating a command names the same aggregate again."""


def derive_id(*parts: object) -> UUID:
    """The id that is always derived from these parts. It makes commands idempotent."""
    return uuid5(NAMESPACE, "/".join(str(part) for part in parts))


@dataclass(frozen=True)
class Context:
    """Time, actor and cause of a decision."""

    time: datetime
    actor: str
    caused_by: str | None = None


class Aggregate:
    """An object whose state follows from its events."""

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.version = 0
        self._pending: list[Event] = []

    @classmethod
    def project(cls, id: UUID, events: Iterable[Event]) -> Self:
        """The aggregate of this id after these events, which must be all of its history."""
        aggregate = cls(id)
        for event in events:
            aggregate._apply(event)
            aggregate.version = event.originator_version
        return aggregate

    def _record(self, fact: type[Event], context: Context, **fields: Any) -> None:
        event = fact(
            originator_id=self.id,
            originator_version=self.version + 1,
            time=context.time,
            actor=context.actor,
            caused_by=context.caused_by,
            **fields,
        )
        self._apply(event)
        self.version = event.originator_version
        self._pending.append(event)

    def _apply(self, event: Event) -> None:
        """Assign what the event says; subclasses must neither check nor raise."""

    @property
    def pending(self) -> Sequence[Event]:
        """The events since the last call of ``collect_events``."""
        return tuple(self._pending)

    def collect_events(self) -> list[Event]:
        """The events since the last call, for the ledger to store."""
        pending, self._pending = self._pending, []
        return pending

    def take_back(self, events: Sequence[Event]) -> None:
        """Make collected events pending again, because they could not be stored."""
        self._pending[:0] = events
