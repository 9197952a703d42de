"""The port of the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The source of the time; replaced in tests."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        ...
