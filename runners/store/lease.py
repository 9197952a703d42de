"""The lease of the one worker of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ...adapters.registry.lock import Held
from ...domain.errors import LogError, NotPossible
from .port import LEASE

if TYPE_CHECKING:
    from .log import Log
    from .port import Lock


def find_worker(log: Log) -> str | None:
    """The worker that runs on the log, ``the worker (process 4711)``; None without one.

    This does not try the lock: a worker that starts at that moment would not get it.
    """
    holder = log.database.holder(LEASE)
    return None if holder is None else f"the worker ({holder})"


class Lease:
    """The lease that this process has."""

    def __init__(self, log: Log, lock: Lock) -> None:
        self._log, self._lock = log, lock

    def keep(self) -> None:
        """Have it again where the server of the log was lost. Raises ``LogError``, also where another worker has it by now."""
        with self._log.database.explained():
            try:
                self._lock.keep()
            except Held as holder:
                raise LogError(
                    f"another worker ({holder}) has begun on {self._log.label} while its server was lost to this one; start "
                    "this one again"
                ) from None


@contextmanager
def lease(
    log: Log,
    say: Callable[[str], None] = lambda line: None,
    *,
    task: Callable[[], str] = lambda: "",
    waits: bool = True,
) -> Iterator[Lease]:
    """Hold the log's lease until the block ends; where another worker has it, say so and wait.

    ``task`` returns what that worker is doing. The lease is free when its holder ends. With ``waits`` off this raises
    ``NotPossible`` instead of waiting. Raises ``LogError`` where the lock cannot be made.
    """
    with ExitStack() as stack:
        with log.database.explained():
            try:
                lock = stack.enter_context(log.database.hold(LEASE))
            except Held as holder:
                doing = task()
                other = f"another worker ({holder}) is at work on {log.label}{': ' if doing else ''}{doing}"
                if not waits:
                    raise NotPossible(f"{other}; wait until it ends") from None
                say(f"{other}; waiting for it")
                lock = stack.enter_context(log.database.hold(LEASE, waits=True))
        yield Lease(log, lock)
