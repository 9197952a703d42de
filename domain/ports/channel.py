"""The port of a channel by which people hear of alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ..aggregates.alert import Delivery, Failure


class Channel(Protocol):
    """A way by which people hear of alerts."""

    @property
    def to(self) -> str:
        """Whom or where it reaches, in the log's words: no secret is in it."""
        ...

    def send(self, delivery: Delivery, now: datetime) -> str | Failure:
        """Send it, once, within ``alert.timeout_s``: what the receiver said, or why it did not arrive. Raises nothing."""
        ...
