"""The adapters and the trainings that make them: what each was made from, how far it is, and asking for one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ....domain.errors import NotFound, NotPossible
from ....domain.events import (
    DatasetBuilt,
    Event,
    TrainingCompleted,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
)
from ....domain.rules.cost import Prices
from ....domain.settings.settings import ROLES
from ....domain.vocabulary import OPEN_TRAININGS, Place, Scope, TrainingStatus
from ....projections.explain.history import family_of, read_parents
from ....projections.wording.sentences import short_text
from ...explain.curves import draw_loss
from ...explain.descent import draw_descent
from ...explain.event_list import show_line
from ...store.states import load_state
from ...use_cases.overview import status_of
from ...use_cases.trainings import approve_training, cancel_training, request_training
from ...wiring.services import require_adapter
from ..site.visit import Done, View, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....projections.state.registry import Training
    from ....projections.state.state import State
    from ...store.codec import Recorded
    from ...store.log import Log
    from ...use_cases.overview import AdapterSummary


DECISIONS = {"approve": approve_training, "cancel": cancel_training}
"""What a person can decide on a training that has not ended."""


def list_adapters(visit: Visit) -> View:
    """Every adapter, the newest first, and their descent."""
    log = visit.ledger
    state, parents = load_state(log), read_parents(log)
    rows = [_show_adapter(adapter, state) for adapter in status_of(log, state).adapters]
    roles = [role for role in ROLES if any(row["role"] == role for row in rows)]
    drawn = Markup().join(
        Markup("<h3>Role {}</h3>{}").format(role, Markup(draw_descent(family_of(state, role, parents), None)))
        for role in roles
    )
    data = {"position": state.position, "adapters": rows[::-1], "roles": roles}
    return View("adapters", "Adapters", data, {"descent": drawn})


def show_adapter(visit: Visit) -> View:
    """One adapter: its origin, its proof, its gate, its ratings and runs. Raises ``UnknownAdapter``."""
    log, name = visit.ledger, visit.name("adapter")
    state = load_state(log)
    known = require_adapter(name, state.registry.adapters)
    status = status_of(log, state)
    adapter = next(each for each in status.adapters if each.name == name)
    history = sorted(log.history(known.uuid) + _rollout_history(log, state, name), key=lambda each: each.position)
    data = {
        "shown": _show_adapter(adapter, state),
        "runs": [row for row in status.metrics if row["adapter"] == name],
        "events": [show_line(log, recorded) for recorded in reversed(history)],
    }
    drawn = Markup(draw_descent(family_of(state, adapter.role, read_parents(log)), name))
    return View("adapter", f"Adapter {name}", data, {"descent": drawn})


def _rollout_history(log: Log, state: State, name: str) -> list[Recorded]:
    rollout = state.rollouts.of_adapter(name)
    return [] if rollout is None else log.history(rollout.uuid)


def _show_adapter(adapter: AdapterSummary, state: State) -> dict[str, Any]:
    gate = state.registry.adapters[adapter.name].gate
    return {
        **adapter.details,
        "mean": adapter.mean,
        "ratings": adapter.ratings,
        "examples": adapter.examples,
        "price": adapter.price,
        "gate_verdict": None if gate is None else gate.verdict,
        "gate_message": None if gate is None else gate.message,
        "is_missing": adapter.is_missing,
        "has_rollout": state.rollouts.of_adapter(adapter.name) is not None,
    }


def list_trainings(visit: Visit) -> View:
    """Every training, the newest first, and the roles for which one can be requested."""
    log = visit.ledger
    state = load_state(log)
    made = {adapter.training: name for name, adapter in state.registry.adapters.items()}
    rows = [_show_training(log, training, made) for training in state.registry.trainings.values()]
    data = {
        "position": state.position,
        "trainings": rows[::-1],
        "free_roles": [role for role in ROLES if state.rollouts.cycle(role) is None],
    }
    return View("trainings", "Trainings", data)


def request(visit: Visit) -> Done:
    """Request a training of the role in the form. Raises ``NotPossible``, ``NotFound``, ``InvalidRecipe``."""
    reason = visit.form.reason("a request for a training")
    asked = request_training(visit.ledger, visit.form.one("role"), reason=reason, actor=visit.visitor.name)
    said = f"a training for role {asked.role} is requested; the worker begins it"
    data = {"role": asked.role, "training": asked.training.hex, "position": asked.position}
    return Done(f"/trainings/{asked.training.hex}", said, data=data)


def show_training(visit: Visit) -> View:
    """One training: its progress, loss and cost, its dataset and its recipe. Raises ``NotFound``."""
    log = visit.ledger
    state = load_state(log)
    training = _require_training(log, state, visit.name("training"))
    history = log.history(training.uuid)
    events = [recorded.event for recorded in history]
    loss = [(event.step, event.loss) for event in events if isinstance(event, TrainingProgressed)]
    made = {adapter.training: name for name, adapter in state.registry.adapters.items()}
    requested = next(event for event in events if isinstance(event, TrainingRequested))
    dataset = next((event for event in events if isinstance(event, DatasetBuilt)), None)
    completed = next((event for event in events if isinstance(event, TrainingCompleted)), None)
    if completed is not None:
        loss.append((completed.steps, completed.final_loss))
    data = {
        "position": state.position,
        "training": _show_training(log, training, made),
        "decisions": _decisions(training) if visit.may(Scope.ADMIN) else [],
        "loss": [{"step": step, "loss": value} for step, value in loss],
        "final_loss": None if completed is None else completed.final_loss,
        "device": None if completed is None else completed.device,
        "base": requested.base,
        "parent": requested.parent,
        "by_source": {} if dataset is None else dataset.by_source,
        "now": _estimate(log, state, training, events),
        "recipe": dict(sorted(requested.recipe.items())),
        "events": [show_line(log, recorded) for recorded in reversed(history)],
    }
    title = f"Training {training.id[:8]} for role {training.role}"
    return View("training", title, data, {"curve": Markup(draw_loss(loss, training.steps or 0))})


def decide(visit: Visit) -> Done:
    """Approve or cancel the training, as the form says, in the visitor's name. Raises ``NotPossible``, ``NotFound``."""
    form, actor, log = visit.form, visit.visitor.name, visit.ledger
    training = _require_training(log, load_state(log), visit.name("training"))
    wanted = form.one("decision")
    if wanted not in DECISIONS:
        raise NotPossible(f"{wanted[:40]!r} is not a decision; there are {', '.join(DECISIONS)}")
    id = DECISIONS[wanted](log, training.id, reason=form.reason("a decision by hand"), actor=actor)
    said = "the training is approved; the worker begins it" if wanted == "approve" else "the training is cancelled"
    return Done(f"/trainings/{id.hex}", said, data={"training": id.hex, "decision": wanted})


def _decisions(training: Training) -> list[str]:
    """What a person can decide on the training."""
    if training.status == TrainingStatus.HELD:
        return ["approve", "cancel"]
    return ["cancel"] if training.status in (*OPEN_TRAININGS, TrainingStatus.CARRIED) else []


def _require_training(log: Log, state: State, beginning: str) -> Training:
    ids = log.ids_like(beginning, TrainingRequested.TOPIC)
    if len(ids) != 1:
        found = "no training begins" if not ids else "more than one training begins"
        raise NotFound(f"{found} with {short_text(beginning, 40)!r}")
    return state.registry.trainings[ids[0]]


def _show_training(log: Log, training: Training, made: dict[str, str]) -> dict[str, Any]:
    return {
        **training.to_json(),
        "adapter": made.get(training.id),
        "reason": log.say(training.reason),
        "is_open": training.status in OPEN_TRAININGS,
        "price": None if training.cost is None else str(training.cost),
    }


def _estimate(log: Log, state: State, training: Training, events: Sequence[Event]) -> dict[str, Any] | None:
    """Time and cost so far of the attempt under way, and the time that is left at its pace; None where none is under way."""
    starts = [number for number, event in enumerate(events) if isinstance(event, TrainingStarted)]
    if training.status not in OPEN_TRAININGS or not starts:
        return None
    attempt = events[starts[-1] :]
    spent_s = max(0.0, (log.clock.now() - attempt[0].time).total_seconds())
    steps = [event for event in attempt if isinstance(event, TrainingProgressed)]
    left_s = None
    if len(steps) > 1 and steps[-1].step > steps[0].step:
        pace_s = _seconds(steps[0].time, steps[-1].time) / (steps[-1].step - steps[0].step)
        left_s = round(pace_s * (steps[-1].steps - steps[-1].step), 1)
    so_far = {"spent_s": round(spent_s, 1), "left_s": left_s}
    if training.launcher == Place.OPENAI:
        return {**so_far, "cost": None, "price": "as the endpoint bills it"}
    cost = Prices.of(state.policy).cost(spent_s)
    return {**so_far, "cost": cost.to_json(), "price": str(cost)}


def _seconds(first: datetime, last: datetime) -> float:
    return max(0.0, (last - first).total_seconds())
