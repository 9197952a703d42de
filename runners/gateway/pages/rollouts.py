"""The rollouts: where each stands, what the evidence is, and the decisions of people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup

from ....domain.aggregates.base import derive_id
from ....domain.aggregates.rollout import Rollout
from ....domain.errors import Hint, NotPossible
from ....domain.events import CanaryAssessed, RolloutStarted
from ....domain.vocabulary import HandDecision, Rule, Scope
from ....projections.state.ratings import BASE
from ....projections.wording.role_metrics import role_metric
from ...explain.curves import draw_looks
from ...explain.event_list import show_line
from ...explain.histories import following
from ...improvement.rollouts import decisions_by_hand, rollback_targets
from ...store.states import load_state
from ...use_cases import rollouts as use_case
from ...use_cases.overview import list_rollouts as view_rollouts
from ...use_cases.overview import view_rollout
from ...wiring.services import require_adapter
from ..chat_request import BadRequest
from ..site.visit import Done, View, Visit

if TYPE_CHECKING:
    from ....projections.explain.history import History
    from ....projections.state import rollouts as fold
    from ....projections.state.state import State
    from ...store.ledger import Ledger

NAMES = {
    HandDecision.PROMOTE: "Promote",
    HandDecision.APPROVE: "Approve",
    HandDecision.FORWARD: "Roll forward",
    HandDecision.SHARE: "Set the share",
    HandDecision.PAUSE: "Pause",
    HandDecision.RESUME: "Resume",
    HandDecision.ROLL_BACK: "Roll back",
}
"""The decisions that have a button, in their order. ``abort`` does what ``roll back`` does before a promotion."""
DANGEROUS = (HandDecision.PROMOTE, HandDecision.FORWARD, HandDecision.ROLL_BACK)
"""The decisions after which another adapter answers."""
FIELDS = ("decision", "percent", "to", "reason", "id")
EVENTS_SHOWN = 100
"""The newest events of a rollout that its page lists; chosen."""


def list_rollouts(visit: Visit) -> View:
    """Every rollout as it stands, the newest first."""
    log = visit.ledger
    state = load_state(log)
    rows = [{**row, "is_over": row["id"] not in state.undecided} for row in view_rollouts(log, state)]
    return View("rollouts", "Rollouts", {"position": state.position, "rollouts": rows[::-1]})


def show_rollout(visit: Visit) -> View:
    """One rollout: its share, its verdict, the evidence, the decisions that can be made, and what was decided."""
    log = visit.ledger
    state = load_state(log)
    rollout = _require_rollout(state, visit.name("adapter"))
    shown = view_rollout(log, state, rollout)
    history_of = log.history(rollout.uuid)
    latest = Rollout.project(rollout.uuid, (recorded.event for recorded in history_of)).say_latest()
    events = [recorded.event for recorded in history_of]
    anchors = {recorded.position for recorded in history_of[-EVENTS_SHOWN:]}
    looked = [event.numbers for event in events if isinstance(event, CanaryAssessed)]
    numbers: dict[str, Any] = shown.get("numbers") or (looked[-1] if looked else {})
    first = next(event.weight_percent for event in events if isinstance(event, RolloutStarted))
    last = history_of[-1].position if rollout.is_over else None
    with following(log, rollout.role, rollout.id, first=rollout.position, last=last) as history:
        drawing, looks = Markup(draw_looks(history, anchors)), _looks(history)
    data = {
        "position": state.position,
        "rollout": shown,
        "is_over": rollout.is_over,
        "latest": log.say(latest),
        "live": state.traffic(rollout.role).stable,
        "steps": _steps(first, rollout, numbers),
        "arms": [_arm(name, numbers[name], numbers.get("rule")) for name in ("canary", "stable") if numbers.get(name)],
        "metrics": _metrics(state, rollout),
        "looks": looks,
        "decisions": _decisions(log, state, rollout) if visit.may(Scope.ADMIN) else [],
        "targets": rollback_targets(state, rollout.adapter),
        "events": [show_line(log, recorded) for recorded in reversed(history_of[-EVENTS_SHOWN:])],
        "events_in_all": len(events),
    }
    return View("rollout", f"Rollout of {rollout.adapter}", data, {"evidence": drawing})


def decide(visit: Visit) -> Done:
    """Take the decision in the form, in the visitor's name. Raises ``BadRequest``, ``NotPossible``, ``UnknownAdapter``,
    ``DamagedWeights``."""
    form, adapter = visit.form, visit.name("adapter")
    wanted, actor = form.one("decision"), visit.visitor.name
    if wanted not in list(HandDecision):
        raise BadRequest(f"{wanted[:40]!r} is not a decision; there are {', '.join(HandDecision)}", "decision")
    done = _take(visit.ledger, HandDecision(wanted), adapter, form.reason("a decision by hand"), actor, visit)
    said = f"{done.adapter} is {done.phase}, with {done.weight_percent} % of the runs of role {done.role}; "
    said += f"live is {done.live or 'the base'}"
    data = {
        "adapter": done.adapter,
        "role": done.role,
        "phase": done.phase,
        "weight_percent": done.weight_percent,
        "live": done.live,
        "position": done.position,
    }
    return Done(f"/rollouts/{quote(done.adapter, safe='')}", said, data=data)


def _take(
    ledger: Ledger, wanted: HandDecision, adapter: str, reason: str, actor: str, visit: Visit
) -> use_case.RolloutDecision:
    match wanted:
        case HandDecision.SHARE:
            percent = visit.form.number("percent", 1, 99)
            if percent is None:
                raise BadRequest("the share is missing; it takes a whole number from 1 to 99", "percent")
            sent_as = visit.form_id and derive_id("decision", visit.visitor.key, visit.form_id).hex
            return use_case.set_share(ledger, adapter, percent, reason=reason, actor=actor, sent_as=sent_as)
        case HandDecision.ROLL_BACK:
            return use_case.roll_back(ledger, adapter, reason=reason, actor=actor, to=visit.form.one("to") or None)
    simple = {
        HandDecision.PROMOTE: use_case.promote,
        HandDecision.FORWARD: use_case.roll_forward,
        HandDecision.ABORT: use_case.abort,
        HandDecision.PAUSE: use_case.pause,
        HandDecision.RESUME: use_case.resume,
        HandDecision.APPROVE: use_case.approve,
    }
    return simple[wanted](ledger, adapter, reason=reason, actor=actor)


def _require_rollout(state: State, adapter: str) -> fold.Rollout:
    """The rollout of the adapter. Raises ``UnknownAdapter``, and ``NotPossible`` where it has none."""
    known = require_adapter(adapter, state.registry.adapters)
    rollout = state.rollouts.of_adapter(adapter)
    if rollout is None:
        raise NotPossible(f"{adapter} has no rollout: it is {known.status}", hint=Hint.SEE_ROLLOUTS)
    return rollout


def _steps(first: int, rollout: fold.Rollout, numbers: dict[str, Any]) -> list[dict[str, Any]]:
    """The shares on the way to all runs: the first, those of the ramp, 100 %; and one that a person has set."""
    ramp = [step["weight_percent"] for step in (numbers.get("terms") or {}).get("ramp", ())]
    present = rollout.weight_percent
    shares = sorted({first, *ramp, 100, *([present] if present else [])})
    return [{"weight_percent": share, "is_reached": share <= present, "is_now": share == present} for share in shares]


def _arm(name: str, numbers: dict[str, Any], rule: str | None) -> dict[str, Any]:
    """The figures of one arm. The sequential rule counts runs of unknown success beside the others, the plain rules with
    them; here they are always among the runs."""
    kept = ("runs", "unknown", "success", "rated", "rating", "health", "critical")
    arm: dict[str, Any] = {"arm": name, **{key: numbers.get(key) for key in kept}}
    if rule == Rule.SEQUENTIAL and arm["runs"] is not None:
        arm["runs"] += arm["unknown"] or 0
    return arm


def _metrics(state: State, rollout: fold.Rollout) -> list[dict[str, Any]]:
    """How well what answers each arm works in the role, over its own of the latest runs, now."""
    answers = {"canary": rollout.adapter, "stable": rollout.stable or BASE}
    metrics = {arm: role_metric(state.role_metrics, rollout.role, adapter) for arm, adapter in answers.items()}
    return [
        {"arm": arm, "adapter": answers[arm], **asdict(metric), "is_met": metric.is_met}
        for arm, metric in metrics.items()
    ]


def _looks(history: History) -> list[dict[str, Any]]:
    """The numbers behind the curves, JSON-plain."""
    kept = ("evidence", "canary", "stable", "bars")
    return [
        {
            "position": look.position,
            "verdict": look.verdict.verdict,
            "reason": look.verdict.reason,
            **{name: look.verdict.numbers[name] for name in kept if name in look.verdict.numbers},
        }
        for look in history.looks
    ]


def _decisions(ledger: Ledger, state: State, rollout: fold.Rollout) -> list[dict[str, Any]]:
    """The decisions that can be made now, each with what will happen, in words."""
    possible = decisions_by_hand(ledger, state, rollout.adapter)
    return [
        {
            "decision": wanted,
            "name": name,
            "effect": _say_effect(wanted, state, rollout),
            "is_dangerous": wanted in DANGEROUS,
        }
        for wanted, name in NAMES.items()
        if wanted in possible
    ]


def _say_effect(wanted: HandDecision, state: State, rollout: fold.Rollout) -> str:
    name, role, share = rollout.adapter, rollout.role, rollout.weight_percent
    live = state.traffic(role).stable
    stable = live or "the base"
    match wanted:
        case HandDecision.PROMOTE:
            return f"{name} answers all runs of role {role} from now on, whatever its canary has shown; {stable} gets none."
        case HandDecision.APPROVE:
            share_asked = state.rollouts.of(rollout.id).last_verdict
            asked = None if share_asked is None else share_asked.next_share
            step = "is promoted: it answers all runs" if asked is None else f"goes on to {asked} % of the runs"
            return f"The step that waits is taken: {name} {step} of role {role}."
        case HandDecision.FORWARD:
            return (
                f"{name} answers all runs of role {role} from now on, in place of {stable}. "
                "A rollout that is compared with that ends."
            )
        case HandDecision.SHARE:
            return (
                f"{name} gets this share of the runs that begin from now on; {share} % now. "
                "The program does not raise it any more."
            )
        case HandDecision.PAUSE:
            return f"{name} keeps {share} % of the runs. It is rolled back only if it is worse or fails critically."
        case HandDecision.RESUME:
            return f"{name} is judged again, with all its time and runs, and the program decides by itself."
        case _ if live == name:
            return f"{name} gets no more runs of role {role}. What you choose below answers them from now on."
        case _:
            return f"The {share} % of the runs that {name} has go back to {stable}, and this rollout is over."
