"""Storing the decision of one aggregate, with its log position."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from ...domain.aggregates.base import Aggregate

if TYPE_CHECKING:
    from ..store.ledger import Ledger
    from ..store.log import Log

A = TypeVar("A", bound=Aggregate)


def store_decision(ledger: Ledger, kind: type[A], id: UUID, decide: Callable[[A], None]) -> tuple[A, int | None]:
    """The aggregate after the decision, and the log position of its event; None where nothing was recorded."""
    before = 0

    def decide_on(aggregate: A) -> None:
        nonlocal before
        before = aggregate.version
        decide(aggregate)

    aggregate = ledger.write(kind, id, decide_on)
    return aggregate, position_of_newest(ledger, aggregate) if aggregate.version > before else None


def position_of_newest(log: Log, aggregate: Aggregate) -> int:
    """The log position of the aggregate's newest event."""
    position = log.position_of(f"{aggregate.id}/{aggregate.version}")
    assert position is not None
    return position
