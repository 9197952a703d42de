"""Whether an adapter's rollout is healthy, failing or undecided, as scripts and metrics ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...domain.vocabulary import AdapterStatus, Decision, RolloutPhase
from ...projections.state.registry import Adapter
from ...projections.state.rollouts import Rollout
from ...projections.state.state import State


class Health(StrEnum):
    """The health of a rollout."""

    HEALTHY = "healthy"
    FAILING = "failing"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class RolloutHealth:
    """The health of one adapter's rollout."""

    adapter: str
    role: str
    health: Health
    reason: str
    """Why, in one line. It may hold content keys of a person's words."""


_BEFORE = {
    AdapterStatus.REGISTERED: "its proof is to come",
    AdapterStatus.PROVEN: "its gate is to come",
    AdapterStatus.ANSWERED: "its gate is to come",
    AdapterStatus.JUDGED: "its rollout is to begin",
}
"""Why an adapter without a rollout is undecided."""


def check_rollout(state: State, adapter: str) -> RolloutHealth:
    """The health of the adapter's newest rollout as of the last event. Raises ``KeyError`` for an unknown adapter.

    - Healthy: the adapter is live or was live until another replaced it, or the verdict on its canary is to promote it.
    - Failing: it was rejected or rolled back, the verdict on its canary is to roll it back, or its weights are missing
      while it serves.
    - Undecided: anything else. The evidence does not suffice yet, the rollout waits for a person, or it has not begun.
    """
    known = state.registry.adapters[adapter]
    health, reason = _judge(state, known)
    return RolloutHealth(adapter, known.role, health, reason)


def _judge(state: State, adapter: Adapter) -> tuple[Health, str]:
    rollout = state.rollouts.of_adapter(adapter.name)
    if adapter.is_missed and adapter.status in (AdapterStatus.LIVE, AdapterStatus.CANARY):
        return Health.FAILING, f"it is {adapter.status}, and its weights are missing"
    if adapter.status in (AdapterStatus.LIVE, AdapterStatus.REPLACED):
        return Health.HEALTHY, f"it is {adapter.status}"
    if adapter.status == AdapterStatus.REJECTED:
        return Health.FAILING, f"it was rejected: {adapter.reason}"
    if rollout is None:
        return Health.UNDECIDED, _BEFORE.get(adapter.status, f"it is {adapter.status}")
    if rollout.is_over:
        return Health.FAILING, f"it was rolled back: {rollout.message}"
    return _judge_canary(state, rollout)


def _judge_canary(state: State, rollout: Rollout) -> tuple[Health, str]:
    look = state.look(rollout.id)
    said = f"canary with {rollout.weight_percent} %, {look.verdict} ({look.reason}): {look.message}"
    if look.verdict == Decision.ROLL_BACK:
        return Health.FAILING, said
    if rollout.phase == RolloutPhase.PAUSED:
        return Health.UNDECIDED, f"paused {said}"
    return (Health.HEALTHY if look.verdict == Decision.PROMOTE else Health.UNDECIDED), said
