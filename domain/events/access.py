"""The events of access keys, by which other programs and people reach the gateway."""

from __future__ import annotations

from .base import Event, fact


@fact("AccessKeyIssued")
class AccessKeyIssued(Event):
    """A key was made and given to its holder. The log holds its hash alone."""

    AGGREGATE = "AccessKey"
    WORDS = ("actor", "holder")

    holder: str
    """Content key of the name of the person or program that holds it, in whose name it acts."""
    digest: str
    """SHA-256 of the key, hex."""
    scopes: tuple[str, ...]
    """What it allows, ``vocabulary.Scope``."""
    limits: dict[str, float]
    """The most of each per day: ``requests``, ``tokens``, ``money``; what is missing has no limit."""


@fact("AccessKeyRevoked")
class AccessKeyRevoked(Event):
    """A key allows nothing more."""

    AGGREGATE = "AccessKey"
    WORDS = ("actor", "reason")

    reason: str
    """Content key of the reason; empty where none was given."""
