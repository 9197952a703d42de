"""What the decision log knows of a shard: ranges of positions that were counted, each exactly once.

``RunsCounted`` is an event of this simulation alone. The product's registry of events gets it in the simulation's processes,
by ``known``; the product refuses a log that holds it, as it refuses any event that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TypedDict
from uuid import UUID

from grokputer.domain.aggregates.base import Aggregate, Context, derive_id
from grokputer.domain.errors import NotPossible
from grokputer.domain.events import EVENTS, Event
from grokputer.runners.store.log import Log


class Count(TypedDict):
    """The runs of one role, arm, adapter and rollout: whole numbers, so the counts of two ranges add."""

    role: str
    arm: str
    adapter: str | None
    rollout: str | None
    succeeded: int
    failed: int
    critical: int
    """Failures by a fault of the model or its weights."""
    unknown: int
    """Runs of which nothing says whether they succeeded."""
    rated: int
    stars: int
    """The sum over all ratings."""


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class RunsCounted(Event):
    """A range of a shard's positions was counted."""

    shard: str
    first: int
    """The first position of the range: one more than the last of the range before it."""
    last: int
    head: str
    """The shard's head up to ``last``, ``SIZE:ROOT``, of the events that were counted."""
    counts: tuple[Count, ...]
    order: str
    """The runs of rollouts in the shard's order, a letter each; see ``tally``. The rule of a canary pairs outcomes as they
    come, so sums alone do not decide it."""


RunsCounted.TOPIC, RunsCounted.AGGREGATE = "RunsCounted", "ShardCounts"
RunsCounted.FIELDS = frozenset(field.name for field in fields(RunsCounted))


@contextmanager
def known() -> Iterator[None]:
    """Let this process read and write ``RunsCounted`` until the block ends."""
    EVENTS[RunsCounted.TOPIC] = RunsCounted
    try:
        yield
    finally:
        del EVENTS[RunsCounted.TOPIC]


def counts_id(shard: str) -> UUID:
    """The id of the shard's counts in the decision log."""
    return derive_id("shard", shard)


class ShardCounts(Aggregate):
    """What was counted of a shard."""

    counted = 0
    """The last position that was counted."""
    head = ""

    @classmethod
    def load(cls, decisions: Log, shard: str) -> ShardCounts:
        """The counts as of now; the newest event says all."""
        last = decisions.last(counts_id(shard))
        return cls.project(counts_id(shard), [] if last is None else [last.event])

    def count(
        self, context: Context, shard: str, first: int, last: int, head: str, counts: Sequence[Count], order: str
    ) -> None:
        """Record the range. Raises ``NotPossible`` unless it follows the one before and has an event."""
        if first != self.counted + 1:
            raise NotPossible(f"{shard} is counted up to {self.counted}; a range from {first} would be a gap or twice")
        if last < first:
            raise NotPossible(f"the range {first} to {last} of {shard} is empty; a range has one event or more")
        self._record(
            RunsCounted, context, shard=shard, first=first, last=last, head=head, counts=tuple(counts), order=order
        )

    def _apply(self, event: Event) -> None:
        if isinstance(event, RunsCounted):
            self.counted, self.head = event.last, event.head
