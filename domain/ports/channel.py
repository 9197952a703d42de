"""The port of an alert channel."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ..aggregates.alert import Delivery, Failure


class Channel(Protocol):
    """A channel that sends alerts to people."""

    @property
    def to(self) -> str:
        """The addresses or the URL, as in the log: without secrets."""
        ...

    def send(self, delivery: Delivery, now: datetime) -> str | Failure:
        """Send it once, within ``alert.timeout_s``; the receiver's answer, or why it failed. Raises nothing."""
        ...
