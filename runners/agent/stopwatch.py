"""How long something takes, without what is loaded for it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Runs from when it is made, by a clock that never goes back. Not for two threads at once."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def took_ms(self) -> int:
        """Milliseconds so far, at least 0, without the pauses."""
        return max(0, round((time.perf_counter() - self._began) * 1000))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens in the block is not counted."""
        paused = time.perf_counter()
        try:
            yield
        finally:
            self._began += time.perf_counter() - paused
