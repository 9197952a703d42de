"""Traffic assignment: the arm of a run is drawn once, from an id that is in the log, and never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ..vocabulary import Arm

EDITION = 2
"""Edition of the rules that count a rollout's outcomes; each rollout keeps the edition that it began with.

1: each run is assigned singly unless ``canary.randomization_unit`` was set; where sessions are assigned, a run without
one waits like a session.

2: sessions are assigned unless ``canary.randomization_unit`` was set to ``run``; a run without a session is an outcome
at once.
"""


DRAWN_BY = "drawn_by"
"""The entry of a run's recorded settings that says who drew its arm; without it this program did, by ``route``."""
NGINX = "nginx"
"""A proxy before processes that are each pinned to an adapter, such as nginx: see ``pin``."""


@dataclass(frozen=True)
class Traffic:
    """Where a role's runs go at one moment. ``stable`` None is the bare base; without a rollout all runs go there."""

    stable: str | None = None
    canary: str | None = None
    rollout: str | None = None
    weight_percent: int = 0
    sessions: Mapping[str, str] | None = None
    """The arm of each assigned session, where sessions stay on their arm; None where each run is assigned singly."""


@dataclass(frozen=True)
class Route:
    """One role's arm and adapter for the whole of a run."""

    arm: str
    adapter: str | None
    rollout: str | None
    role: str | None = None
    """The role that a run pinned by hand is pinned for; None is the run's own."""


def route(traffic: Traffic, run: str, session: str | None = None) -> Route:
    """The arm of a run: the canary with a probability of ``weight_percent``, decided by a hash of the run's id.

    Where sessions stay on their arm, a run in a session is assigned by the session's name, or follows its earlier runs.
    The hash includes the rollout's id, so each rollout assigns independently. All inputs are in the log, so each
    assignment can be computed again.
    """
    if traffic.canary is None or traffic.rollout is None:
        return Route(Arm.STABLE, traffic.stable, None)
    drawn_before = None if session is None or traffic.sessions is None else traffic.sessions.get(session)
    seed = run if session is None or traffic.sessions is None else session
    arm = drawn_before or arm_of(draw(traffic.rollout, seed), traffic.weight_percent)
    return Route(arm, traffic.canary if arm == Arm.CANARY else traffic.stable, traffic.rollout)


def pin(traffic: Traffic, adapter: str | None, session: str | None = None, drawn: str | None = None) -> Route:
    """The route of a role's run in a process that is pinned to the adapter, None for the base: a proxy before it drew.

    The run counts for the arm whose adapter it has. Where the proxy says that it drew another arm (``drawn``), because no
    process of that arm answered, and where the session has another arm already, the run counts for neither.
    """
    arm = Arm.PINNED
    if traffic.canary is not None and adapter == traffic.canary:
        arm = Arm.CANARY
    elif adapter == traffic.stable:
        arm = Arm.STABLE
    before = None if session is None or traffic.sessions is None else traffic.sessions.get(session)
    if arm == Arm.PINNED or any(other not in (None, arm) for other in (drawn, before)):
        return Route(Arm.PINNED, adapter, None)
    return Route(arm, adapter, traffic.rollout)


def draw(rollout: str, seed: str) -> float:
    """The hash of the run or session ``seed`` in the rollout, in [0, 1); a value under the canary's share selects the
    canary."""
    digest = hashlib.sha256(f"{rollout}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def arm_of(drawn: float, weight_percent: int) -> str:
    """The arm for this hash while the canary has this share."""
    return Arm.CANARY if drawn * 100 < weight_percent else Arm.STABLE
