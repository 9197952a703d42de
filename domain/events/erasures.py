"""The fact that words were erased; see ``events.py``."""

from __future__ import annotations

from .base import Event, fact


@fact("ContentErased")
class ContentErased(Event):
    """Texts of the content store were deleted for good. The events that named them stand, and so does the proof."""

    AGGREGATE = "ContentErasure"

    run: str | None
    """The run whose words were erased, hex; None where it was all of a person's."""
    person: str | None
    """Whose words were erased, everywhere; None where it was one run's."""
    runs: int
    """Runs that lost words."""
    texts: int
    """Texts that were deleted."""
    adapters: tuple[str, ...]
    """The adapters that were trained on them, directly or by going on from such a one."""
    reason: str
