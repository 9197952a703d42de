"""An access key: it is issued to a holder with scopes and limits, and may be revoked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from ..errors import NotPossible
from ..events import AccessKeyIssued, AccessKeyRevoked, Event
from ..vocabulary import Scope
from .base import Aggregate, Context, derive_id

LIMITS = ("requests", "tokens", "money")
"""What a key's holder may be limited in, per day."""

MOST = 1e12
"""The largest limit; chosen."""


def key_id(digest: str) -> UUID:
    """The id of the key with this hash."""
    return derive_id("access key", digest)


class AccessKey(Aggregate):
    """States: issued, then perhaps revoked."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.issued: AccessKeyIssued | None = None
        self.revoked: AccessKeyRevoked | None = None

    def issue(
        self,
        holder: str,
        digest: str,
        scopes: Collection[str],
        limits: Mapping[str, float],
        context: Context,
    ) -> None:
        """Issue the key. ``holder`` is a content key. Raises ``NotPossible`` without a scope, for an unknown scope, and for
        a limit that is no positive number."""
        if self.issued is not None:
            raise NotPossible("this key was issued before; create another one")
        known = [scope.value for scope in Scope]
        if not scopes:
            raise NotPossible(f"a key needs a scope; there are {', '.join(known)}")
        for scope in scopes:
            if scope not in known:
                raise NotPossible(f"{scope!r} is not a scope; there are {', '.join(known)}")
        for name, most in limits.items():
            if name not in LIMITS:
                raise NotPossible(f"{name!r} cannot be limited; {', '.join(LIMITS)} can")
            if not 0 < most <= MOST:
                raise NotPossible(
                    f"{name} cannot be limited to {most:g} per day; give a number from 0 to {MOST:g}, not 0"
                )
        ordered = tuple(scope for scope in known if scope in scopes)
        self._record(AccessKeyIssued, context, holder=holder, digest=digest, scopes=ordered, limits=dict(limits))

    def revoke(self, reason: str, context: Context) -> None:
        """Revoke the key. Without effect on a revoked one. Raises ``NotPossible`` for a key that was not issued."""
        if self.issued is None:
            raise NotPossible("this key was never issued")
        if self.revoked is None:
            self._record(AccessKeyRevoked, context, reason=reason)

    def _apply(self, event: Event) -> None:
        match event:
            case AccessKeyIssued():
                self.issued = event
            case AccessKeyRevoked():
                self.revoked = event
