"""The event that texts were erased."""

from __future__ import annotations

from .base import Event, fact


@fact("ContentErased")
class ContentErased(Event):
    """Texts of the content store were deleted for good. The events that named them remain, and so do all proofs."""

    AGGREGATE = "ContentErasure"
    VERSION = 2
    TEXTS = ("erased",)
    WORDS = ("actor", "person", "reason")

    run: str | None
    """The run whose texts were erased, hex; None where a person's texts were."""
    person: str | None
    """The person whose texts were erased: the content key of the name, which was erased too; None where it was one
    run's. Before version 2 the name itself."""
    runs: int
    """Runs that lost texts."""
    texts: int
    """Texts that were deleted."""
    adapters: tuple[str, ...]
    """The adapters that were trained on these texts, or continue such an adapter."""
    reason: str
    """Content key of the reason."""
    erased: str
    """Content key of the list of erased keys, JSON; empty before version 2."""
