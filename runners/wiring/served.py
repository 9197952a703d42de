"""What endpoints do with the adapters of a log, as its facts.

A proof holds in every process until the server starts again.
"""

from __future__ import annotations

from collections.abc import Callable

from ...domain.aggregates.adapter import Adapter
from ...domain.aggregates.base import ACTOR
from ...domain.ports import Proof, Served, ServedRecord
from ...projections.state.state import State
from ..store.ledger import Ledger


class LoggedServing(ServedRecord):
    """The record in the log. Thread-safe. ``state`` is a recent state of the log."""

    def __init__(self, ledger: Ledger, state: Callable[[], State]) -> None:
        self._ledger = ledger
        self._state = state

    def find(self, adapter: str, endpoint: str, boot: str) -> Served | None:
        """What the log says of this start of the endpoint."""
        known = self._state().registry.adapters.get(adapter)
        found = None if known is None else known.served.get(endpoint)
        if known is None or found is None or found.boot != boot:
            return None
        proof = _proof(adapter, found.numbers, is_applied=not found.problem) if found.numbers else None
        return Served(adapter, known.weights, endpoint, boot, proof, found.problem)

    def add(self, served: Served) -> None:
        """Record it in the adapter's history. An adapter that the log does not have is left out."""
        known = self._state().registry.adapters.get(served.adapter)
        if known is None or known.weights != served.weights:
            return
        context = self._ledger.context(ACTOR, f"{known.uuid}/1")
        numbers = {} if served.proof is None else served.proof.numbers
        serves = self._state().serving().get(served.adapter, "")
        self._ledger.write(
            Adapter,
            known.uuid,
            lambda adapter: adapter.serve(
                served.endpoint, served.boot, numbers, context, problem=served.problem, serves=serves
            ),
        )

    def name_there(self, adapter: str) -> str:
        """The name of the model that an endpoint tuned and keeps as this adapter; else the adapter's own."""
        return self._state().registry.name_at_endpoint(adapter) or adapter


def _proof(adapter: str, numbers: dict[str, float], *, is_applied: bool) -> Proof:
    return Proof(
        adapter,
        differs=is_applied,
        matches=is_applied,
        effect=numbers["effect"],
        error=numbers["error"],
        base_error=numbers["rounding"],
        max_abs_difference=numbers["max_difference"],
        prompts=int(numbers["prompts"]),
    )
