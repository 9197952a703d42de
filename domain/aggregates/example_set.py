"""A set of examples that no run of this log produced: imported from outside, or made by a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ..events import Event, ExamplesImported, ExamplesSynthesized
from .base import Aggregate, Context, derive_id


def example_set_id(role: str, dataset: str) -> UUID:
    """The id of the role's set with this hash: the same file imported again is the same set."""
    return derive_id("examples", role, dataset)


class ExampleSet(Aggregate):
    """Recorded once; it never changes."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.recorded: ExamplesImported | ExamplesSynthesized | None = None

    def import_(self, context: Context, *, pictures: Sequence[str] = (), **fields: Any) -> None:
        """Record a set from outside; the fields are those of ``ExamplesImported``. Idempotent."""
        if self.recorded is None:
            self._record(ExamplesImported, context, pictures=tuple(pictures), **fields)

    def synthesize(self, context: Context, **fields: Any) -> None:
        """Record a set that a teacher made; the fields are those of ``ExamplesSynthesized``. Idempotent."""
        if self.recorded is None:
            self._record(ExamplesSynthesized, context, **fields)

    def _apply(self, event: Event) -> None:
        if isinstance(event, ExamplesImported | ExamplesSynthesized):
            self.recorded = event
