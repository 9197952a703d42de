"""Where a training would pay most: for each role its low ratings, the corrections at hand, the cost, and what it could gain.

Everything is counted since the dataset of the role's last completed training: what that training learnt, a new one would
learn again and gain nothing. A training that was declined or failed has learnt nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ....adapters.data.dataset import TOPICS, build_dataset
from ....adapters.data.sources import LESSONS
from ....domain.durations import show_duration
from ....domain.errors import GrokputerError, LogError
from ....domain.events import DatasetBuilt, Event, TaskCorrected, TaskRated, TrainingCompleted
from ....domain.rules.cost import Prices
from ....domain.rules.roles import GOOD_STARS
from ....domain.settings.settings import ROLES, resolve_recipe
from ....domain.settings.sizes import resolve_for_base
from ....projections.explain.failures.ended_run import EndedRun
from ....projections.explain.failures.group import FailureGroup
from ....projections.wording.sentences import count, short_id
from ...improvement.tuning.tunings import complain_of_place
from ...improvement.waiting.estimates import estimate_from_history, estimate_tokens
from ...store.states import load_state
from ...store.texts.ahead import LogAhead
from ...wiring.services import base_of
from .kept import Kept, moment_of

if TYPE_CHECKING:
    from ....domain.settings.settings import Policy
    from ....projections.state.state import State
    from ...store.log import Log


@dataclass(frozen=True)
class RoleAdvice:
    """What a training of one role would learn, cost and gain. All counts are since its last completed training."""

    role: str
    known: int
    """The examined runs with a known outcome in which the role made a step."""
    failures: int
    """Those of them that failed by the role's fault."""
    unattributed: int
    """Those of them that failed while no role is known to be at fault."""
    low_ratings: int
    """The runs of the whole log whose newest rating is under four stars with the role at fault."""
    corrected: int
    """The runs of the whole log with a new correction that the dataset uses."""
    reach: int
    """The failures that have such a correction, or are similar to one that has."""
    examples: int | None
    """The usable examples of a training that is requested now; its own retries may add to them. None where no correction is
    new: then no dataset is built, and nothing is estimated."""
    needed: int
    """The examples under which a training is declined, by the setting."""
    gate_missing: int
    """Held-out failures that the gate lacks to judge by; without them the canary alone decides."""
    duration_s: float | None
    """The estimated duration; None where no training can begin, and where the log has none to estimate from."""
    price: str | None
    """The estimated price with its currency; None where the duration is unknown."""
    obstacle: str
    """Why a training that is requested now would not train; empty where it would, and where no correction is new."""
    sentence: str
    """The advice in one sentence."""

    @property
    def gain(self) -> float | None:
        """The most that a training could gain: ``reach / known``, the share of the role's runs that failed in a way that a
        new correction is at hand for. To four places; None without known runs."""
        return round(self.reach / self.known, 4) if self.known else None

    def to_json(self) -> dict[str, Any]:
        """The fields by name, JSON-plain."""
        return {**asdict(self), "gain": self.gain}


@dataclass
class _Since:
    """What people said of a role's runs since its last completed training."""

    position: int = 0
    low: set[str] = field(default_factory=set)
    corrected: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Plan:
    """What a training that is requested now would use and take."""

    lessons: int | None = None
    """Its usable examples; None without a dataset."""
    taught: frozenset[str] = frozenset()
    """The runs that give them."""
    duration_s: float | None = None
    price: str | None = None
    obstacle: str = ""
    gate_missing: int = 0


_heard: Kept[dict[str, _Since]] = Kept(2)
_plans: Kept[_Plan] = Kept(2 * len(ROLES))
"""What is the same for every choice of runs, by the moment of the log; building a dataset takes longest."""


def advise(log: Log, runs: Sequence[EndedRun], groups: Sequence[FailureGroup]) -> tuple[RoleAdvice, ...]:
    """The advice for each role, the one where a training would pay most first. Raises ``LogError``.

    ``runs`` are the examined ones, and ``groups`` their similar failures.
    """
    moment, state, events = moment_of(log), load_state(log), list[Event]()
    since = _heard.get(moment, lambda: _listen(log))

    def plan_for(role: str) -> _Plan:
        events.extend(recorded.event for recorded in (() if events else log.read(1, None, TOPICS)))
        return _plan(log, state, role, events)

    advice = []
    for role in ROLES:
        heard, plan = since[role], _Plan()
        own = [run for run in runs if run.position > heard.position and role in run.roles and run.is_known]
        if heard.corrected:  # else there is nothing new to learn, and building a dataset takes a while
            plan = _plans.get((moment, role), partial(plan_for, role))
        advice.append(_advise(role, own, groups, heard, plan, state.policy))
    return tuple(sorted(advice, key=_rank))


def _rank(advice: RoleAdvice) -> tuple[bool, float, int, int]:
    """What can be trained comes first, by its gain; then what has most failures."""
    is_ready = not advice.obstacle and advice.reach > 0
    return not is_ready, -(advice.gain or 0.0), -advice.failures, ROLES.index(advice.role)


def _listen(log: Log) -> dict[str, _Since]:
    """What people said of each role's runs since its last completed training."""
    since, built = {role: _Since() for role in ROLES}, dict[str, int]()
    for recorded in log.read(1, None, (DatasetBuilt.TOPIC, TrainingCompleted.TOPIC)):
        match recorded.event:
            case DatasetBuilt() as dataset:
                built[dataset.originator_id.hex] = dataset.up_to
            case TrainingCompleted() as completed if completed.role in since:
                since[completed.role].position = built.get(completed.originator_id.hex, recorded.position)
    first = min(heard.position for heard in since.values()) + 1
    for recorded in log.read(first, None, (TaskRated.TOPIC, TaskCorrected.TOPIC)):
        event, run = recorded.event, recorded.event.originator_id.hex
        for role, heard in since.items():
            if recorded.position <= heard.position:
                continue
            if isinstance(event, TaskCorrected):
                heard.corrected.add(run)
            elif isinstance(event, TaskRated):
                is_low = event.stars < GOOD_STARS and event.fault == role
                (heard.low.add if is_low else heard.low.discard)(run)
    return since


def _plan(log: Log, state: State, role: str, events: Sequence[Event]) -> _Plan:
    """What a training of the role would use and take, from the log alone."""
    policy, is_open = state.policy, state.rollouts.cycle(role) is not None
    obstacle = "a cycle of it is under way" if is_open else ""
    try:
        recipe = resolve_recipe(policy, role)
        dataset = build_dataset(
            events, LogAhead(log, events).get_content, role, policy.training(role).learn_below_stars, recipe
        )
        taught = frozenset(example.run_id for example in dataset.examples if example.source in LESSONS)
        plan, needed = _Plan(dataset.lessons, taught), policy.training(role).min_examples
        if dataset.lessons < needed:
            few = f"{count(dataset.lessons, 'usable example')}, {needed} are needed"
            return replace(plan, obstacle=obstacle or few)
        if (own := policy.role_model(role)) is not None:
            return replace(plan, obstacle=own.why_untrained(role))
        missing = dataset.missing_for_gate(policy.gate(role).minimum) if policy.gate(role).enabled else 0
        plan = replace(plan, gate_missing=missing)
        if policy.is_remote:
            return _at_endpoint(log, policy, role, plan, len(dataset.examples), obstacle)
        parameters = base_of(policy, log.get_content).count_parameters()
        examples = len(dataset.examples)
        resolved = resolve_for_base(policy, role, recipe, parameters, examples)
        estimate = estimate_from_history(log, policy, examples, resolved.recipe)
    except LogError:
        raise
    except GrokputerError as error:  # damaged texts, a recipe that old settings make invalid, a base that is not there
        return _Plan(obstacle=str(error))
    price = None if estimate.duration_s is None else Prices.of(policy).cost(estimate.duration_s).price
    return replace(plan, duration_s=estimate.duration_s, price=price, obstacle=obstacle)


def _at_endpoint(log: Log, policy: Policy, role: str, plan: _Plan, examples: int, obstacle: str) -> _Plan:
    """What a training at the endpoint of the model would cost, or why there can be none."""
    if problem := complain_of_place(policy, policy, role, policy.launch(role).launcher):
        return replace(plan, obstacle=problem.partition(";")[0])
    tokens, _ = estimate_tokens(log, policy.model.base, examples)
    price = None if tokens is None else Prices.of(policy).tuning(tokens).price
    return replace(plan, price=price, obstacle=obstacle)


def _advise(
    role: str,
    own: Sequence[EndedRun],
    groups: Sequence[FailureGroup],
    heard: _Since,
    plan: _Plan,
    policy: Policy,
) -> RoleAdvice:
    failures = {run.id for run in own if run.is_failure and run.fault == role}
    corrected = heard.corrected & plan.taught
    reached = failures & corrected
    for group in groups:
        if not corrected.isdisjoint(group.runs):
            reached |= failures.intersection(group.runs)
    figures: dict[str, Any] = {
        "role": role,
        "known": len(own),
        "failures": len(failures),
        "unattributed": sum(run.is_failure and run.fault is None for run in own),
        "low_ratings": len(heard.low),
        "corrected": len(corrected),
        "reach": len(reached),
        "examples": plan.lessons,
        "needed": policy.training(role).min_examples,
        "gate_missing": plan.gate_missing,
        "duration_s": plan.duration_s,
        "price": plan.price,
        "obstacle": plan.obstacle,
    }
    return RoleAdvice(**figures, sentence=_say(RoleAdvice(**figures, sentence=""), failures, corrected, groups))


def _say(advice: RoleAdvice, failures: set[str], corrected: set[str], groups: Sequence[FailureGroup]) -> str:
    """The advice in one sentence."""
    if not advice.failures:
        return _say_no_failure(advice)
    failed = f"{count(advice.failures, 'failure')} in {count(advice.known, 'run')}"
    if not advice.reach:
        return f"nothing to learn yet: {failed}, none like a new correction; {_what_to_correct(failures, corrected, groups)}"
    share = f"{(advice.gain or 0) * 100:.0f} % of its runs failed as {count(advice.corrected, 'corrected run')} did"
    if advice.obstacle:
        return f"{share}, but {advice.obstacle}; {_what_to_correct(failures, corrected, groups)}"
    gate = f"; the gate lacks {count(advice.gate_missing, 'held-out failure')}" if advice.gate_missing else ""
    return f"train it: {share}; {_cost(advice)}{gate}"


def _say_no_failure(advice: RoleAdvice) -> str:
    """Why there is nothing to gain. New corrections are then of runs that began before the last training, or of good ones."""
    runs = f"none of its {count(advice.known, 'known run')} failed by its fault" if advice.known else "no known runs"
    corrected = f"; new corrections are of {count(advice.corrected, 'other run')}" if advice.corrected else ""
    unknown = f"; {count(advice.unattributed, 'failure')} without a role at fault" if advice.unattributed else ""
    return f"nothing to gain: {runs} since its last training{corrected}{unknown}"


def _cost(advice: RoleAdvice) -> str:
    if advice.duration_s is None:
        return "its cost is unknown before a first training"
    return f"about {show_duration(advice.duration_s)} and {advice.price}"


def _what_to_correct(failures: set[str], corrected: set[str], groups: Sequence[FailureGroup]) -> str:
    """The group to correct next: the one with most failures of the role that no correction reaches."""
    open_groups: Mapping[str, int] = {
        group.id: len(failures.intersection(group.runs)) for group in groups if corrected.isdisjoint(group.runs)
    }
    best = max(open_groups, key=lambda id: open_groups[id], default=None)
    if best is None or not open_groups[best]:
        return "correct more of its failures"
    number = f", {open_groups[best]} of one kind" if open_groups[best] > 1 else ""
    return f"correct failures like run {short_id(best)} first{number}"
