"""Carrying out a rollout: the proof that the adapter is applied, and the looks at the canary."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ..domain.adapter import Adapter
from ..domain.canary import Verdict, assess_canary
from ..domain.errors import DamagedWeights, GrokputerError, ModelError, NotPossible
from ..domain.rollout import Rollout
from ..projections.state import State
from .improvement import ACTOR
from .ledger import Ledger
from .wiring import Parts


def prove(ledger: Ledger, parts: Parts, name: str) -> Adapter:
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


def _compare(parts: Parts, name: str, weights: str) -> tuple[bool, bool, dict[str, float | int]]:
    from ..adapters.proof import PROMPTS, prove_applied, read_reference
    from ..adapters.serving import LocalModel

    parts.prepare(name)
    if not isinstance(parts.model, LocalModel):
        raise GrokputerError(
            f"{name} cannot be proven on an endpoint, whose logits cannot be seen; set model.backend local"
        )
    proof = prove_applied(parts.model, name, read_reference(parts.store.path(weights)))
    return (
        proof.differs,
        proof.matches,
        {
            "prompts": len(PROMPTS),
            "effect": proof.effect,
            "error": proof.error,
            "rounding": proof.base_error,
            "max_difference": proof.max_abs_difference,
        },
    )


def assess(ledger: Ledger, state: State, rollout: str) -> Verdict:
    """Look at the rollout's canary and record what the look says."""
    lane = state.lanes.state["rollouts"][rollout]
    now = ledger.clock.now()
    elapsed = (now - datetime.fromisoformat(lane["since"])).total_seconds()
    verdict = assess_canary(
        state.health.outcomes(rollout, "canary"),
        state.health.outcomes(rollout, "stable"),
        elapsed,
        state.policy,
        lane["role"],
    )
    id = UUID(rollout)
    ledger.write(
        Rollout, id, lambda it: it.assess(verdict, state.position, ledger.context(ACTOR, f"{id}/{it.version}"))
    )
    return verdict


def decide_by_hand(ledger: Ledger, state: State, adapter: str, wanted: str, reason: str, actor: str) -> None:
    """Promote, roll back or resume the adapter's rollout because a person says so; recorded with who and why."""
    rollout = next((key for key, lane in state.lanes.state["rollouts"].items() if lane["adapter"] == adapter), None)
    if rollout is None:
        raise NotPossible(f"{adapter} has no rollout; see 'grokputer rollouts'")
    if not reason.strip():
        raise NotPossible("a decision by hand needs its reason; give one with --reason")
    lane = state.lanes.state["rollouts"][rollout]
    if lane["phase"] == "promoted" and wanted == "roll back" and state.traffic(lane["role"]).stable != adapter:
        raise NotPossible(f"{adapter} is not live any more; roll back the adapter that is; see 'grokputer status'")
    id = UUID(rollout)

    def decide(it: Rollout) -> None:
        context = ledger.context(actor, f"{id}/{it.version}")
        if wanted == "promote":
            it.promote(reason, context)
        elif wanted == "roll back":
            it.roll_back(reason, context)
        else:
            it.resume(reason, context)

    ledger.write(Rollout, id, decide)
