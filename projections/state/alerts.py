"""Alerts: which are open, which deliveries each channel must still make, and which means of ratings are low."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import field

from ...domain.aggregates.alert import CHANNELS, NOTES, alert_id, delivery_id, notice_of
from ...domain.events import (
    AdapterPromoted,
    AdapterPushed,
    AdapterPushFailed,
    AdapterRejected,
    AdapterRolledBack,
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
from ...domain.settings.running import REGISTRY_URL
from ...domain.settings.settings import ROLES, Policy
from ...domain.vocabulary import AlertKind, DeliveryStatus
from .ratings import BASE
from .shards import SavedParts, StateValue, encode

AFTER_A_CYCLE = (
    AlertKind.CANARY_FAILED,
    AlertKind.ROLLED_BACK,
    AlertKind.ROLLOUT_ENDED,
    AlertKind.ADAPTER_REJECTED,
    AlertKind.TRAINING_FAILED,
)
"""Alerts that end when the role begins a new cycle, or when another adapter goes live."""

OF_A_TRAINING = (AlertKind.TRAINING_HELD, AlertKind.TRAINING_PENDING)
"""Alerts of a training that waits; they end with its cycle at the latest."""

OF_WEIGHTS = (AlertKind.WEIGHTS_MISSING, AlertKind.NOT_SERVED)
"""Alerts about an adapter that cannot be served; they end when it gets no more runs."""

OF_A_ROLLOUT = (AlertKind.CANARY_INCONCLUSIVE, AlertKind.APPROVAL_NEEDED, AlertKind.ROLLOUT_PAUSED)
"""Alerts of a rollout that waits for a person."""


@dataclass(frozen=True)
class PendingDelivery:
    """A delivery that is still to be made."""

    position: int
    """Of its alert, or of the event that resolved the alert."""
    channel: str
    due: datetime


class Delivery(StateValue):
    """One channel's delivery of an alert, or of the news that the alert is resolved."""

    id: str
    """It is sent with every attempt, so that a receiver can deduplicate."""
    status: DeliveryStatus
    attempts: int
    due: str
    """When the next attempt is due."""
    said: str
    """The answer to the last attempt, or why it failed; empty before the first."""
    time: str | None
    """When the last attempt was made."""


class Resolution(StateValue):
    """The end of an alert."""

    position: int
    time: str
    message: str
    deliveries: dict[str, Delivery]
    """The deliveries of this news, by channel."""


class ExpectedAlert(StateValue):
    """An alert that is due but not yet recorded: its subject, and whether the subject is still open."""

    kind: str
    role: str
    adapter: str | None
    is_open: bool


class Alert(StateValue):
    """One alert."""

    position: int
    reference: str
    """Of the event that raised it."""
    time: str
    kind: str
    severity: str
    role: str
    adapter: str | None
    message: str
    by: str
    """As in ``AlertRaised``."""
    is_open: bool
    """Whether its subject is still open: no later event has dealt with it."""
    deliveries: dict[str, Delivery]
    """By channel."""
    resolved: Resolution | None = None

    @property
    def uuid(self) -> UUID:
        """The id of its aggregate."""
        return UUID(self.reference.partition("/")[0])


class _Saved(StateValue):
    raised: list[Alert] = field(default_factory=list)
    expected: dict[str, ExpectedAlert] = field(default_factory=dict)
    low: dict[str, dict[str, int]] = field(default_factory=dict)


class Alerts:
    """Fold of the alerts. Its items are all raised alerts, oldest first.

    The subject of an alert may end before the alert is stored. So the fold expects each alert from its cause on.
    """

    HANDLES = (
        AlertRaised, AlertResolved, AlertDelivered, AlertDeliveryFailed, PolicyChanged, RatingThresholdBreached, CycleOpened,
        CycleClosed, RolloutPaused, RolloutResumed, AdapterPromoted, AdapterRejected, AdapterRolledBack, TrainingFailed,
        TrainingHeld, TrainingApproved, TrainingPending, TrainingProgressed, WeightsMissed, WeightsFound,
        AdapterPushed, AdapterPushFailed, AdapterUnserved,
    )  # fmt: skip

    def __init__(self) -> None:
        self._raised: list[Alert] = []
        self._expected: dict[str, ExpectedAlert] = {}
        """By the id of the alert, hex, until it is raised."""
        self._low: dict[str, dict[str, int]] = {}
        """By role and adapter version, the position of the rating with which its mean fell too low."""
        self._over: tuple[int, list[tuple[UUID, str]]] = (0, [])
        """The position of the last event that ended alerts, and those alerts."""

    @classmethod
    def load(cls, saved: SavedParts) -> Alerts:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        alerts, known = cls(), saved.one("alerts", _Saved)
        alerts._raised, alerts._expected, alerts._low = known.raised, known.expected, known.low
        return alerts

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"alerts": encode(_Saved(self._raised, self._expected, self._low))}

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._raised)

    def open(self) -> Iterator[Alert]:
        """The alerts that no later event has dealt with."""
        return (alert for alert in self._raised if alert.is_open)

    def apply(self, position: int, event: Event, policy: Policy) -> None:
        """Apply one event; ``policy`` holds the settings in force at its position."""
        match event:
            case AlertRaised():
                self._raise(position, event, policy)
            case AlertResolved():
                self._resolve(position, event, policy)
            case AlertDelivered() | AlertDeliveryFailed():
                self._note(event)
            case PolicyChanged():
                self._turn_off(event)
                for role in ROLES if event.key == REGISTRY_URL else ():
                    self._close(position, role, (AlertKind.PUSH_FAILED,))
            case RatingThresholdBreached() | CycleOpened():
                self._close(position, event.role, AFTER_A_CYCLE)
            case CycleClosed():
                self._close(position, event.role, (AlertKind.BREACH, *OF_A_TRAINING))
            case TrainingApproved():
                self._close(position, event.role, (AlertKind.TRAINING_HELD,))
            case TrainingProgressed():
                self._close(position, event.role, (AlertKind.TRAINING_PENDING,))
            case RolloutResumed():
                self._close(position, event.role, OF_A_ROLLOUT)
            case AdapterPromoted():
                self._close(position, event.role, (*OF_A_ROLLOUT, *AFTER_A_CYCLE, AlertKind.LOW_MEAN))
                self._close(position, event.role, OF_WEIGHTS, event.replaced or BASE)
                self._low.pop(event.role, None)
            case AdapterRolledBack():
                self._close(position, event.role, OF_A_ROLLOUT)
                self._close(position, event.role, (AlertKind.LOW_MEAN, *OF_WEIGHTS), event.adapter)
            case WeightsFound():
                self._close(position, event.role, (AlertKind.WEIGHTS_MISSING,), event.adapter)
            case AdapterPushed():
                self._close(position, event.role, (AlertKind.PUSH_FAILED,), event.adapter)
        if (notice := notice_of(event)) is not None:
            self._expect(event.reference, notice.kind, notice.role, notice.adapter)

    def note_mean(self, position: int, rating: str, role: str, adapter: str | None, is_low: bool) -> None:
        """Note whether the mean of the role's live adapter is low after a rating.

        ``rating`` is the reference of the rating at this position.
        """
        versions = self._low.setdefault(role, {})
        if is_low:
            if versions.setdefault(adapter or BASE, position) == position:
                self._expect(rating, AlertKind.LOW_MEAN, role, adapter)
        elif versions.pop(adapter or BASE, None) is not None:
            self._close(position, role, (AlertKind.LOW_MEAN,))

    def note_served(self, position: int, role: str, adapter: str) -> None:
        """No endpoint refuses the adapter any more."""
        kinds = {alert.kind for alert in self._raised} | {alert.kind for alert in self._expected.values()}
        if AlertKind.NOT_SERVED in kinds:
            self._close(position, role, (AlertKind.NOT_SERVED,), adapter)

    def over(self, position: int) -> list[tuple[UUID, str]]:
        """The alerts that the last applied event ended, where that event is at the position: the id and the role of each."""
        return self._over[1] if self._over[0] == position else []

    def fell_at(self, role: str, adapter: str | None) -> int | None:
        """The position of the rating with which the version's mean fell too low; None while it is not."""
        return self._low.get(role, {}).get(adapter or BASE)

    def owed(self) -> list[PendingDelivery]:
        """The deliveries still to be made, the earliest due first."""
        owed = [
            PendingDelivery(position, channel, datetime.fromisoformat(delivery.due))
            for position, channel, delivery in self._deliveries()
            if delivery.status == DeliveryStatus.OWED
        ]
        waiting = [  # the news that an alert is over is sent after the alert itself
            (alert.resolved.position, channel)
            for alert in self._raised
            if alert.resolved is not None
            for channel in alert.resolved.deliveries
            if alert.deliveries[channel].status == DeliveryStatus.OWED
        ]
        ready = [delivery for delivery in owed if (delivery.position, delivery.channel) not in waiting]
        return sorted(ready, key=lambda delivery: (delivery.due, delivery.position))

    def _expect(self, cause: str, kind: str, role: str, adapter: str | None) -> None:
        if kind not in NOTES:
            self._expected[alert_id(cause, kind, role).hex] = ExpectedAlert(kind, role, adapter, True)

    def _raise(self, position: int, event: AlertRaised, policy: Policy) -> None:
        # A channel delivers only alerts that are raised while it is on. Alerts in the history of a rollout are older than
        # channels, so no channel delivers them.
        on = [*policy.channels.targets] if event.originator_version == 1 else []
        expected = self._expected.pop(event.originator_id.hex, None)
        is_over = event.kind in NOTES or (expected is not None and not expected.is_open)
        alert = Alert(
            position=position,
            reference=event.reference,
            time=event.time.isoformat(),
            kind=event.kind,
            severity=event.severity,
            role=event.role,
            adapter=event.adapter,
            message=event.message,
            by=event.by,
            is_open=not is_over,
            deliveries={channel: _owed(event, channel) for channel in on},
        )
        self._raised.append(alert)

    def _resolve(self, position: int, event: AlertResolved, policy: Policy) -> None:
        """Record the end of the alert. Each channel that delivered the alert, or still must, also delivers this news."""
        alert, was_sent = self._alert(event), (DeliveryStatus.OWED, DeliveryStatus.DELIVERED)
        on = [
            channel
            for channel, delivery in alert.deliveries.items()
            if delivery.status in was_sent and channel in policy.channels.targets
        ]
        deliveries = {channel: _owed(event, channel) for channel in on}
        alert.resolved = Resolution(position, event.time.isoformat(), event.message, deliveries)

    def _alert(self, event: Event) -> Alert:
        reference = f"{event.originator_id}/1"
        return next(alert for alert in self._raised if alert.reference == reference)

    def _note(self, event: AlertDelivered | AlertDeliveryFailed) -> None:
        """Record an attempt: it succeeded, will be repeated, or was the last."""
        alert = self._alert(event)
        delivery, later = alert.deliveries[event.channel], {} if alert.resolved is None else alert.resolved.deliveries
        is_first = delivery.id == event.delivery
        if not is_first:
            delivery = later[event.channel]
        delivery.attempts, delivery.time = event.attempt, event.time.isoformat()
        if isinstance(event, AlertDelivered):
            delivery.status, delivery.said = DeliveryStatus.DELIVERED, event.answer
            return
        delivery.said = event.reason
        if event.again_in_s is not None:
            delivery.due = (event.time + timedelta(seconds=event.again_in_s)).isoformat()
            return
        delivery.status = DeliveryStatus.GIVEN_UP
        if is_first and event.channel in later:  # an alert that never arrived needs no news of its end
            later[event.channel].status = DeliveryStatus.NOT_NEEDED

    def _turn_off(self, event: PolicyChanged) -> None:
        """A channel whose setting is unset delivers nothing more."""
        off = [channel for channel, key in CHANNELS.items() if key == event.key and event.new is None]
        for _, channel, delivery in self._deliveries() if off else ():
            if channel in off and delivery.status == DeliveryStatus.OWED:
                delivery.status = DeliveryStatus.TURNED_OFF

    def _deliveries(self) -> Iterator[tuple[int, str, Delivery]]:
        """Each delivery with its channel and the position of the event that it sends."""
        for alert in self._raised:
            for channel, delivery in alert.deliveries.items():
                yield alert.position, channel, delivery
            if alert.resolved is not None:
                for channel, delivery in alert.resolved.deliveries.items():
                    yield alert.resolved.position, channel, delivery

    def _close(self, position: int, role: str, kinds: tuple[str, ...], adapter: str | None = None) -> None:
        """End the role's alerts of these kinds: all of them, or those about the adapter."""

        def ends(alert: ExpectedAlert | Alert) -> bool:
            is_meant = alert.role == role and alert.kind in kinds and adapter in (None, alert.adapter)
            return alert.is_open and is_meant

        expected = [(UUID(id), awaited) for id, awaited in self._expected.items() if ends(awaited)]
        raised = [alert for alert in self._raised if ends(alert)]
        # People do not hear of the end of what an earlier program raised.
        over = [*(id for id, _ in expected), *(alert.uuid for alert in raised if alert.by)]
        for _, awaited in expected:
            awaited.is_open = False
        for alert in raised:
            alert.is_open = False
        if self._over[0] != position:
            self._over = (position, [])
        self._over[1].extend((id, role) for id in over)


def _owed(event: AlertRaised | AlertResolved, channel: str) -> Delivery:
    """A delivery without an attempt."""
    id = delivery_id(event.originator_id, channel, is_resolved=isinstance(event, AlertResolved))
    return Delivery(id, DeliveryStatus.OWED, 0, event.time.isoformat(), "", None)
