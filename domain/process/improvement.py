"""The improvement process: which commands follow from an event. Pure: it reads the state and returns commands.

    rating -> breach -> training -> adapter -> proof -> gate -> rollout -> verdict -> promotion or rollback -> cycle closed

The id of every command's target is derived from its cause, so handling an event twice has the effect of once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from ..aggregates.adapter import adapter_id, adapter_name
from ..aggregates.alert import APPROVAL, alert_id, low_mean, notice_of, say_end
from ..aggregates.rollout import ShortVerdict, is_news, rollout_id
from ..aggregates.training import training_id
from ..events import (
    AdapterAnswered,
    AdapterEvaluated,
    AdapterPromoted,
    AdapterRejected,
    AdapterRolledBack,
    CanaryAssessed,
    CycleOpened,
    Event,
    HeldOutJudged,
    RatingThresholdBreached,
    ScheduleKept,
    TaskAnswered,
    TaskEnded,
    TaskFailed,
    TaskGraded,
    TaskJudged,
    TaskRated,
    TaskSucceeded,
    TrainingCompleted,
    TrainingDeclined,
    TrainingFailed,
)
from ..evidence.terms import canary_terms
from ..rules.breach import Window, is_breach
from ..rules.routing import EDITION, Traffic
from ..settings.settings import ROLES, Policy
from ..verdict import Verdict
from ..vocabulary import (
    Approval,
    CycleOutcome,
    Decision,
    FailureReason,
    RatingSource,
    RolloutCause,
    RolloutPhase,
    Rule,
    Unit,
)
from .commands import (
    CloseCycle,
    Command,
    JudgeRun,
    LookAtRatings,
    PauseRollout,
    PromoteAdapter,
    RaiseAlert,
    RecordVerdict,
    RegisterAdapter,
    RejectAdapter,
    RequestTraining,
    ResolveAlert,
    RollBackAdapter,
    StartRollout,
    WeighCanary,
)


class UndecidedRollout(Protocol):
    """What the process asks of a rollout that is under way."""

    @property
    def role(self) -> str:
        """Whose runs it is about."""
        ...

    @property
    def stable(self) -> str | None:
        """The adapter that was live when it began; None is the base."""
        ...

    @property
    def rule(self) -> str:
        """As in ``RolloutStarted``."""
        ...

    @property
    def phase(self) -> RolloutPhase:
        """Progressing or paused."""
        ...

    @property
    def last_verdict(self) -> ShortVerdict | None:
        """The last recorded look at its canary since it began or was resumed."""
        ...


class Knowledge(Protocol):
    """The state at the event's own position; the process reads nothing later and nothing else."""

    @property
    def policy(self) -> Policy:
        """The settings in force."""
        ...

    def window(self, role: str) -> Window:
        """The ratings of the role's live adapter."""
        ...

    def ratings_in_all(self, role: str, adapter: str | None) -> int:
        """How many ratings the adapter, None for the base, has received in the role."""
        ...

    def traffic(self, role: str) -> Traffic:
        """Where the role's runs go."""
        ...

    @property
    def position(self) -> int:
        """The event's place in the log."""
        ...

    @property
    def undecided(self) -> Mapping[str, UndecidedRollout]:
        """The undecided rollouts by id, hex."""
        ...

    def known_share(self, role: str) -> float:
        """The share of the role's latest runs with known success, 0 to 1."""
        ...

    def judge_stars(self, rollout: str) -> int | None:
        """The bar of the rollout's terms for a judge model's grade, 0 for none; None where the settings in force say it."""
        ...

    def look(self, rollout: str) -> Verdict:
        """The verdict on an undecided rollout's canary."""
        ...

    def was_live(self, rollout: UUID) -> bool:
        """Whether the rollout's adapter was ever promoted."""
        ...

    def has_fallen(self, role: str) -> bool:
        """Whether the mean of the role's window fell under ``alert.min_mean_rating`` with this event."""
        ...

    @property
    def over(self) -> Sequence[tuple[UUID, str]]:
        """The alerts that this event ends: the id and the role of each."""
        ...

    @property
    def trainings_completed(self) -> int:
        """How many trainings have completed, this one included."""
        ...


def decide(event: Event, known: Knowledge) -> list[Command]:
    """The commands that follow from the event. Most events lead to none."""
    return [*_alerts(event, known), *_next_commands(event, known)]


def _alerts(event: Event, known: Knowledge) -> list[Command]:
    """The alerts that the event ends, then those that it raises."""
    notices = [notice] if (notice := notice_of(event)) is not None else []
    if isinstance(event, TaskRated):
        fallen = [each["role"] for each in event.assignments if known.has_fallen(each["role"])]
        notices += [low_mean(known.window(role), known.policy) for role in fallen]
    over = [ResolveAlert(id, say_end(event, known.window(role).mean)) for id, role in known.over]
    return [*over, *(RaiseAlert(alert_id(event.reference, notice.kind, notice.role), notice) for notice in notices)]


def _next_commands(event: Event, known: Knowledge) -> list[Command]:
    """The next commands of the cycle."""
    match event:
        case TaskRated():
            windows = [known.window(assignment["role"]) for assignment in event.assignments]
            breaches = [LookAtRatings(window) for window in windows if is_breach(window, known.policy)]
            return [*_judgement(event, known.policy), *breaches, *_look_after(event, known)]
        case TaskGraded():
            return _judgement_by_model(event, known)
        case TaskSucceeded() | TaskFailed() | TaskAnswered() | TaskJudged():
            return _look_after(event, known)
        case ScheduleKept():
            windows = [known.window(role) for role in ROLES]
            breaches = [LookAtRatings(window) for window in windows if is_breach(window, known.policy)]
            return [*breaches, *(look for rollout in known.undecided for look in _look(rollout, known))]
        case RatingThresholdBreached() | CycleOpened():
            return [RequestTraining(training_id(event.reference), event.role, known.traffic(event.role).stable)]
        case TrainingCompleted():
            name = adapter_name(known.trainings_completed)
            return [RegisterAdapter(adapter_id(event.originator_id), name, event)]
        case TrainingDeclined():
            return [_close(event.role, CycleOutcome.DECLINED, event.reason, known)]
        case TrainingFailed():
            return [_close(event.role, CycleOutcome.FAILED, event.reason, known)]
        case AdapterRejected():
            return [_close(event.role, CycleOutcome.REJECTED, event.reason, known)]
        case AdapterEvaluated() | AdapterAnswered():
            # With the gate on, the worker finds the proven adapter in the log, and the gate comes first.
            return [] if known.policy.gate(event.role).enabled else [_roll_out(event, known)]
        case HeldOutJudged():
            if event.verdict == Decision.REJECT:
                return [RejectAdapter(event.originator_id, f"{event.reason}: {event.message}", event.numbers)]
            return [_roll_out(event, known)]
        case CanaryAssessed():
            return _after_verdict(event, known)
        case AdapterPromoted(cause=RolloutCause.FORWARD):
            reason = f"{event.replaced or 'the base'}, which it was compared with, was replaced by {event.adapter}"
            return _end_comparisons(event.role, event.replaced, reason, known)
        case AdapterPromoted():
            total = known.ratings_in_all(event.role, event.replaced)
            return [CloseCycle(event.role, CycleOutcome.PROMOTED, f"{event.adapter}: {event.reason}", total)]
        case AdapterRolledBack() if known.was_live(event.originator_id):
            reason = f"{event.adapter}, which it was held against, was rolled back"
            return _end_comparisons(event.role, event.adapter, reason, known)
        case AdapterRolledBack():
            return [_close(event.role, CycleOutcome.ROLLED_BACK, f"{event.adapter}: {event.reason}", known)]
    return []


def _judgement(event: TaskRated, policy: Policy) -> list[Command]:
    """The judgement of a run with unknown success by a person's stars, where a setting says that they judge."""
    least = policy.rating(event.role).success_stars
    judges = least and event.source == RatingSource.HUMAN
    return [JudgeRun(event.originator_id, event.stars >= least, event.source)] if judges else []


def _judgement_by_model(event: TaskGraded, known: Knowledge) -> list[Command]:
    """The judgement of a run with unknown success by a judge model's stars, where a setting says that they judge.

    For a run of a rollout that is under way, the rollout's own terms say so: they were fixed before any outcome.
    """
    rollouts = [each["rollout"] for each in event.assignments if each["rollout"] in known.undecided]
    bars = [bar for rollout in rollouts if (bar := known.judge_stars(rollout or "")) is not None]
    least = min(bars) if bars else known.policy.judge(event.role).success_stars
    return [JudgeRun(event.originator_id, event.stars >= least, RatingSource.JUDGE)] if least else []


def _look_after(event: TaskEnded | TaskJudged | TaskRated, known: Knowledge) -> list[Command]:
    """Evidence is judged after every outcome; the plain rules at scheduled times, or after a critical error."""
    is_critical = isinstance(event, TaskFailed) and event.reason == FailureReason.ERROR
    rollouts = [each["rollout"] or "" for each in event.assignments]
    return [
        look
        for rollout in rollouts
        if rollout in known.undecided and (is_critical or known.undecided[rollout].rule == Rule.SEQUENTIAL)
        for look in _look(rollout, known)
    ]


def _look(rollout: str, known: Knowledge) -> list[Command]:
    verdict, undecided = known.look(rollout), known.undecided[rollout]
    is_worth_a_record = is_news(verdict, undecided.phase, undecided.last_verdict)
    return [RecordVerdict(UUID(rollout), verdict, known.position)] if is_worth_a_record else []


def _end_comparisons(role: str, stable: str | None, reason: str, known: Knowledge) -> list[Command]:
    """End the rollouts that compare an adapter with one that is no longer live."""
    return [
        RollBackAdapter(UUID(id), reason, RolloutCause.COMPARISON)
        for id, rollout in known.undecided.items()
        if rollout.stable == stable and rollout.role == role
    ]


def _roll_out(event: AdapterEvaluated | AdapterAnswered | HeldOutJudged, known: Knowledge) -> StartRollout:
    policy, stable = known.policy, known.traffic(event.role).stable
    rule, terms = rollout_terms(policy, event.role, known.known_share(event.role))
    weight, unit = policy.canary(event.role).weight_percent, rollout_unit(policy, event.role)
    id = rollout_id(event.originator_id)
    return StartRollout(id, event.role, event.adapter, stable, weight, rule, terms, unit, EDITION)


UNIT = "canary.randomization_unit"


def rollout_unit(policy: Policy, role: str, edition: int = EDITION) -> str:
    """The randomization unit of a rollout that starts under the rules of this edition: ``run`` or ``session``."""
    is_set = not policy.changed.keys().isdisjoint((UNIT, f"{role}.{UNIT}"))
    return Unit.RUN if edition == 1 and not is_set else policy.canary(role).randomization_unit


def rollout_terms(policy: Policy, role: str, known: float) -> tuple[str, dict[str, Any]]:
    """The rule of a rollout that starts now, kept to its end, and its terms where the rule has any.

    ``known`` is the share of the role's latest runs with known success, 0 to 1.
    """
    rule = policy.canary(role).rule
    return rule, canary_terms(policy, role, known).to_json() if rule == Rule.SEQUENTIAL else {}


def _after_verdict(event: CanaryAssessed, known: Knowledge) -> list[Command]:
    approval = known.policy.canary(event.role).approval
    share = event.next_share
    match event.verdict:
        case Decision.PROMOTE if approval != Approval.NONE:
            return [
                PauseRollout(
                    event.originator_id, f"{APPROVAL} for the promotion: {event.message}", RolloutCause.APPROVAL
                )
            ]
        case Decision.PROMOTE:
            return [PromoteAdapter(event.originator_id, event.message)]
        case Decision.ROLL_BACK:
            return [RollBackAdapter(event.originator_id, event.message, RolloutCause.CANARY)]
        case Decision.INCONCLUSIVE:
            return [PauseRollout(event.originator_id, event.message, RolloutCause.UNDECIDED)]
        case Decision.HOLD if share is not None and approval == Approval.EVERY_STEP:
            return [
                PauseRollout(event.originator_id, f"{APPROVAL} for {share} %: {event.message}", RolloutCause.APPROVAL)
            ]
        case Decision.HOLD if share is not None:
            return [WeighCanary(event.originator_id, share)]
    return []


def _close(role: str, outcome: CycleOutcome, detail: str, known: Knowledge) -> CloseCycle:
    """Close a cycle without a promotion: the live adapter stays."""
    return CloseCycle(role, outcome, detail, known.ratings_in_all(role, known.traffic(role).stable))
