"""Which arm a run belongs to: a stable hash of its session, so that a conversation never changes adapter midway."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Traffic:
    """Where a role's runs go at one moment. ``stable`` None is the bare base; without a rollout all goes there."""

    stable: str | None = None
    canary: str | None = None
    rollout: str | None = None
    weight_percent: int = 0


@dataclass(frozen=True)
class Route:
    """One role's arm and adapter in a run, for the whole of the run."""

    arm: str
    adapter: str | None
    rollout: str | None
    role: str | None = None
    """The role that a run pinned by hand is pinned for; None is the run's own."""


def route(traffic: Traffic, session: str) -> Route:
    """The arm for this session. The rollout's id is part of the hash, so each rollout draws its sessions anew."""
    if traffic.canary is None or traffic.rollout is None:
        return Route("stable", traffic.stable, None)
    digest = hashlib.sha256(f"{traffic.rollout}/{session}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64 * 100
    if share < traffic.weight_percent:
        return Route("canary", traffic.canary, traffic.rollout)
    return Route("stable", traffic.stable, traffic.rollout)
