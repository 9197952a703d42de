"""Alerts: which are raised and still open, what each channel owes of them, and which means are low."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ...domain.aggregates.alert import CHANNELS, NOTES, alert_id, delivery_id, notice_of
from ...domain.events import (
    AdapterPromoted,
    AdapterRejected,
    AdapterRolledBack,
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
    TrainingFailed,
    WeightsFound,
    WeightsMissed,
)
from ...domain.settings.settings import Policy
from .ratings import BASE

AFTER_A_CYCLE = ("canary failed", "rolled back", "rollout ended", "adapter rejected", "training failed")
"""Alerts that a new cycle of the role deals with, or another adapter that goes live."""

OF_A_ROLLOUT = ("canary inconclusive", "approval needed", "rollout paused")
"""Alerts of a rollout that waits for a person."""


@dataclass(frozen=True)
class PendingDelivery:
    """A delivery that is still to be made."""

    position: int
    """Of its alert, or of the event that resolved the alert."""
    channel: str
    due: datetime


class Alerts:
    """Fold of the alerts, by their position in the log, in the order they came.

    What an alert is about may be over before the alert is stored, so each is expected, by its id, from its cause on.
    """

    HANDLES = (
        AlertRaised, AlertResolved, AlertDelivered, AlertDeliveryFailed, PolicyChanged, RatingThresholdBreached, CycleOpened,
        CycleClosed, RolloutPaused, RolloutResumed, AdapterPromoted, AdapterRejected, AdapterRolledBack, TrainingFailed,
        WeightsMissed, WeightsFound,
    )  # fmt: skip

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {"raised": {}, "expected": {}, "low": {}}
        self._over: tuple[int, list[tuple[UUID, str]]] = (0, [])
        """The position of the last event that ended alerts, and those alerts."""

    def apply(self, position: int, event: Event, policy: Policy) -> None:
        """Follow one event; ``policy`` is what was in force at it."""
        match event:
            case AlertRaised():
                self._raise(position, event, policy)
            case AlertResolved():
                self._resolve(position, event, policy)
            case AlertDelivered() | AlertDeliveryFailed():
                self._note(event)
            case PolicyChanged():
                off = [it for it, key in CHANNELS.items() if key == event.key and event.new is None]
                for _, channel, delivery in self._deliveries():
                    if channel in off and delivery["status"] == "owed":
                        delivery["status"] = "turned off"
            case RatingThresholdBreached() | CycleOpened():
                self._close(position, event.role, AFTER_A_CYCLE)
            case CycleClosed():
                self._close(position, event.role, ("breach",))
            case RolloutResumed():
                self._close(position, event.role, OF_A_ROLLOUT)
            case AdapterPromoted():
                self._close(position, event.role, (*OF_A_ROLLOUT, *AFTER_A_CYCLE, "low mean"))
                self._close(position, event.role, ("weights missing",), event.replaced or BASE)
                self.state["low"].pop(event.role, None)
            case AdapterRolledBack():
                self._close(position, event.role, OF_A_ROLLOUT)
                self._close(position, event.role, ("low mean", "weights missing"), event.adapter)
            case WeightsFound():
                self._close(position, event.role, ("weights missing",), event.adapter)
        if (notice := notice_of(event)) is not None:
            self._expect(event.reference, notice.kind, notice.role, notice.adapter)

    def note_mean(self, position: int, rating: str, role: str, adapter: str | None, is_low: bool) -> None:
        """Follow the mean of the role's live adapter after a rating: where it fell, until it is no longer low.

        ``rating`` is the reference of the rating, which stands at the position.
        """
        versions = self.state["low"].setdefault(role, {})
        if is_low:
            if versions.setdefault(adapter or BASE, position) == position:
                self._expect(rating, "low mean", role, adapter)
        elif versions.pop(adapter or BASE, None) is not None:
            self._close(position, role, ("low mean",))

    def over(self, position: int) -> list[tuple[UUID, str]]:
        """The alerts that the event at the position ended, the last that was applied: the id and the role of each."""
        return self._over[1] if self._over[0] == position else []

    def fell_at(self, role: str, adapter: str | None) -> int | None:
        """The position of the rating with which the version's mean fell too low; None while it is not."""
        found: int | None = self.state["low"].get(role, {}).get(adapter or BASE)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row per alert, oldest first, JSON-plain."""
        raised = sorted(self.state["raised"].items(), key=lambda it: int(it[0]))
        return [{"position": int(position), **alert} for position, alert in raised]

    def owed(self) -> list[PendingDelivery]:
        """What is still to be delivered, what is due first at the head."""
        owed = [
            PendingDelivery(position, channel, datetime.fromisoformat(delivery["due"]))
            for position, channel, delivery in self._deliveries()
            if delivery["status"] == "owed"
        ]
        waiting = [  # that an alert is over is told after the alert itself
            (row["resolved"]["position"], channel)
            for row in self.rows()
            for channel in (row["resolved"] or {"deliveries": ()})["deliveries"]
            if row["deliveries"][channel]["status"] == "owed"
        ]
        found = [it for it in owed if (it.position, it.channel) not in waiting]
        return sorted(found, key=lambda it: (it.due, it.position))

    def _expect(self, cause: str, kind: str, role: str, adapter: str | None) -> None:
        if kind not in NOTES:
            expected = {"kind": kind, "role": role, "adapter": adapter, "is_open": True}
            self.state["expected"][alert_id(cause, kind, role).hex] = expected

    def _raise(self, position: int, event: AlertRaised, policy: Policy) -> None:
        # A channel that is turned on later owes nothing of what was raised before; nor does any what stands in a
        # rollout's history, which is from before there were channels.
        on = [*policy.channels.targets] if event.originator_version == 1 else []
        expected = self.state["expected"].pop(event.originator_id.hex, None)
        is_over = event.kind in NOTES or (expected is not None and not expected["is_open"])
        self.state["raised"][str(position)] = {
            "reference": event.reference,
            "time": event.time.isoformat(),
            "kind": event.kind,
            "severity": event.severity,
            "role": event.role,
            "adapter": event.adapter,
            "message": event.message,
            "by": event.by,
            "is_open": not is_over,
            "deliveries": {it: _owed(event, it) for it in on},
            "resolved": None,
        }

    def _resolve(self, position: int, event: AlertResolved, policy: Policy) -> None:
        """It is over: each channel that was told of it, or is to be told, owes the word."""
        alert = self._alert(event)
        on = [
            channel
            for channel, delivery in alert["deliveries"].items()
            if delivery["status"] in ("owed", "delivered") and channel in policy.channels.targets
        ]
        alert["resolved"] = {
            "position": position,
            "time": event.time.isoformat(),
            "message": event.message,
            "deliveries": {it: _owed(event, it) for it in on},
        }

    def _alert(self, event: Event) -> dict[str, Any]:
        reference = f"{event.originator_id}/1"
        found: dict[str, Any] = next(it for it in self.state["raised"].values() if it["reference"] == reference)
        return found

    def _note(self, event: AlertDelivered | AlertDeliveryFailed) -> None:
        """An attempt: it arrived, or is made again, or is given up."""
        alert = self._alert(event)
        delivery, resolved = alert["deliveries"][event.channel], alert["resolved"]
        is_first = delivery["id"] == event.delivery
        if not is_first:
            delivery = resolved["deliveries"][event.channel]
        delivery["attempts"], delivery["time"] = event.attempt, event.time.isoformat()
        if isinstance(event, AlertDelivered):
            delivery["status"], delivery["said"] = "delivered", event.answer
            return
        delivery["said"] = event.reason
        if event.again_in_s is None:
            delivery["status"] = "given up"
            if is_first and resolved is not None and event.channel in resolved["deliveries"]:
                resolved["deliveries"][event.channel]["status"] = (
                    "not needed"  # what never arrived need not be called off
                )
        else:
            delivery["due"] = (event.time + timedelta(seconds=event.again_in_s)).isoformat()

    def _deliveries(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Each delivery with the position of what it tells and its channel."""
        for position, alert in self.state["raised"].items():
            for channel, delivery in alert["deliveries"].items():
                yield int(position), channel, delivery
            if (resolved := alert["resolved"]) is not None:
                for channel, delivery in resolved["deliveries"].items():
                    yield resolved["position"], channel, delivery

    def _close(self, position: int, role: str, kinds: tuple[str, ...], adapter: str | None = None) -> None:
        """The role's alerts of these kinds are over: all of them, or those about the adapter."""

        def ends(alert: dict[str, Any]) -> bool:
            is_meant = alert["role"] == role and alert["kind"] in kinds and adapter in (None, alert["adapter"])
            return bool(alert["is_open"] and is_meant)

        over = [UUID(id) for id, alert in self.state["expected"].items() if ends(alert)]
        # Of what an earlier program raised no end is told.
        raised = (alert for alert in self.state["raised"].values() if alert["by"] and ends(alert))
        over += [UUID(alert["reference"].partition("/")[0]) for alert in raised]
        for alert in (*self.state["expected"].values(), *self.state["raised"].values()):
            alert["is_open"] = alert["is_open"] and not ends(alert)
        if self._over[0] != position:
            self._over = (position, [])
        self._over[1].extend((id, role) for id in over)


def _owed(event: AlertRaised | AlertResolved, channel: str) -> dict[str, Any]:
    """A delivery that no attempt has been made at."""
    id = delivery_id(event.originator_id, channel, is_resolved=isinstance(event, AlertResolved))
    return {"id": id, "status": "owed", "attempts": 0, "due": event.time.isoformat(), "said": "", "time": None}
