"""The path of an adapter: the steps of its lineage from the breach to the promotion, in one list."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from ...domain.events import (
    AdapterAnswered,
    AdapterEvaluated,
    AdapterPromoted,
    AdapterRegistered,
    CycleOpened,
    HeldOutJudged,
    RatingThresholdBreached,
    RolloutStarted,
    TrainingCompleted,
    TrainingRequested,
)
from .lineage import trace
from .tree import Lookup, Node, walk

UNNAMED = {kind.TOPIC for kind in (RatingThresholdBreached, CycleOpened, TrainingRequested, TrainingCompleted)}
"""The topics of the steps before the adapter has a name."""

NAMED = {
    kind.TOPIC
    for kind in (
        *(AdapterRegistered, AdapterEvaluated, AdapterAnswered),
        *(HeldOutJudged, RolloutStarted, AdapterPromoted),
    )
}
"""The topics of the steps after that. A lineage has such steps of other adapters too."""


def trace_path(log: Lookup, adapter: str, until: int) -> Node:
    """The adapter's steps up to the position, once each and in order, under one node."""
    steps = [
        replace(node, children=[])
        for node in walk(trace(log, find_adapter(log, adapter)))
        if node.position <= until and (node.kind in UNNAMED or (node.kind in NAMED and node.data["adapter"] == adapter))
    ]
    steps.sort(key=lambda node: node.position)
    text = f"how {adapter} came about"
    return Node("Path", steps[-1].position, text, {"adapter": adapter}, children=steps)


def trace_rollout(log: Lookup, rollout: UUID) -> list[Node]:
    """The path to the rollout with this id, and the rollout's start with all its consequences."""
    [started, *_] = log.history(rollout)
    assert isinstance(started.event, RolloutStarted)
    adapter = started.event.adapter
    [start] = (node for node in walk(trace(log, find_adapter(log, adapter))) if node.position == started.position)
    return [trace_path(log, adapter, started.position - 1), start]


def find_adapter(log: Lookup, name: str) -> UUID:
    """The id of the adapter with this name, which the log must hold."""
    registered = (placed.event for placed in log.read(1, None, (AdapterRegistered.TOPIC,)))
    return next(
        event.originator_id for event in registered if isinstance(event, AdapterRegistered) and event.adapter == name
    )
