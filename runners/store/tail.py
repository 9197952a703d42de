"""Noticing that somebody has written to the log, in this process or another."""

from __future__ import annotations

import sqlite3
import time

from .log import Log, connect, explain

POLL_S = 0.005
"""Seconds between two looks; chosen: a few microseconds of work each, and what is written is seen within as many ms."""


class Watch:
    """One follower's watch, from when it is made on. For one thread."""

    def __init__(self, log: Log) -> None:
        self.path = log.path
        try:
            self._connection = connect(log.path, "ro")
            self._seen = self._version()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    def wait(self, timeout_s: float) -> bool:
        """Until somebody has written since the last call; False where nobody has in so many seconds. Raises ``LogError``."""
        end = time.monotonic() + timeout_s
        try:
            while (version := self._version()) == self._seen:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                time.sleep(min(POLL_S, left))
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        self._seen = version
        return True

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def _version(self) -> int:
        # SQLite changes it for a connection whenever another one commits.
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version
