"""The access keys: the holder, scopes and limits of each, and whether it is valid."""

from __future__ import annotations

from collections.abc import Mapping

from ...domain.events import AccessKeyIssued, AccessKeyRevoked, Event
from .shards import SavedParts, StateValue, encode


class AccessKey(StateValue):
    """One access key."""

    id: str
    holder: str
    """Content key of the holder's name."""
    digest: str
    """SHA-256 of the key, hex."""
    scopes: list[str]
    limits: dict[str, float]
    """The most of each per day."""
    position: int
    """The position of its issue."""
    issued: str
    revoked: str | None = None
    """When it was revoked; None while it is valid."""


class AccessKeys:
    """Fold of access keys, the oldest first."""

    HANDLES = (AccessKeyIssued, AccessKeyRevoked)

    def __init__(self) -> None:
        self._keys: dict[str, AccessKey] = {}

    @property
    def all(self) -> Mapping[str, AccessKey]:
        """All keys by id."""
        return self._keys

    def valid(self) -> dict[str, AccessKey]:
        """The keys that were not revoked, by their hash."""
        return {key.digest: key for key in self._keys.values() if key.revoked is None}

    def apply(self, position: int, event: Event) -> None:
        """Apply one event."""
        id = event.originator_id.hex
        match event:
            case AccessKeyIssued():
                self._keys[id] = AccessKey(
                    id,
                    event.holder,
                    event.digest,
                    list(event.scopes),
                    dict(event.limits),
                    position,
                    event.time.isoformat(),
                )
            case AccessKeyRevoked():
                self._keys[id].revoked = event.time.isoformat()

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"access": encode(list(self._keys.values()))}

    @classmethod
    def load(cls, saved: SavedParts) -> AccessKeys:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved part is damaged."""
        fold = cls()
        fold._keys = {key.id: key for key in saved.one("access", list[AccessKey])}
        return fold
