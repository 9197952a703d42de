"""An adapter: a trained set of LoRA weights under a name, proven to be applied or rejected before any traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from .aggregate import Aggregate, Context, derive_id
from .errors import NotPossible
from .events import AdapterEvaluated, AdapterRegistered, AdapterRejected, Event


def adapter_id(training: UUID) -> UUID:
    """The one adapter of a training."""
    return derive_id("adapter", training.hex)


def adapter_name(number: int) -> str:
    """``lora-v<N>``, N from 1 in the order of registration over all roles."""
    return f"lora-v{number}"


class Adapter(Aggregate):
    """States: registered, then evaluated or rejected."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.registered: AdapterRegistered | None = None
        self.judged: AdapterEvaluated | AdapterRejected | None = None

    def register(self, context: Context, **fields: Any) -> None:
        """Give the weights a name; a second time records nothing."""
        if self.registered is None:
            self._record(AdapterRegistered, context, **fields)

    def evaluate(self, differs: bool, matches: bool, numbers: Mapping[str, Any], context: Context) -> None:
        """Judge the proof: rejected unless its outputs differ from the base's and are those its trainer recorded.

        ``numbers`` are the fields of ``AdapterEvaluated`` beside the names.
        """
        registered = self._require_registered()
        if not differs:
            self.reject("served, it changes nothing: its outputs are the base's", context)
        elif not matches:
            self.reject("served, its outputs are not those its trainer recorded", context)
        elif self.judged is None:
            self._record(AdapterEvaluated, context, role=registered.role, adapter=registered.adapter, **numbers)

    def reject(self, reason: str, context: Context) -> None:
        """Refuse it before any traffic, for instance because its weights are damaged."""
        registered = self._require_registered()
        if self.judged is None:
            self._record(AdapterRejected, context, role=registered.role, adapter=registered.adapter, reason=reason)

    def _require_registered(self) -> AdapterRegistered:
        if self.registered is None:
            raise NotPossible(f"adapter {self.id.hex} is not registered")
        return self.registered

    def _apply(self, event: Event) -> None:
        match event:
            case AdapterRegistered():
                self.registered = event
            case AdapterEvaluated() | AdapterRejected():
                self.judged = event
