"""Access keys: made, listed and revoked. A key itself is shown once; the log keeps its hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.access_key import AccessKey, key_id
from ...domain.errors import BadArgument, NotFound
from ...projections.wording.sentences import short_id, short_text
from ...projections.wording.words import ERASED
from ..improvement.process_manager import process_new_events
from ..store.states import load_state
from .lookups import require_person

if TYPE_CHECKING:
    from ...projections.state import access
    from ..store.ledger import Ledger
    from ..store.log import Log

BEGINNING = "gp_"
"""How each key begins, so that people and secret scanners know one."""

BYTES = 32
"""Random bytes of a key: 256 bits cannot be guessed, so a plain hash keeps them. Source: NIST SP 800-63B, 5.1.1.2."""


@dataclass(frozen=True)
class NewKey:
    """A key that was made now."""

    id: UUID
    key: str
    """The key itself, which nothing keeps."""
    position: int


@dataclass(frozen=True)
class KeyRow:
    """A key in a list."""

    id: str
    holder: str
    """The holder's name, or ``ERASED``."""
    scopes: tuple[str, ...]
    limits: Mapping[str, float]
    issued: str
    """ISO 8601, UTC."""
    revoked: str | None


def hash_key(key: str) -> str:
    """SHA-256 of the key, hex, as the log keeps it. Of bytes that are no text, which no key has, that of question marks."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def create_key(
    ledger: Ledger, holder: str, *, scopes: Collection[str], limits: Mapping[str, float], actor: str
) -> NewKey:
    """Make a key for the holder, in whose name it will act. Raises ``NotPossible`` as ``AccessKey.issue`` does, and for a
    name that no person can have."""
    if not holder.strip():
        raise BadArgument("a key needs a holder; give the name of the person or program that will use it")
    key = BEGINNING + secrets.token_urlsafe(BYTES)
    digest = hash_key(key)
    name = ledger.name_key(require_person(holder.strip()), "the holder's name")
    context = ledger.context(actor)
    issued = ledger.write(AccessKey, key_id(digest), lambda made: made.issue(name, digest, scopes, limits, context))
    position = ledger.position_of_newest(issued)
    process_new_events(ledger)
    return NewKey(issued.id, key, position)


def revoke_key(ledger: Ledger, which: str, *, reason: str, actor: str) -> KeyRow:
    """Revoke the valid key whose id begins so, or whose holder has this name. Raises ``NotFound`` for none or several."""
    found = _find(ledger, which)
    context = ledger.context(actor)
    text = ledger.put(reason.strip(), "the reason") if reason.strip() else ""
    ledger.write(AccessKey, UUID(found.id), lambda key: key.revoke(text, context))
    process_new_events(ledger)
    return next(row for row in list_keys(ledger) if row.id == found.id)


def list_keys(log: Log) -> list[KeyRow]:
    """All keys, the oldest first."""
    return [_row(log, key) for key in load_state(log).access.all.values()]


def _find(log: Log, which: str) -> KeyRow:
    valid = [row for row in list_keys(log) if row.revoked is None]
    found = [row for row in valid if row.holder == which] or [
        row for row in valid if which and row.id.startswith(which)
    ]
    shown = ", ".join(f"{short_id(row.id)} ({short_text(row.holder, 20)})" for row in found or valid)
    if not found:
        there_are = f"the valid keys are {shown}" if valid else "there is no valid key"
        raise NotFound(f"no valid key begins with {short_text(which, 40)!r} or belongs to it; {there_are}")
    if len(found) > 1:
        raise NotFound(f"{short_text(which, 40)!r} means more than one key: {shown}; give the beginning of an id")
    return found[0]


def _row(log: Log, key: access.AccessKey) -> KeyRow:
    holder = log.get_content(key.holder)
    return KeyRow(key.id, ERASED if holder is None else holder, tuple(key.scopes), key.limits, key.issued, key.revoked)
