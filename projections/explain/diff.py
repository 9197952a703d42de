"""The differences between two positions of the log: each changed figure with its old and new value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...domain.settings.settings import ROLES
from ..state.state import State


@dataclass(frozen=True)
class Difference:
    """One changed figure. A value is None where the figure did not exist."""

    what: str
    """The name of the figure, such as ``role action, live`` or ``adapter lora-v2, status``."""
    before: Any
    after: Any


def compare(before: State, after: State) -> Iterator[Difference]:
    """Every figure that differs, sorted by kind in the order of ``ORDER``."""
    old, new = dict(_figures(before)), dict(_figures(after))
    for what in sorted({*old, *new}, key=lambda key: (ORDER.index(key[0]), key[1:])):
        if old.get(what) != new.get(what):
            yield Difference(
                ", ".join(filter(None, (_called(what[0], what[1]), *what[2:]))), old.get(what), new.get(what)
            )


ORDER = ("setting", "role", "rollout", "adapter", "training", "ratings", "runs", "alert")
Key = tuple[str, ...]
"""The kind of the subject, its name, and the figure."""


def _called(kind: str, name: str) -> str:
    if kind == "alert":
        return f"alert at {name.lstrip('0')}"  # padded, so that alerts are sorted by position
    return f"{kind} {name}" if kind not in ("ratings", "runs") else f"{kind} of {name}"


def _figures(state: State) -> Iterator[tuple[Key, Any]]:
    for key, value in state.settings.items():
        yield ("setting", key), value
    for role in ROLES:
        yield from _role(state, role)
    for rollout in state.rollouts:
        figures = {
            "phase": rollout.phase,
            "weight percent": rollout.weight_percent,
            "verdict": rollout.verdict,
            "reason": rollout.reason,
        }
        for figure, value in figures.items():
            yield ("rollout", f"of {rollout.adapter} ({rollout.id[:8]})", figure), value
    for name, adapter in state.registry.adapters.items():
        yield ("adapter", name, "status"), adapter.status
    for id, training in state.registry.trainings.items():
        yield ("training", id[:8], "status"), training.status
    for row in state.ratings.rows():
        for figure in ("ratings", "mean"):
            yield ("ratings", f"{row['adapter']} as {row['role']}", figure), row[figure]
    for row in state.metrics.rows():
        for figure in ("runs", "success"):
            yield ("runs", f"{row['adapter']} as {row['role']} ({row['arm']})", figure), row[figure]
    for alert in state.alerts:
        yield ("alert", f"{alert.position:012d}", alert.kind), "open" if alert.is_open else "resolved"


def _role(state: State, role: str) -> Iterator[tuple[Key, Any]]:
    traffic, window = state.traffic(role), state.window(role)
    yield ("role", role, "live"), traffic.stable
    yield ("role", role, "canary"), traffic.canary
    yield ("role", role, "canary's share, percent"), traffic.weight_percent if traffic.canary is not None else None
    yield ("role", role, "cycle in flight"), state.rollouts.cycle(role) is not None
    yield ("role", role, "mean of the window"), round(window.mean, 4) if window.ratings else None
