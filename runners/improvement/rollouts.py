"""Running a rollout: the proof that the adapter is applied, and a person's decisions."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ...domain.aggregates.adapter import Adapter
from ...domain.aggregates.base import ACTOR, Context
from ...domain.aggregates.rollout import Rollout, say_decision
from ...domain.errors import DamagedWeights, Hint, ModelError, NotPossible
from ...domain.events import AdapterPromoted, AdapterRolledBack, RolloutEvent
from ...domain.vocabulary import AdapterStatus, HandDecision, RolloutCause, RolloutPhase
from ...projections.state.state import State
from ..store.ledger import Ledger
from ..wiring.registries import open_registry
from ..wiring.services import Services
from .process_manager import LIVE, process_new_events
from .tuning.answers import hear


def prove(ledger: Ledger, services: Services, name: str) -> Adapter:
    """Prove, before any traffic, that serving applies the adapter; record the proof or the rejection.

    Of a model that an endpoint tuned, it is recorded that it answers by its name, which is less.
    """
    known = services.state.registry.adapters[name]
    if known.is_tuned:
        return hear(ledger, services, known)
    id = known.uuid
    context = ledger.context(ACTOR, f"{id}/1")
    try:
        differs, matches, numbers = _compare(services, name, known.weights)
    except (DamagedWeights, ModelError) as error:
        reason = str(error)
        return ledger.write(Adapter, id, lambda adapter: adapter.reject(reason, context))
    return ledger.write(Adapter, id, lambda adapter: adapter.evaluate(differs, matches, numbers, context))


def _compare(services: Services, name: str, weights: str) -> tuple[bool, bool, dict[str, float | int]]:
    services.prepare(name)
    server = services.model.adapters
    assert server is not None, "it has been prepared"
    proof = server.prove(name, services.store.path(weights))
    return proof.differs, proof.matches, proof.numbers


DONE = {
    HandDecision.PROMOTE: RolloutPhase.PROMOTED,
    HandDecision.ROLL_BACK: RolloutPhase.ROLLED_BACK,
    HandDecision.ABORT: RolloutPhase.ROLLED_BACK,
    HandDecision.PAUSE: RolloutPhase.PAUSED,
    HandDecision.RESUME: RolloutPhase.PROGRESSING,
}
"""The phase in which each decision has already been made."""

ONLY_UNDECIDED = (
    HandDecision.ABORT,
    HandDecision.PAUSE,
    HandDecision.RESUME,
    HandDecision.APPROVE,
    HandDecision.SHARE,
)
"""The decisions that are made on an undecided rollout only."""


@dataclass(frozen=True)
class ByHand:
    """A person's decision on an adapter's rollout: its reason (content key) and its actor."""

    adapter: str
    wanted: HandDecision
    reason: str
    actor: str
    to: str | None = None
    """With ``roll back``: the next live adapter, ``base`` or one that was live before; None is what the adapter replaced."""
    share: int | None = None
    """With ``share``: percent of the runs."""
    sent_as: str | None = None
    """With ``share``: what it was sent as, where it may be sent again."""


def decide_by_hand(
    ledger: Ledger,
    state: State,
    adapter: str,
    wanted: HandDecision,
    reason: str,
    actor: str,
    *,
    to: str | None = None,
    share: int | None = None,
    sent_as: str | None = None,
) -> Rollout:
    """Make the decision on the adapter's rollout for a person; the rollout after that.

    It is recorded with actor and reason, and based on the log at the moment of storing: of several people at once one
    decides, and the others are told the decision and its actor. ``to``, ``share`` and ``sent_as`` are those of
    ``ByHand``. Raises ``NotPossible``.
    """
    if not reason.strip():
        raise NotPossible("a decision by hand needs its reason", hint=Hint.GIVE_REASON)
    decision = ByHand(adapter, wanted, ledger.put(reason, "the reason"), actor, to, share, sent_as)
    id = _find_rollout(state, decision)

    def decide(rollout: Rollout, state: State) -> None:
        if decision.sent_as in rollout.sent:
            return  # it was sent before, perhaps to another process
        _refuse_what_is_done(ledger, rollout, state, decision)
        _carry_out(rollout, state, decision, ledger.context(actor, f"{id}/{rollout.version}"))

    try:
        return ledger.write_on_state(Rollout, id, lambda: process_new_events(ledger, state), decide, LIVE)
    except NotPossible as error:
        # it names the earlier decision's actor and reason
        raise NotPossible(ledger.say(str(error)), hint=error.hint, about=error.about) from None


def decisions_by_hand(ledger: Ledger, state: State, adapter: str) -> list[HandDecision]:
    """The decisions that a person can make on the adapter's rollout now, by the rules that refuse the others.

    Nothing is recorded. A share is possible if another one than the present is.
    """
    known = state.rollouts.of_adapter(adapter)
    if known is None:
        return []
    other = 50 if known.weight_percent != 50 else 25
    events = [recorded.event for recorded in ledger.history(known.uuid)]
    tried = [ByHand(adapter, wanted, "tried", ACTOR, share=other) for wanted in HandDecision]
    return [
        decision.wanted
        for decision in tried
        if _is_possible(ledger, state, Rollout.project(known.uuid, events), decision)
    ]


def _is_possible(ledger: Ledger, state: State, rollout: Rollout, decision: ByHand) -> bool:
    """Whether the decision passes on this copy of the rollout, which is not stored."""
    before = rollout.version
    try:
        _refuse_what_is_done(ledger, rollout, state, decision)
        _carry_out(rollout, state, decision, ledger.context(ACTOR))
    except NotPossible:
        return False
    return rollout.version > before


def rollback_targets(state: State, adapter: str) -> list[str]:
    """What can become live when the live adapter is rolled back: ``base``, or an adapter that was live before.

    Empty where the adapter is not live.
    """
    known = state.rollouts.of_adapter(adapter)
    if known is None or state.traffic(known.role).stable != adapter:
        return []
    return ["base", *(name for name in state.rollouts.once_live(known.role) if name != adapter)]


def _find_rollout(state: State, decision: ByHand) -> UUID:
    name = decision.adapter
    if (rollout := state.rollouts.of_adapter(name)) is not None:
        return rollout.uuid
    known = state.registry.adapters.get(name)
    if known is not None and known.status == AdapterStatus.REJECTED:
        raise NotPossible(f"{name} has no rollout: it was rejected before any traffic: {known.reason}")
    raise NotPossible(f"{name} has no rollout", hint=Hint.SEE_ROLLOUTS)


def _refuse_what_is_done(ledger: Ledger, rollout: Rollout, state: State, decision: ByHand) -> None:
    """Raise ``NotPossible``, naming the earlier decision, where nothing is left to decide."""
    name, wanted = decision.adapter, decision.wanted
    assert rollout.started is not None
    role = rollout.started.role
    live = state.traffic(role).stable
    if live == name and wanted in (HandDecision.PROMOTE, HandDecision.FORWARD):
        raise NotPossible(f"{name} is live already; {_who_made_live(ledger, role, name)}; nothing was recorded")
    if rollout.phase == RolloutPhase.PROMOTED and wanted == HandDecision.ROLL_BACK and live != name:
        raise NotPossible(
            f"{name} is not live any more; roll back the adapter that is, {live or 'the base'}; "
            f"{_who_made_live(ledger, role, live)}"
        )
    if rollout.phase == DONE.get(wanted) and not (wanted == HandDecision.ROLL_BACK and live == name):
        hint = Hint.ROLL_FORWARD if wanted == HandDecision.PROMOTE else None
        is_now = f"{name} is {rollout.phase} already: " if wanted == HandDecision.RESUME else ""
        raise NotPossible(f"{is_now}{rollout.say_latest()}; nothing was recorded", hint=hint, about=name)
    if wanted == HandDecision.SHARE and not rollout.is_over and rollout.weight_percent == decision.share:
        raise NotPossible(
            f"{name} has {decision.share} % of the runs already; {rollout.say_latest()}; nothing was recorded"
        )
    if rollout.is_over and wanted in ONLY_UNDECIDED:
        raise NotPossible(f"{name} is {rollout.phase} already; {rollout.say_latest()}", hint=Hint.ROLL_BACK_LIVE)


def _carry_out(rollout: Rollout, state: State, decision: ByHand, context: Context) -> None:
    reason = decision.reason
    assert rollout.started is not None
    live = state.traffic(rollout.started.role).stable
    match decision.wanted:
        case HandDecision.PROMOTE:
            rollout.promote(reason, context)
        case HandDecision.FORWARD:
            rollout.forward(live, reason, context)
        case HandDecision.ROLL_BACK | HandDecision.ABORT:
            to = "" if decision.to is None else _target(state, rollout.started.role, decision)
            rollout.roll_back(reason, context, is_live=live == decision.adapter, to=to)
        case HandDecision.PAUSE:
            rollout.pause(reason, context)
        case HandDecision.RESUME:
            rollout.resume(reason, context)
        case HandDecision.APPROVE:
            rollout.approve(reason, context)
        case HandDecision.SHARE:
            rollout.share(decision.share or 0, reason, context, decision.sent_as)


def require_weights(ledger: Ledger, state: State, adapter: str | None) -> None:
    """Raise ``DamagedWeights`` where the registered adapter's weights are missing from their folder."""
    known = state.registry.adapters.get(adapter or "")
    store = open_registry(state.policy, ledger.path)
    if known is not None and not known.is_tuned and not store.has(known.weights):
        raise DamagedWeights(f"the weights of {adapter} are not in {store.place}; restore them from a backup first")


def _who_made_live(ledger: Ledger, role: str, name: str | None) -> str:
    """Which decision made the adapter, None for the base, live in the role."""
    for recorded in reversed(list(ledger.read(1, None, LIVE))):
        event = recorded.event
        was_made = isinstance(event, AdapterPromoted) and event.adapter == name
        was_given_back = (
            isinstance(event, AdapterRolledBack) and event.stable == name and event.cause != RolloutCause.COMPARISON
        )
        if isinstance(event, RolloutEvent) and event.role == role and (was_made or was_given_back):
            return say_decision(event)
    return f"{name or 'the base'} was live before"


def _target(state: State, role: str, decision: ByHand) -> str | None:
    """The adapter that gets the role's runs after a rollback; None for the base. Raises ``NotPossible``."""
    adapter, to, live = decision.adapter, decision.to, state.traffic(role).stable
    if live != adapter:
        raise NotPossible(
            f"{adapter} is not live: its runs return to {live or 'the base'}; only a live adapter's runs can move"
        )
    choices = rollback_targets(state, adapter)
    if to not in choices:
        raise NotPossible(f"{to} has never been live in role {role}; the runs can go to {', '.join(choices)}")
    return None if to == "base" else to
