"""Noticing writes to the log, by this process or another."""

from __future__ import annotations

import time
from collections.abc import Callable

from .log import Log

POLL_S = 0.005
"""Seconds between two checks while the log is being written; chosen: a check takes microseconds."""

IDLE_POLL_S = 0.2
"""Seconds between two checks after a while without writes, so the longest delay of a new event; chosen: five wake-ups a
second, and a delay that people do not notice."""


class Watch:
    """A watch over the log, from its creation on. For one thread."""

    def __init__(
        self,
        log: Log,
        sleep: Callable[[float], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._monotonic = log.database, monotonic
        self._pause = POLL_S
        with self._store.explained():
            self._changes = log.database.changes()
            self._seen = self._changes.version()
        self._sleep = sleep or self._changes.rest

    def wait(self, timeout_s: float) -> bool:
        """Wait until the log was written since the last call; False after ``timeout_s`` seconds without. Raises ``LogError``.

        The pauses between two checks double while nothing happens, from ``POLL_S`` to ``IDLE_POLL_S``.
        """
        end = self._monotonic() + timeout_s
        with self._store.explained():
            while (version := self._changes.version()) == self._seen:
                left = end - self._monotonic()
                if left <= 0:
                    return False
                self._sleep(min(self._pause, left))
                self._pause = min(2 * self._pause, IDLE_POLL_S)
        self._seen, self._pause = version, POLL_S
        return True

    def close(self) -> None:
        """Close its connection."""
        self._changes.close()
