"""Which arm a run belongs to: drawn once, by an id that is in the log, and kept to its end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ..vocabulary import Arm

EDITION = 2
"""Of the rules by which a rollout's outcomes are counted; each rollout keeps the one that it began with.

1: each run is drawn unless ``canary.randomization_unit`` was set; where sessions are drawn, a run without one waits like
a session.
2: sessions are drawn unless ``canary.randomization_unit`` was set to ``run``, and a run without one is an outcome at once.
"""


@dataclass(frozen=True)
class Traffic:
    """Where a role's runs go at one moment. ``stable`` None is the bare base; without a rollout all goes there."""

    stable: str | None = None
    canary: str | None = None
    rollout: str | None = None
    weight_percent: int = 0
    sessions: Mapping[str, str] | None = None
    """The arm of each session that has been drawn, where sessions stay on their arm; None where each run is drawn."""


@dataclass(frozen=True)
class Route:
    """One role's arm and adapter in a run, for the whole of the run."""

    arm: str
    adapter: str | None
    rollout: str | None
    role: str | None = None
    """The role that a run pinned by hand is pinned for; None is the run's own."""


def route(traffic: Traffic, run: str, session: str | None = None) -> Route:
    """The arm of a run: the canary's with a chance of ``weight_percent``, drawn by a hash of the run's id.

    Where sessions stay on their arm, a run in a session is drawn by its session's name, or follows those drawn before. The
    rollout's id is part of the hash, so each rollout draws anew; all of it is in the log, so each draw can be done again.
    """
    if traffic.canary is None or traffic.rollout is None:
        return Route(Arm.STABLE, traffic.stable, None)
    drawn_before = None if session is None or traffic.sessions is None else traffic.sessions.get(session)
    seed = run if session is None or traffic.sessions is None else session
    arm = drawn_before or arm_of(draw(traffic.rollout, seed), traffic.weight_percent)
    return Route(arm, traffic.canary if arm == Arm.CANARY else traffic.stable, traffic.rollout)


def draw(rollout: str, seed: str) -> float:
    """Where the run or session ``seed`` falls in the rollout, in [0, 1): under the canary's share it is the canary's."""
    digest = hashlib.sha256(f"{rollout}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def arm_of(drawn: float, weight_percent: int) -> str:
    """The arm that the draw falls on while the canary has this share."""
    return Arm.CANARY if drawn * 100 < weight_percent else Arm.STABLE
