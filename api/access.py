"""Access to an open log, for the one thread that opened it."""

from __future__ import annotations

import threading

from ..domain.errors import GrokputerError, NotPossible
from ..runners.store.ledger import Ledger
from ..runners.use_cases.lookups import name_actor


class WrongThread(GrokputerError):
    """A log was used by a thread that did not open it."""


class Access:
    """The log, and the name that decisions are recorded with where a caller gives none."""

    def __init__(self, ledger: Ledger, actor: str) -> None:
        self._ledger: Ledger | None = ledger
        self._actor = actor
        self._thread = threading.current_thread()

    @property
    def ledger(self) -> Ledger:
        """The open log. Raises ``WrongThread``, and ``NotPossible`` once it is closed."""
        caller = threading.current_thread()
        if caller is not self._thread:
            raise WrongThread(
                f"this log was opened by thread {self._thread.name!r} and is used by {caller.name!r}; open it in each thread"
            )
        if self._ledger is None:
            raise NotPossible("this log is closed; open it again")
        return self._ledger

    def require(self) -> None:
        """Raise as ``ledger`` does."""
        _ = self.ledger

    def name(self, actor: str | None) -> str:
        """The actor's name, by default the one that the log was opened with. Raises ``NotPossible`` as ``name_actor`` does."""
        return self._actor if actor is None else name_actor(actor)

    def close(self) -> None:
        """Close the log. Idempotent."""
        if self._ledger is not None:
            self.ledger.close()
            self._ledger = None

    @property
    def is_open(self) -> bool:
        """Whether the log has not been closed."""
        return self._ledger is not None
