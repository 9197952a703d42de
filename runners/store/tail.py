"""Noticing writes to the log, by this process or another."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from .connection import connect, explain
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
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = log.path
        self._sleep, self._monotonic = sleep, monotonic
        self._pause = POLL_S
        try:
            self._connection = connect(log.path, "ro")
            self._seen = self._version()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    def wait(self, timeout_s: float) -> bool:
        """Wait until the log was written since the last call; False after ``timeout_s`` seconds without. Raises ``LogError``.

        The pauses between two checks double while nothing happens, from ``POLL_S`` to ``IDLE_POLL_S``.
        """
        end = self._monotonic() + timeout_s
        try:
            while (version := self._version()) == self._seen:
                left = end - self._monotonic()
                if left <= 0:
                    return False
                self._sleep(min(self._pause, left))
                self._pause = min(2 * self._pause, IDLE_POLL_S)
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        self._seen, self._pause = version, POLL_S
        return True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _version(self) -> int:
        # SQLite changes it for a connection whenever another one commits.
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version
