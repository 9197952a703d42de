"""Checking whether weights that runs need are in their folder: by names only, so it can be done every second."""

from __future__ import annotations

from uuid import UUID

from ...domain.aggregates.adapter import Adapter
from ...domain.aggregates.base import ACTOR
from ...domain.ports import WeightRegistry
from ...domain.settings.settings import ROLES
from ...projections.state.state import State
from ..store.ledger import Ledger


def serving(state: State) -> dict[str, str]:
    """The adapters that get runs, each with its function: ``live`` or ``canary``."""
    found: dict[str, str] = {}
    for role in ROLES:
        traffic = state.traffic(role)
        if traffic.canary is not None:
            found[traffic.canary] = "canary"
        if traffic.stable is not None:
            found[traffic.stable] = "live"
    return found


def missing(state: State, store: WeightRegistry) -> dict[str, str]:
    """The serving adapters whose weights are missing from their folder. An endpoint's own models have none there."""
    adapters = state.registry.adapters
    return {
        name: serves
        for name, serves in serving(state).items()
        if not (adapters[name].is_tuned or store.has(adapters[name].weights))
    }


def note_missing(ledger: Ledger, state: State, store: WeightRegistry) -> bool:
    """Record which needed weights are missing, and which are back, each once; False where nothing has changed."""
    gone, noted = missing(state, store), False
    for name, known in state.registry.adapters.items():
        is_back = known.is_missed and name not in gone and store.has(known.weights)
        if is_back or (name in gone and not known.is_missed):
            _note(ledger, known.uuid, gone.get(name))
            noted = True
    return noted


def _note(ledger: Ledger, id: UUID, serves: str | None) -> None:
    def decide(adapter: Adapter) -> None:
        context = ledger.context(ACTOR, f"{id}/{adapter.version}")
        if serves is None:
            adapter.find(context)
        else:
            adapter.miss(serves, context)

    ledger.write(Adapter, id, decide)
