"""The descent of adapters: each with the adapter that was live when its training was requested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...domain.events import TrainingRequested
from ..state.registry import Adapter, Training
from ..state.state import State
from .tree import Lookup


@dataclass(frozen=True)
class Member:
    """An adapter, or a training without an adapter, in the line of descent."""

    position: int
    name: str | None
    """None for a training without an adapter."""
    status: str
    parent: str | None
    """The adapter that was live when its training was requested; None is the base."""
    goes_on: bool
    """Whether its training continued from the parent's weights, and not from the base."""
    was_live: bool
    training: Training | None
    """None for an adapter whose training the registry does not know."""
    gate: str
    """The gate's reason, empty without a judgement."""
    reason: str
    """Why it was rejected, if it was."""


def read_parents(log: Lookup) -> dict[str, str | None]:
    """By training, hex, the adapter that was live when it was requested; None is the base."""
    requests = (placed.event for placed in log.read(1, None, (TrainingRequested.TOPIC,)))
    return {event.originator_id.hex: event.parent for event in requests if isinstance(event, TrainingRequested)}


def family_of(state: State, role: str, parents: Mapping[str, str | None]) -> list[Member]:
    """The role's adapters, and its trainings without an adapter, the oldest first. ``parents`` are those of the trainings."""
    registry = state.registry
    members = [_member(state, adapter) for adapter in registry.adapters.values() if adapter.role == role]
    with_adapter = {adapter.training for adapter in registry.adapters.values()}
    for id, training in registry.trainings.items():
        if id not in with_adapter and training.role == role:
            member = Member(
                training.position, None, training.status, parents.get(id), training.lineage == "parent", False, training,
                "", training.reason,
            )  # fmt: skip
            members.append(member)
    return sorted(members, key=lambda member: member.position)


def _member(state: State, adapter: Adapter) -> Member:
    return Member(
        adapter.position,
        adapter.name,
        adapter.status,
        adapter.parent,
        adapter.lineage == "parent",
        adapter.name in state.rollouts.once_live(adapter.role),
        state.registry.trainings.get(adapter.training),
        adapter.gate.reason if adapter.gate is not None else "",
        adapter.reason,
    )
