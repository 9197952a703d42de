"""A person's decisions on the rollout of an adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...domain.vocabulary import HandDecision, RolloutPhase
from ..improvement.process_manager import process_new_events
from ..improvement.rollouts import decide_by_hand, require_weights
from ..wiring.services import require_adapter

if TYPE_CHECKING:
    from ..store.ledger import Ledger


@dataclass(frozen=True)
class RolloutDecision:
    """The rollout and its role's traffic after the decision."""

    adapter: str
    role: str
    phase: RolloutPhase
    weight_percent: int
    """The adapter's share of the role's runs, in percent."""
    live: str | None
    """The live adapter of the role; None for the base."""
    position: int
    """Log position of the decision's event."""


def promote(ledger: Ledger, adapter: str, *, reason: str, actor: str) -> RolloutDecision:
    """Give the adapter all runs of its role, whatever its canary has shown.

    All decisions here raise ``UnknownAdapter``; ``NotPossible`` for a decision that the rollout's state does not allow,
    that was already made, or without a reason; ``DamagedWeights`` where the weights of the next live adapter are
    missing.
    """
    return _decide(ledger, adapter, "promote", reason, actor)


def roll_back(ledger: Ledger, adapter: str, *, reason: str, actor: str, to: str | None = None) -> RolloutDecision:
    """Take the adapter's runs away, and give them to what was live before, or to the adapter ``to`` (or ``base``)."""
    return _decide(ledger, adapter, "roll back", reason, actor, to=to)


def roll_forward(ledger: Ledger, adapter: str, *, reason: str, actor: str) -> RolloutDecision:
    """Make an adapter live after its rollout is over, as after a mistaken rollback."""
    return _decide(ledger, adapter, "forward", reason, actor)


def abort(ledger: Ledger, adapter: str, *, reason: str, actor: str) -> RolloutDecision:
    """End an undecided rollout; its share returns to the stable arm."""
    return _decide(ledger, adapter, "abort", reason, actor)


def pause(ledger: Ledger, adapter: str, *, reason: str, actor: str) -> RolloutDecision:
    """Stop automatic decisions on the rollout; its canary keeps its share."""
    return _decide(ledger, adapter, "pause", reason, actor)


def resume(ledger: Ledger, adapter: str, *, reason: str, actor: str) -> RolloutDecision:
    """Continue automatic decisions on a paused rollout."""
    return _decide(ledger, adapter, "resume", reason, actor)


def approve(ledger: Ledger, adapter: str, *, reason: str, actor: str) -> RolloutDecision:
    """Take the step that waits for approval: a larger share, or the promotion."""
    return _decide(ledger, adapter, "approve", reason, actor)


def set_share(
    ledger: Ledger, adapter: str, percent: int, *, reason: str, actor: str, sent_as: str | None = None
) -> RolloutDecision:
    """Set the canary's share of the runs that begin from now on, 1 to 99 percent.

    ``sent_as`` names the request, where it may be sent again: what came before as the same sets nothing.
    """
    return _decide(ledger, adapter, "share", reason, actor, share=percent, sent_as=sent_as)


def _decide(
    ledger: Ledger,
    adapter: str,
    wanted: str,
    reason: str,
    actor: str,
    *,
    to: str | None = None,
    share: int | None = None,
    sent_as: str | None = None,
) -> RolloutDecision:
    state = process_new_events(ledger)
    require_adapter(adapter, state.registry.adapters)
    if wanted == "forward" or to is not None:
        require_weights(ledger, state, adapter if wanted == "forward" else to)
    decided = decide_by_hand(
        ledger, state, adapter, HandDecision(wanted), reason, actor, to=to, share=share, sent_as=sent_as
    )
    position = ledger.position_of_newest(decided)
    after = process_new_events(ledger)
    rollout = after.rollouts.of(decided.id.hex)
    live = after.traffic(rollout.role).stable
    return RolloutDecision(adapter, rollout.role, rollout.phase, rollout.weight_percent, live, position)
