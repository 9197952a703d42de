"""The base of all aggregates: decide in public, apply in private.

A command method checks and raises; applying a fact only assigns and never raises, so that stored history always loads,
however the rules have changed since. The clock, the actor and the cause come in with each command, because nothing in here
may read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from ..events import Event

ACTOR = "grokputer"
"""Who does what the program does by itself; where another acted, a person decided."""

OWN_NAMES = frozenset({ACTOR, "reviewer", "bench", "demo"})
"""Actors that are parts of the program. Every other actor is a person, whose name the log knows by a content key."""

NAMESPACE = UUID("5f0b9d0e-5c3c-4a8e-9d52-6f1f0a3e7c11")
"""Ids derived from other ids live in here, so that doing a thing twice names the same aggregate twice."""


def derive_id(*parts: object) -> UUID:
    """The id that these parts always give: what makes a command's effect happen once."""
    return uuid5(NAMESPACE, "/".join(str(part) for part in parts))


@dataclass(frozen=True)
class Context:
    """What surrounds a decision: when, who, and which event led to it."""

    time: datetime
    actor: str
    caused_by: str | None = None


class Aggregate:
    """A thing with a history: its state is what its events say."""

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.version = 0
        self._pending: list[Event] = []

    @classmethod
    def project(cls, id: UUID, events: Iterable[Event]) -> Self:
        """The aggregate of this id after these events, all that it has had."""
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
        """Assign what the fact says; subclasses must neither check nor raise."""

    @property
    def pending(self) -> Sequence[Event]:
        """The events since the last call of ``collect_events``."""
        return tuple(self._pending)

    def collect_events(self) -> list[Event]:
        """The events since the last call, for the ledger to store."""
        pending, self._pending = self._pending, []
        return pending

    def take_back(self, events: Sequence[Event]) -> None:
        """Hold collected events pending again, as they could not be stored."""
        self._pending[:0] = events
