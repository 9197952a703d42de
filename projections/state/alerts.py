"""Alerts: which are raised and still open, what each channel owes of them, and which means lie under ``alert.mean``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...domain.aggregates.alert import CHANNELS, delivery_id
from ...domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    AlertDelivered,
    AlertDeliveryFailed,
    AlertRaised,
    CycleClosed,
    CycleOpened,
    Event,
    PolicyChanged,
    RatingThresholdBreached,
    RolloutResumed,
)
from ...domain.settings.settings import Policy
from .ratings import BASE

AFTER_A_CYCLE = ("canary failed", "adapter rejected", "training failed")
"""Alerts that a new cycle of the role deals with."""


@dataclass(frozen=True)
class PendingDelivery:
    """A delivery that is still to be made."""

    position: int
    """Of its alert."""
    channel: str
    due: datetime


class Alerts:
    """Fold of the alerts, by their position in the log, in the order they came."""

    HANDLES = (
        AlertRaised, AlertDelivered, AlertDeliveryFailed, PolicyChanged, RatingThresholdBreached, CycleOpened, CycleClosed,
        RolloutResumed, AdapterPromoted, AdapterRolledBack,
    )  # fmt: skip

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {"raised": {}, "low": {}}

    def apply(self, position: int, event: Event, policy: Policy) -> None:
        """Follow one event; ``policy`` is what was in force at it."""
        match event:
            case AlertRaised():
                self._raise(position, event, policy)
            case AlertDelivered() | AlertDeliveryFailed():
                self._note(event)
            case PolicyChanged():
                off = [it for it, key in CHANNELS.items() if key == event.key and event.new is None]
                for alert, channel, delivery in self._deliveries():
                    if channel in off and delivery["status"] == "owed":
                        alert["deliveries"][channel]["status"] = "turned off"
            case RatingThresholdBreached() | CycleOpened():
                self._close(event.role, AFTER_A_CYCLE)
            case CycleClosed():
                self._close(event.role, ("breach",))
            case RolloutResumed():
                self._close(event.role, ("canary inconclusive", "approval needed"))
            case AdapterPromoted():
                self._close(event.role, ("canary inconclusive", "approval needed", "low mean"))
                self.state["low"].pop(event.role, None)
            case AdapterRolledBack():
                self._close(event.role, ("canary inconclusive", "approval needed"))
                self._close(event.role, ("low mean",), event.adapter)

    def note_mean(self, position: int, role: str, adapter: str | None, is_low: bool) -> None:
        """Follow the mean of the role's live adapter after a rating: where it fell, until it is no longer low."""
        versions = self.state["low"].setdefault(role, {})
        if is_low:
            versions.setdefault(adapter or BASE, position)
        elif versions.pop(adapter or BASE, None) is not None:
            self._close(role, ("low mean",))

    def fell_at(self, role: str, adapter: str | None) -> int | None:
        """The position of the rating with which the version's mean fell under ``alert.mean``; None while it is not low."""
        found: int | None = self.state["low"].get(role, {}).get(adapter or BASE)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row per alert, oldest first, JSON-plain."""
        raised = sorted(self.state["raised"].items(), key=lambda it: int(it[0]))
        return [{"position": int(position), **alert} for position, alert in raised]

    def owed(self) -> list[PendingDelivery]:
        """What is still to be delivered, what is due first at the head."""
        owed = [
            PendingDelivery(alert["position"], channel, datetime.fromisoformat(delivery["due"]))
            for alert, channel, delivery in self._deliveries()
            if delivery["status"] == "owed"
        ]
        return sorted(owed, key=lambda it: (it.due, it.position))

    def _raise(self, position: int, event: AlertRaised, policy: Policy) -> None:
        owed = {"status": "owed", "attempts": 0, "due": event.time.isoformat(), "said": "", "time": None}
        # A channel that is turned on later owes nothing of what was raised before; nor does any what stands in a
        # rollout's history, which is from before there were channels.
        on = [channel for channel, key in CHANNELS.items() if policy.get(key) and event.originator_version == 1]
        self.state["raised"][str(position)] = {
            "reference": event.reference,
            "time": event.time.isoformat(),
            "kind": event.kind,
            "severity": event.severity,
            "role": event.role,
            "adapter": event.adapter,
            "message": event.message,
            "is_open": True,
            "deliveries": {it: {"id": delivery_id(event.originator_id, it), **owed} for it in on},
        }

    def _note(self, event: AlertDelivered | AlertDeliveryFailed) -> None:
        """An attempt: it arrived, or is made again, or is given up."""
        reference = f"{event.originator_id}/1"
        alert = next(it for it in self.state["raised"].values() if it["reference"] == reference)
        delivery = alert["deliveries"][event.channel]
        delivery["attempts"], delivery["time"] = event.attempt, event.time.isoformat()
        if isinstance(event, AlertDelivered):
            delivery["status"], delivery["said"] = "delivered", event.answer
            return
        delivery["said"] = event.reason
        if event.again_in_s is None:
            delivery["status"] = "given up"
        else:
            delivery["due"] = (event.time + timedelta(seconds=event.again_in_s)).isoformat()

    def _deliveries(self) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
        for alert in self.rows():
            for channel, delivery in alert["deliveries"].items():
                yield alert, channel, delivery

    def _close(self, role: str, kinds: tuple[str, ...], adapter: str | None = None) -> None:
        """The role's alerts of these kinds are dealt with: all of them, or those about the adapter."""
        for alert in self.state["raised"].values():
            if alert["role"] == role and alert["kind"] in kinds and adapter in (None, alert["adapter"]):
                alert["is_open"] = False
