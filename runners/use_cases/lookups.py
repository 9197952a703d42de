"""Finding what a caller names: runs and roles. Commands that only read use it, so it loads nothing that writes."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.base import ACTOR
from ...domain.aggregates.run import TaskRun
from ...domain.errors import Hint, NotFound, NotPossible
from ...domain.events import TaskStarted
from ...domain.settings.settings import ROLES
from ...projections.explain.sentences import short_text
from ..store.log import SHORTEST

if TYPE_CHECKING:
    from ..store.log import Log


def find_run(log: Log, beginning: str) -> UUID:
    """The id of the one run that begins so. Raises ``NotFound`` for none, more than one, or too short a beginning."""
    if len(beginning.strip().replace("-", "")) < SHORTEST:
        raise NotFound(
            f"{beginning!r} is too short for a run; give {SHORTEST} characters of its id or more", hint=Hint.SEE_RUNS
        )
    found = log.ids_like(beginning, TaskStarted.TOPIC)
    if not found:
        raise NotFound(f"no run begins with {short_text(beginning, 40)!r}", hint=Hint.SEE_RUNS)
    if len(found) > 1:
        candidates = ", ".join(id[: len(beginning) + 6] for id in sorted(found)[:5])
        raise NotFound(f"more than one run begins with {beginning!r}: {candidates}; give more of the id")
    return UUID(found[0])


def require_run(log: Log, run: UUID) -> TaskRun:
    """The run with this id. Raises ``NotFound``."""
    found = log.get(TaskRun, run)
    if found.started is None:
        raise NotFound(f"there is no run {run.hex}", hint=Hint.SEE_RUNS)
    return found


def require_role(role: str) -> str:
    """The role. Raises ``NotFound`` for a name that is none."""
    if role not in ROLES:
        raise NotFound(f"{role!r} is no role; there are {', '.join(ROLES)}")
    return role


def name_actor(given: str | None) -> str:
    """Who decides: the name given, else the user's, else ``user`` where the system knows none.

    Raises ``NotPossible`` for the program's own name: what it decides by itself must be told from what people decide.
    """
    name = (given or "").strip()
    if name == ACTOR:
        raise NotPossible(f"{name} is the program's own name", hint=Hint.GIVE_ACTOR)
    if name:
        return name
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        return "user"
    return f"user {user}" if user == ACTOR else user
