"""A stopwatch that can be paused, for durations without loading time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Runs from its creation, on a monotonic clock. Not thread-safe."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def took_ms(self) -> int:
        """Milliseconds so far, at least 0, without pauses."""
        return max(0, round((time.perf_counter() - self._began) * 1000))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time in the block is not counted."""
        paused = time.perf_counter()
        try:
            yield
        finally:
            self._began += time.perf_counter() - paused
