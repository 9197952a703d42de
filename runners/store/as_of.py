"""The log as it was: everything up to one position, for what is decided again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from .codec import Recorded
from .log import Log

if TYPE_CHECKING:
    from ...domain.ports import Clock


class LogAsOf(Log):
    """A log whose events after ``until`` have not happened yet; None is now."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        super().__init__(path, clock)
        self.until: int | None = None
        self.lacking: set[str] = set()
        """Content keys that were asked for in vain."""

    @property
    def position(self) -> int:
        """The position that it is read up to."""
        return super().position if self.until is None else self.until

    def get_content(self, key: str) -> str | None:
        """The text under the key as it is now: what was erased since is not there."""
        text = super().get_content(key)
        if text is None:
            self.lacking.add(key)
        return text

    def history(self, id: UUID) -> list[Recorded]:
        """All events of one aggregate up to then."""
        return [it for it in super().history(id) if self.until is None or it.position <= self.until]
