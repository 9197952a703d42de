"""What each role waits for: a sentence with numbers, computed from the state alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ....domain.aggregates.role import RoleImprovement
from ....domain.errors import Hint
from ....domain.evidence.terms import trigger_terms
from ....domain.rules.breach import Window
from ....domain.settings.settings import Policy
from ....domain.verdict import Verdict
from ....domain.vocabulary import (
    OPEN_TRAININGS,
    UNJUDGED,
    AdapterStatus,
    Decision,
    Place,
    RolloutPhase,
    Rule,
    TrainingStatus,
)
from ...state.registry import Training as KnownTraining
from ...state.state import State
from ...wording.sentences import count


class WaitsOn(StrEnum):
    """What a role can wait for."""

    RATINGS = "ratings"
    WORKER = "worker"
    RUNS = "canary runs"
    TIME = "time"
    PERSON = "person"


RATINGS, WORKER, RUNS, TIME, PERSON = WaitsOn


@dataclass(frozen=True)
class Wait:
    """What a role waits for."""

    on: WaitsOn
    message: str
    """In words that follow the name of the role, such as "needs 7 more ratings"."""
    numbers: dict[str, Any] = field(default_factory=dict)
    hint: Hint | None = None
    """What people can do about it; None where only time or runs help, or where a worker is at it."""


@dataclass(frozen=True)
class Trigger:
    """The ratings that are missing for a breach under the sequential rule."""

    least: int | None
    """The number of further one-star ratings that would be a breach; None where no number is enough."""
    alike: int | None
    """The number of further ratings equal to the window's mean; None where the mean is not under the threshold."""
    has_bursts: bool = False
    """Whether somebody lately gave several ratings in one session, which count as one."""


@dataclass(frozen=True)
class Training:
    """The training of the open cycle. ``status`` is that of the registry, ``position`` that of its request."""

    status: str
    position: int
    step: int = 0
    steps: int | None = None
    reason: str = ""
    """Why it waits, or was interrupted."""


@dataclass(frozen=True)
class Adapter:
    """The adapter of the open cycle, before it has traffic. ``status`` is that of the registry."""

    name: str
    status: str
    is_tuned: bool = False
    """Whether an endpoint tuned it, so that it is judged there."""


@dataclass(frozen=True)
class Canary:
    """The undecided rollout, with its present verdict."""

    adapter: str
    weight_percent: int
    phase: str
    look: Verdict
    asks: bool
    """Whether the last recorded verdict asked for a step that needs approval."""


@dataclass(frozen=True)
class RoleView:
    """Everything that decides what one role waits for."""

    role: str
    window: Window
    policy: Policy
    improvement: RoleImprovement
    trigger: Trigger | None = None
    """None under the rule of the rolling mean."""
    training: Training | None = None
    adapter: Adapter | None = None
    canary: Canary | None = None
    worker: str | None = None
    """The name of the running worker; None without one."""


def has_begun(view: RoleView) -> bool:
    """Whether the role has had a rating, a cycle or an adapter."""
    return bool(
        view.window.ratings or view.window.total or view.improvement.version or view.canary or view.window.adapter
    )


def waits_for(view: RoleView) -> Wait:
    """What must happen before the role's next step."""
    if view.canary is not None:
        return _canary(view, view.canary)
    if view.improvement.open_cycle is not None:
        return _cycle(view)
    return _ratings(view)


def _cycle(view: RoleView) -> Wait:
    """The open cycle waits for a worker: for a training, a proof or the gate."""
    doing, hint = (f": {view.worker} is at work", None) if view.worker else ("", Hint.RUN_WORKER)
    if view.adapter is not None and view.policy.is_remote and not view.adapter.is_tuned:
        message = f"waits for a local model: {view.adapter.name} cannot be proven on an endpoint"
        return Wait(PERSON, message, {"adapter": view.adapter.name}, Hint.USE_LOCAL_MODEL)
    if view.adapter is not None:
        step = "proof" if view.adapter.status == AdapterStatus.REGISTERED else "gate"
        message = f"waits for a worker and the {step} of {view.adapter.name}{doing}"
        return Wait(WORKER, message, {"adapter": view.adapter.name}, hint)
    if view.training is None:
        return Wait(WORKER, f"waits for a worker and its training{doing}", hint=hint)
    training = view.training
    numbers = {"position": training.position, "step": training.step, "steps": training.steps}
    if training.status == TrainingStatus.REQUESTED:
        message = f"waits for a worker and the training requested at position {training.position}{doing}"
        return Wait(WORKER, message, numbers, hint)
    if training.status == TrainingStatus.HELD:
        message = f"waits for a person to approve its training: {training.reason}"
        return Wait(PERSON, message, numbers, Hint.APPROVE_TRAINING)
    if training.status == TrainingStatus.CARRIED:
        message = f"waits for the result of the training requested at position {training.position}, which people carry"
        return Wait(PERSON, message, numbers, Hint.CARRY_TRAINING)
    if training.reason and training.status == TrainingStatus.TRAINING:
        doing = f" ({training.reason}){doing}"
    done = f", step {training.step} of {training.steps}" if training.step and training.steps else ""
    message = f"waits for the end of the training requested at position {training.position}{done}{doing}"
    return Wait(WORKER, message, numbers, hint)


def _canary(view: RoleView, canary: Canary) -> Wait:
    canary_share = f"{canary.adapter} at {canary.weight_percent} %"
    look, numbers = canary.look, {"adapter": canary.adapter, "weight_percent": canary.weight_percent}
    if canary.phase == RolloutPhase.PAUSED and canary.asks:
        return Wait(PERSON, f"waits for a person to approve the next step of {canary_share}", numbers, Hint.APPROVE)
    if canary.phase == RolloutPhase.PAUSED:
        return Wait(PERSON, f"waits for a person to decide, as {canary_share} is paused", numbers, Hint.DECIDE_ROLLOUT)
    runs = look.numbers.get("canary", {}).get("runs", 0)
    match look.reason:
        case "few runs" if look.numbers.get("rule") != Rule.SEQUENTIAL:
            needed = view.policy.canary(view.role).min_runs
            numbers |= {"runs": runs, "needed": needed, "missing": needed - runs}
            message = f"needs {_more(needed - runs, 'run')} of {canary_share} before a decision: {runs} of {needed}"
            return Wait(RUNS, message, numbers)
        case "bake" | "pause":
            hint = None if view.worker else Hint.RUN_WORKER
            return Wait(TIME, f"waits for time to pass with {canary_share}: {look.message}", numbers, hint)
        case "unrated":
            return Wait(RATINGS, f"needs a rating of a run of {canary_share}", numbers | {"runs": runs})
    return Wait(RUNS, f"needs more runs of {canary_share} before a decision: {look.message}", numbers | {"runs": runs})


def _ratings(view: RoleView) -> Wait:
    """Without a cycle the role waits for ratings."""
    window, policy, role = view.window, view.policy, view.role
    threshold, held = policy.rating(role).threshold, len(window.ratings)
    cooldown = cooldown_left(view.improvement, window, policy)
    numbers: dict[str, Any] = {"ratings": held, "mean": round(window.mean, 4) if held else None, "cooldown": cooldown}
    mean = f"their mean is {window.mean:.2f}" if held else "there are none yet"
    if cooldown:
        needs = f"needs {_more(cooldown, 'rating')} after its last cycle before a training can start (rating.cooldown)"
        return Wait(RATINGS, f"{needs}; {mean}", numbers | {"missing": cooldown})
    if view.trigger is None:
        minimum = policy.rating(role).minimum
        missing = max(0, minimum - held)
        if missing:
            numbers |= {"missing": missing, "needed": minimum}
            needs = f"needs {_more(missing, 'rating')} before a training can start: {held} of {minimum}"
            return Wait(RATINGS, f"{needs}; {mean}", numbers)
        message = (
            f"is trained when the mean of its ratings falls under {threshold:g}; it is {window.mean:.2f} of {held}"
        )
        return Wait(RATINGS, message, numbers | {"missing": 0, "threshold": threshold})
    least, alike = view.trigger.least, view.trigger.alike
    numbers |= {"missing": least, "missing_alike": alike, "threshold": threshold}
    so_far = f"{count(held, 'rating')} so far, {mean}" if held else mean
    if least is None:
        message = f"is never trained for its ratings: none can be under {threshold:g} (rating.threshold); {so_far}"
        return Wait(RATINGS, message, numbers)
    often = f", or about {alike} more like those so far" if alike is not None and alike > least else ""
    once = ", where one person's ratings in one session count once" if view.trigger.has_bursts else ""
    message = (
        f"is trained when its ratings are clearly under {threshold:g} on average: that takes at least "
        f"{least} more of 1 star{often}{once}; {so_far}"
    )
    return Wait(RATINGS, message, numbers)


def cooldown_left(improvement: RoleImprovement, window: Window, policy: Policy) -> int:
    """The number of ratings before the live adapter can breach again; 0 where it can now."""
    if not improvement.is_latched or improvement.latched_adapter != window.adapter:
        return 0
    waited = window.total - improvement.closed_total
    return max(0, trigger_terms(policy, window.role).wait(improvement.cycles_in_vain) - waited)


def _more(number: int, noun: str) -> str:
    return f"{number} more {noun}{'' if number == 1 else 's'}"


def view_role(state: State, improvement: RoleImprovement, role: str, worker: str | None = None) -> RoleView:
    """The view of the role from the state and the role's aggregate, both as of the same position."""
    window, policy = state.window(role), state.policy
    trigger = None
    if policy.rating(role).rule == Rule.SEQUENTIAL:
        terms = trigger_terms(policy, role)
        mean = window.mean if window.ratings and window.mean < terms.threshold else None
        least = state.triggers.ratings_to_alarm(role, window.adapter, terms, 1.0)
        alike = state.triggers.ratings_to_alarm(role, window.adapter, terms, mean) if mean is not None else None
        trigger = Trigger(least, alike, state.triggers.has_bursts(role, window.adapter, terms))
    training, adapter = _in_flight(state, role)
    return RoleView(role, window, policy, improvement, trigger, training, adapter, _rollout(state, role), worker)


def _in_flight(state: State, role: str) -> tuple[Training | None, Adapter | None]:
    """The training of the role's open cycle, and its adapter."""
    cycle, registry = state.rollouts.cycle(role), state.registry
    if cycle is None:
        return None, None
    known = next((known for known in registry.trainings.values() if known.cycle == cycle.opened_by), None)
    if known is None:
        return None, None
    training = Training(known.status, known.position, known.step, known.steps, known.reason)
    made = next((adapter for adapter in registry.adapters.values() if adapter.training == known.id), None)
    return training, Adapter(made.name, made.status, made.is_tuned) if made is not None else None


def _rollout(state: State, role: str) -> Canary | None:
    id = state.traffic(role).rollout
    if id is None:
        return None
    rollout = state.rollouts.of(id)
    last = rollout.last_verdict
    asks = last is not None and (last.verdict == Decision.PROMOTE or last.next_share is not None)
    return Canary(rollout.adapter, rollout.weight_percent, rollout.phase, state.look(id), asks)


def is_due(training: KnownTraining, policy: Policy) -> bool:
    """Whether a worker must continue the training: one that people carry is theirs while the setting says so."""
    is_carried = training.status == TrainingStatus.CARRIED
    return training.status in OPEN_TRAININGS or (is_carried and policy.launch(training.role).launcher != Place.CARRY)


def worker_task(state: State) -> str:
    """The work that a worker does now or next: a training, a proof or a gate; empty where there is none."""
    for key, training in state.registry.trainings.items():
        if is_due(training, state.policy):
            done = f", step {training.step} of {training.steps}" if training.steps else ""
            return f"training {key[:8]} for role {training.role}{done}"
    for name, adapter in state.registry.adapters.items():
        if adapter.status in UNJUDGED and state.policy.is_remote == adapter.is_tuned:
            return f"the {'proof' if adapter.status == AdapterStatus.REGISTERED else 'gate'} of {name}"
    return ""
