"""An alert: raised once for people to see, then sent by each channel until it is delivered or given up.

Each channel that is on when an alert is raised delivers it. Attempts repeat with growing waits. So an alert arrives
at least once, always under the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from ..events import (
    AdapterPromoted,
    AdapterPushed,
    AdapterPushFailed,
    AdapterRejected,
    AdapterRolledBack,
    AdapterServed,
    AdapterUnserved,
    AlertDelivered,
    AlertDeliveryFailed,
    AlertRaised,
    AlertResolved,
    CycleClosed,
    CycleOpened,
    Event,
    PolicyChanged,
    RatingThresholdBreached,
    RolloutPaused,
    RolloutResumed,
    TrainingApproved,
    TrainingFailed,
    TrainingHeld,
    TrainingPending,
    TrainingProgressed,
    WeightsFound,
    WeightsMissed,
)
from ..rules.breach import Window
from ..settings.settings import Policy
from ..vocabulary import AlertKind, RolloutCause, Rule, Severity
from .base import ACTOR, Aggregate, Context, derive_id

CHANNELS = {"webhook": "alert.webhook", "email": "alert.email_to"}
"""Every channel, and the setting that turns it on by naming its target."""

APPROVAL = "approval is needed"
"""The reason of a rollout that waits for approval begins with this. Only pauses that were stored without a cause are
told apart by it."""

GROWTH = 4
"""Factor between one wait and the next; chosen: ten attempts that begin with ten seconds take three days."""
LONGEST_WAIT_S = 86_400.0
"""One day: the longest wait of the example schedule of Standard Webhooks 1.0.0, "Deliverability and reliability"."""
JITTER = 0.25
"""A wait is up to this share shorter or longer, so that deliveries that failed together are not retried together;
chosen."""
LONGEST_MESSAGE = 1000
"""Characters of a message; chosen: webhooks should stay far under 20 kB."""

NOTES = (AlertKind.ROLLED_FORWARD,)
"""Kinds that need no action: such an alert is never open and never resolved."""


@dataclass(frozen=True)
class Notice:
    """What an alert says; the fields are those of ``AlertRaised``."""

    kind: AlertKind | str
    """An ``AlertKind``; ``test`` for the test of a channel."""
    severity: Severity | str
    role: str
    adapter: str | None
    message: str
    by: str = ACTOR
    """Actor of the event that the alert is about."""


@dataclass(frozen=True)
class Delivery:
    """An alert, or the news that it is resolved, as one channel sends it."""

    id: str
    alert: AlertRaised
    position: int
    """Log position of the event that is sent; 0 where it is not in the log."""
    resolved: AlertResolved | None = None
    """The end of the alert, where that is what is sent."""
    first_id: str = ""
    """Where the end of the alert is sent: the id under which this channel sent the alert."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed."""

    reason: str
    after_s: float = 0.0
    """Seconds that the receiver asks to wait."""
    is_final: bool = False
    """Whether the receiver wants no further attempt."""


def alert_id(cause: str, kind: str, role: str) -> UUID:
    """The id of the one alert of this kind that the event with this reference causes."""
    return derive_id("alert", cause, kind, role)


def delivery_id(alert: UUID, channel: str, *, is_resolved: bool = False) -> str:
    """The id, hex, of the alert's delivery by the channel; the news that it is resolved has another one."""
    return derive_id("delivery", alert.hex, channel, *(["resolved"] if is_resolved else [])).hex


def notice_of(event: Event) -> Notice | None:
    """What people are told about the event; None for most events. A low mean has its own function, ``low_mean``."""
    match event:
        case RatingThresholdBreached():
            live = event.adapter or "the base"
            message = f"mean {event.mean:.2f} of the last {event.count} ratings of {live} is under {event.threshold:g}"
            if event.rule == Rule.SEQUENTIAL:
                message = f"the ratings of {live} have fallen: {event.message}"
            return Notice(AlertKind.BREACH, Severity.WARNING, event.role, event.adapter, message)
        case AdapterRolledBack():
            return _notice_of_end(event)
        case RolloutPaused(cause=RolloutCause.PERSON):
            message = f"{event.actor} paused the rollout of {event.adapter}: {event.reason}"
            return Notice(AlertKind.ROLLOUT_PAUSED, Severity.WARNING, event.role, event.adapter, message, event.actor)
        case RolloutPaused():
            message = f"the rollout of {event.adapter} is paused: {event.reason}"
            kind = AlertKind.APPROVAL_NEEDED if _waits_for_approval(event) else AlertKind.CANARY_INCONCLUSIVE
            return Notice(kind, Severity.WARNING, event.role, event.adapter, message)
        case AdapterPromoted(cause=RolloutCause.FORWARD):
            message = (
                f"{event.actor} made {event.adapter} live in place of {event.replaced or 'the base'}: {event.reason}"
            )
            return Notice(AlertKind.ROLLED_FORWARD, Severity.INFO, event.role, event.adapter, message, event.actor)
        case WeightsMissed():
            message = (
                f"the weights of {event.adapter}, which is {event.serves}, are not in their folder: {event.weights}"
            )
            return Notice(AlertKind.WEIGHTS_MISSING, Severity.CRITICAL, event.role, event.adapter, message)
        case AdapterPushFailed():
            message = f"{event.adapter} is not in the registry {event.registry} yet: {event.reason}"
            return Notice(AlertKind.PUSH_FAILED, Severity.WARNING, event.role, event.adapter, message)
        case AdapterUnserved() if event.serves:
            message = f"{event.endpoint} does not serve {event.adapter}, which is {event.serves}: {event.reason}"
            return Notice(AlertKind.NOT_SERVED, Severity.WARNING, event.role, event.adapter, message)
        case AdapterRejected():
            message = f"{event.adapter} was rejected before any traffic: {event.reason}"
            return Notice(AlertKind.ADAPTER_REJECTED, Severity.WARNING, event.role, event.adapter, message)
        case TrainingHeld():
            message = f"a training waits for approval: {event.reason}"
            return Notice(AlertKind.TRAINING_HELD, Severity.WARNING, event.role, None, message)
        case TrainingPending():
            message = f"a training does not begin: {event.reason}"
            return Notice(AlertKind.TRAINING_PENDING, Severity.WARNING, event.role, None, message)
        case TrainingFailed():
            return Notice(
                AlertKind.TRAINING_FAILED, Severity.CRITICAL, event.role, None, f"a training failed: {event.reason}"
            )
    return None


def _waits_for_approval(event: RolloutPaused) -> bool:
    """Whether a step of the paused rollout waits for a person. A pause stored without a cause says it in its reason."""
    if not event.cause:
        return event.reason.startswith(APPROVAL)
    return event.cause == RolloutCause.APPROVAL


def _notice_of_end(event: AdapterRolledBack) -> Notice:
    """What people are told about a rollback: by the canary's verdict, by a person, or because another decision ended
    it."""
    to = event.stable or "the base"
    if event.cause == RolloutCause.PERSON:
        message = f"{event.actor} rolled {event.adapter} back to {to}: {event.reason}"
        return Notice(AlertKind.ROLLED_BACK, Severity.WARNING, event.role, event.adapter, message, event.actor)
    if event.cause == RolloutCause.COMPARISON:
        message = f"the rollout of {event.adapter} ended: {event.reason}"
        return Notice(AlertKind.ROLLOUT_ENDED, Severity.WARNING, event.role, event.adapter, message)
    message = f"{event.adapter} was rolled back to {to}: {event.reason}"
    return Notice(AlertKind.CANARY_FAILED, Severity.CRITICAL, event.role, event.adapter, message)


def say_end(event: Event, mean: float = 0.0) -> str:
    """How the event ended an alert, without a full stop; ``mean`` is the window's, in stars, for an alert about a low
    mean."""
    match event:
        case RolloutResumed():
            return f"{event.actor} resumed the rollout of {event.adapter}: {event.reason}"
        case AdapterPromoted():
            by = "" if event.actor == ACTOR else f" by {event.actor}"
            return f"{event.adapter} was made live{by}, in place of {event.replaced or 'the base'}: {event.reason}"
        case AdapterRolledBack():
            by = "" if event.actor == ACTOR else f" by {event.actor}"
            return f"{event.adapter} was rolled back{by}: {event.reason}"
        case RatingThresholdBreached():
            return f"a new training for role {event.role} is requested, as ratings have fallen"
        case CycleOpened():
            return f"{event.actor} asked for a new training for role {event.role}: {event.reason}"
        case CycleClosed():
            return f"the cycle ended, {event.outcome}: {event.detail}"
        case TrainingApproved():
            return f"{event.actor} approved the training: {event.reason}"
        case TrainingProgressed():
            return f"the training has begun, step {event.step} of {event.steps}"
        case WeightsFound():
            return f"the weights of {event.adapter} are in their folder again"
        case AdapterServed():
            return f"{event.endpoint} serves {event.adapter}"
        case AdapterPushed():
            return f"{event.adapter} is in the registry {event.registry}"
        case PolicyChanged():
            return f"{event.actor} set {event.key} to {event.new or 'none'}"
    return f"the mean of the latest ratings has risen to {mean:.2f}"


RECOVERED_BY = 0.25
"""Stars above the setting at which a low mean counts as recovered; chosen: a mean that varies around the bar alerts
once."""


def is_low(stars: Sequence[int], role: str, policy: Policy, *, was_low: bool) -> bool:
    """Whether the mean of enough ratings is under ``alert.min_mean_rating``; once low, until it has recovered."""
    if len(stars) < policy.rating(role).minimum:
        return False
    bar = policy.alert(role).min_mean_rating
    return bool(sum(stars) / len(stars) < (min(bar + RECOVERED_BY, 5) if was_low else bar))


def low_mean(window: Window, policy: Policy) -> Notice:
    """What people are told when the mean of the window has fallen under ``alert.min_mean_rating``."""
    message = (
        f"mean {window.mean:.2f} of the last {len(window.ratings)} ratings of {window.adapter or 'the base'} "
        f"is under {policy.alert(window.role).min_mean_rating:g}"
    )
    return Notice(AlertKind.LOW_MEAN, Severity.CRITICAL, window.role, window.adapter, message)


def wait_s(delivery: str, attempt: int, first_s: float) -> float:
    """Seconds from the failed attempt (from 1) to the next: growing, with a jitter that is derived from id and
    attempt."""
    drawn = int.from_bytes(sha256(f"{delivery}/{attempt}".encode()).digest()[:4]) / 2**32
    # The exponent is bounded: a float has no 4 ** 1000.
    wait: float = min(first_s * GROWTH ** min(attempt - 1, 60), LONGEST_WAIT_S)
    return wait * (1 - JITTER + 2 * JITTER * drawn)


class Alert(Aggregate):
    """Raised once; then each channel attempts its delivery until it arrives or is given up."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.raised: AlertRaised | None = None
        self.is_resolved = False
        self.attempts: dict[str, int] = {}
        """Number of attempts, by the id of the delivery."""
        self.settled: set[str] = set()

    def raise_(self, notice: Notice, context: Context) -> None:
        """Record the alert, its message as one printable line. Idempotent."""
        if self.raised is None:
            self._record(AlertRaised, context, **{**vars(notice), "message": _one_line(notice.message)})

    def resolve(self, message: str, context: Context) -> None:
        """Record that the alert is over. Idempotent. An alert stored before version 3 of ``AlertRaised`` is not
        resolved."""
        if self.raised is not None and self.raised.by and not self.is_resolved:
            self._record(AlertResolved, context, message=_one_line(message))

    def deliver(self, channel: str, to: str, answer: str, context: Context, *, is_resolved: bool = False) -> None:
        """Record that the delivery arrived. After that, and after it was given up, nothing more is recorded.

        With ``is_resolved`` it is the delivery of the news that the alert is over; so too for ``fail``.
        """
        id = delivery_id(self.id, channel, is_resolved=is_resolved)
        if id not in self.settled:
            fields = {"channel": channel, "to": to, "delivery": id, "attempt": self.attempts.get(id, 0) + 1}
            self._record(AlertDelivered, context, **fields, answer=answer)

    def fail(
        self,
        channel: str,
        to: str,
        failure: Failure,
        policy: Policy,
        context: Context,
        *,
        is_resolved: bool = False,
    ) -> None:
        """Record that an attempt failed, and when the next is due: None after ``alert.max_attempts``."""
        id = delivery_id(self.id, channel, is_resolved=is_resolved)
        if id in self.settled:
            return
        attempt = self.attempts.get(id, 0) + 1
        next_in_s: float | None = None
        if not failure.is_final and attempt < policy.channels.max_attempts:
            delay = wait_s(id, attempt, policy.channels.retry_s)
            next_in_s = round(max(delay, min(failure.after_s, LONGEST_WAIT_S)), 1)
        fields = {"channel": channel, "to": to, "delivery": id, "attempt": attempt}
        self._record(AlertDeliveryFailed, context, **fields, reason=failure.reason, again_in_s=next_in_s)

    def _apply(self, event: Event) -> None:
        match event:
            case AlertRaised():
                self.raised = event
            case AlertResolved():
                self.is_resolved = True
            case AlertDelivered():
                self.settled.add(event.delivery)
            case AlertDeliveryFailed():
                self.attempts[event.delivery] = event.attempt
                if event.again_in_s is None:
                    self.settled.add(event.delivery)


def _one_line(text: str) -> str:
    """The text as one printable line of ``LONGEST_MESSAGE`` characters at most."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(line.split())[:LONGEST_MESSAGE]
