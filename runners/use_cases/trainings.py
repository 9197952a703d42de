"""Requesting a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.role import role_id
from ...domain.aggregates.training import training_id
from ...domain.events import CycleOpened
from ..improvement.process_manager import open_cycle, process_new_events
from .lookups import require_role

if TYPE_CHECKING:
    from ..store.ledger import Ledger


@dataclass(frozen=True)
class RequestedTraining:
    """A requested training. A worker runs it."""

    role: str
    training: UUID
    position: int
    """Log position of the event that opened the cycle."""
    live: str | None
    """The adapter that was live at the request; None for the base."""


def request_training(ledger: Ledger, role: str, *, reason: str, actor: str) -> RequestedTraining:
    """Open a cycle of the role, so that the next worker trains an adapter without waiting for a breach.

    Raises ``NotPossible`` while a cycle of the role is open, and ``InvalidRecipe`` where the settings make no valid recipe.
    """
    open_cycle(ledger, require_role(role), ledger.put(reason, "the reason"), actor)
    process_new_events(ledger)
    opened = next(
        recorded for recorded in reversed(ledger.history(role_id(role))) if isinstance(recorded.event, CycleOpened)
    )
    assert isinstance(opened.event, CycleOpened)
    return RequestedTraining(role, training_id(opened.event.reference), opened.position, opened.event.adapter)
