"""Carrying out a rollout: the proof that the adapter is applied, and the looks at the canary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ...domain.aggregates.adapter import Adapter
from ...domain.aggregates.base import ACTOR
from ...domain.aggregates.rollout import Rollout
from ...domain.errors import DamagedWeights, ModelError, NotPossible
from ...projections.state.state import State
from ..store.ledger import Ledger
from ..wiring.services import Services


def prove(ledger: Ledger, parts: Services, name: str) -> Adapter:
    """Prove, before any traffic, that serving applies the adapter; record the proof or the rejection."""
    known = parts.state.registry.adapters[name]
    id = UUID(known["id"])
    context = ledger.context(ACTOR, f"{id}/1")
    try:
        differs, matches, numbers = _compare(parts, name, known["weights"])
    except (DamagedWeights, ModelError) as error:
        reason = str(error)
        return ledger.write(Adapter, id, lambda it: it.reject(reason, context))
    return ledger.write(Adapter, id, lambda it: it.evaluate(differs, matches, numbers, context))


def _compare(parts: Services, name: str, weights: str) -> tuple[bool, bool, dict[str, float | int]]:
    parts.prepare(name)
    server = parts.model.adapters
    assert server is not None, "it was prepared there"
    proof = server.prove(name, parts.store.path(weights))
    return (
        proof.differs,
        proof.matches,
        {
            "prompts": proof.prompts,
            "effect": proof.effect,
            "error": proof.error,
            "rounding": proof.base_error,
            "max_difference": proof.max_abs_difference,
        },
    )


WANTED = ("promote", "roll back", "abort", "pause", "resume", "approve")
"""What a person may decide of a rollout."""


def decide_by_hand(
    ledger: Ledger, state: State, adapter: str, wanted: str, reason: str, actor: str, *, to: str | None = None
) -> None:
    """Take one of the decisions ``WANTED`` on the adapter's rollout because a person says so; recorded with who and why.

    ``to`` names what is to be live after a live adapter was rolled back, ``base`` or an adapter that once was; None is what it
    replaced. Raises ``NotPossible``.
    """
    rollout = next((key for key, lane in state.lanes.state["rollouts"].items() if lane["adapter"] == adapter), None)
    if rollout is None:
        raise NotPossible(f"{adapter} has no rollout; see 'grokputer rollouts'")
    if not reason.strip():
        raise NotPossible("a decision by hand needs its reason; give one with --reason")
    lane, id = state.lanes.state["rollouts"][rollout], UUID(rollout)
    is_live = state.traffic(lane["role"]).stable == adapter
    if lane["phase"] == "promoted" and wanted == "roll back" and not is_live:
        raise NotPossible(f"{adapter} is not live any more; roll back the adapter that is; see 'grokputer status'")
    if wanted in ("abort", "pause", "resume", "approve") and rollout not in state.rollouts:
        raise NotPossible(
            f"{adapter} is {lane['phase']} already; what is live is taken back with 'grokputer rollouts rollback'"
        )
    target: dict[str, Any] = {} if to is None else {"to": _target(state, lane, adapter, to)}

    def decide(it: Rollout) -> None:
        context = ledger.context(actor, f"{id}/{it.version}")
        match wanted:
            case "promote":
                it.promote(reason, context)
            case "roll back" | "abort":
                it.roll_back(reason, context, is_live=is_live, **target)
            case "pause":
                it.pause(reason, context)
            case "resume":
                it.resume(reason, context)
            case "approve":
                it.approve(reason, context)

    ledger.write(Rollout, id, decide)


def _target(state: State, lane: Mapping[str, Any], adapter: str, to: str) -> str | None:
    """What the role's runs go to after a roll back: None for the base. Raises ``NotPossible``."""
    role, live = lane["role"], state.traffic(lane["role"]).stable
    if live != adapter:
        raise NotPossible(
            f"{adapter} is not live, its runs go back to {live or 'the base'}, which is; --to goes with what is live"
        )
    choices = ["base", *(name for name in state.lanes.once_live(role) if name != adapter)]
    if to not in choices:
        raise NotPossible(f"{to} has never been live in role {role}; --to takes {', '.join(choices)}")
    return None if to == "base" else to
