"""Importing sessions of another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..improvement.process_manager import process_new_events
from ..sessions.runs import ImportedSessions, record_sessions
from .lookups import require_role

if TYPE_CHECKING:
    from ..sessions.imports import Session
    from ..store.ledger import Ledger


@dataclass(frozen=True)
class SessionImport:
    """The result of an import."""

    role: str
    sessions: ImportedSessions
    are_counted: bool
    """Whether their ratings count for the base (setting sessions.count)."""


def import_sessions(ledger: Ledger, sessions: Sequence[Session], *, role: str, actor: str) -> SessionImport:
    """Record each session as a run of the role, with its rating and comment; the same session once."""
    recorded = record_sessions(ledger, sessions, require_role(role), actor)
    state = process_new_events(ledger)
    return SessionImport(role, recorded, state.policy.sessions(role).count)
