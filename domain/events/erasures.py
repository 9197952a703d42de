"""The fact that words were erased; see ``events.py``."""

from __future__ import annotations

from .base import Event, fact


@fact("ContentErased")
class ContentErased(Event):
    """Texts of the content store were deleted for good. The events that named them stand, and so does the proof."""

    AGGREGATE = "ContentErasure"
    VERSION = 2
    TEXTS = ("erased",)
    WORDS = ("actor", "person", "reason")

    run: str | None
    """The run whose words were erased, hex; None where it was all of a person's."""
    person: str | None
    """Whose words were erased, everywhere: the content key of the name, which was erased with them; None where it was one
    run's. Before version 2 the name itself."""
    runs: int
    """Runs that lost words."""
    texts: int
    """Texts that were deleted."""
    adapters: tuple[str, ...]
    """The adapters that were trained on them, directly or by going on from such a one."""
    reason: str
    """Content key of why."""
    erased: str
    """Content key of the keys of those texts, a JSON list; empty where it was stored before version 2."""
