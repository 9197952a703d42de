"""Checking whether weights that runs need are where they are needed: in their folder, and at the endpoints that serve them.

The folder is looked at by names only, so that can be done every second.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from ...domain.aggregates.adapter import Adapter
from ...domain.aggregates.base import ACTOR, Context
from ...domain.errors import GrokputerError, LogError, UnknownAdapter
from ...domain.ports import EndpointChooser, WeightRegistry
from ...domain.vocabulary import Backend
from ...projections.state.registry import Service
from ...projections.state.state import State
from ..store.ledger import Ledger
from ..wiring.services import Services


def missing(state: State, store: WeightRegistry) -> dict[str, str]:
    """The serving adapters whose weights are missing from their folder. An endpoint's own models have none there."""
    adapters = state.registry.adapters
    return {
        name: serves
        for name, serves in state.serving().items()
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


def tend(services: Services, state: State) -> None:
    """Have the serving adapters loaded and proven at vLLM servers that have started again, before a run needs them there.

    What was found is recorded. An adapter that cannot be had is left to the runs that need it. Raises ``LogError``.
    """
    if state.policy.model.backend != Backend.VLLM:  # a model of this machine would be loaded for nothing
        return
    for name in state.serving():
        if state.policy.role_model(state.registry.adapters[name].role) is not None:
            continue
        try:
            if (endpoints := services.model.endpoints) is not None:
                _tend(services, endpoints, name)
        except LogError:
            raise
        except GrokputerError:
            continue


def _tend(services: Services, endpoints: EndpointChooser, name: str) -> None:
    try:
        endpoints.tend(name)
    except UnknownAdapter:  # this process has not loaded it yet
        services.prepare(name)


def note_refused(ledger: Ledger, state: State) -> bool:
    """Record of each endpoint that refuses an adapter whether the adapter has runs by now; False where that is known."""
    noted = False
    for name, serves in state.serving().items():
        known = state.registry.adapters[name]
        for endpoint in state.refusing(name):
            found = known.served[endpoint]
            if found.serves != serves:
                refuse = partial(_refuse, ledger.context(ACTOR, f"{known.uuid}/1"), endpoint, found, serves)
                ledger.write(Adapter, known.uuid, refuse)
                noted = True
    return noted


def _refuse(context: Context, endpoint: str, found: Service, serves: str, adapter: Adapter) -> None:
    adapter.serve(endpoint, found.boot, found.numbers, context, problem=found.problem, serves=serves)


def _note(ledger: Ledger, id: UUID, serves: str | None) -> None:
    def decide(adapter: Adapter) -> None:
        context = ledger.context(ACTOR, f"{id}/{adapter.version}")
        if serves is None:
            adapter.find(context)
        else:
            adapter.miss(serves, context)

    ledger.write(Adapter, id, decide)
