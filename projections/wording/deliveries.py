"""Deliveries of alerts in words, one line each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ...domain.durations import say_time
from ...domain.vocabulary import DeliveryStatus
from ..state.alerts import Delivery


def say_delivery(delivery: Delivery, now: datetime, tries: int, show: Callable[[str], str]) -> str:
    """How far the delivery is. ``tries`` are the attempts that are made at most; ``show`` formats a time, ISO 8601."""
    attempts, answer = delivery.attempts, delivery.said
    at = show(delivery.time) if delivery.time is not None else ""
    if delivery.status == DeliveryStatus.DELIVERED:
        return f"delivered {at}, at attempt {attempts}: {answer}"
    if delivery.status == DeliveryStatus.GIVEN_UP:
        return f"given up {at}, after attempt {attempts}: {answer}"
    if delivery.status != DeliveryStatus.OWED:
        return delivery.status
    wait = (datetime.fromisoformat(delivery.due) - now).total_seconds()
    due = f"due in {say_time(wait)}" if wait > 0 else "due now"
    return f"{due}; attempt {attempts} of {tries} failed: {answer}" if attempts else due
