"""Watching a command while it runs: its output is read and cut, and a limit that is passed is told."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from subprocess import Popen

from .command import Limits

LOOK_S = 0.1
"""How often the use of memory and folder is looked at; chosen."""


class Kept:
    """The beginning and the end of an output of any length."""

    def __init__(self, most: int) -> None:
        self.head, self.tail = bytearray(), bytearray()
        self.total = 0
        self._half = most // 2

    def add(self, part: bytes) -> None:
        """The output goes on with this."""
        self.total += len(part)
        room = self._half - len(self.head)
        if room > 0:
            self.head += part[:room]
            part = part[room:]
        self.tail = (self.tail + part)[-self._half :]

    @property
    def cut(self) -> int:
        """Bytes that were left out between them."""
        return self.total - len(self.head) - len(self.tail)


def follow(process: Popen[bytes], kept: Kept, limits: Limits, look: Callable[[], str]) -> str:
    """Read the output until it and the process have ended; or until a limit is passed, which is returned in words.

    ``look`` tells of the limits that only a look can find; it is called at once and then every ``LOOK_S``.
    """
    assert process.stdout is not None
    began, looked = time.monotonic(), -LOOK_S
    exited = os.pidfd_open(process.pid)
    os.set_blocking(process.stdout.fileno(), False)
    try:
        with selectors.DefaultSelector() as ready:
            for descriptor in (process.stdout.fileno(), exited):
                ready.register(descriptor, selectors.EVENT_READ)
            while ready.get_map():
                left = began + limits.seconds - time.monotonic()
                if left <= 0:
                    return f"the limit of {limits.seconds:g} s"
                if time.monotonic() - looked >= LOOK_S:
                    looked = time.monotonic()
                    if passed := look():
                        return passed
                for key, _ in ready.select(min(left, LOOK_S)):
                    part = b"" if key.fd == exited else os.read(key.fd, 1 << 16)
                    kept.add(part)
                    if not part:
                        ready.unregister(key.fd)
    finally:
        os.close(exited)
    return ""
