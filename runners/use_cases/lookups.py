"""Finding runs and roles by name. Reading commands use this module, so it loads nothing that writes."""

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
    """The id of the one run that begins with the text. Raises ``NotFound`` for none, several, or too short a text."""
    if len(beginning.strip().replace("-", "")) < SHORTEST:
        raise NotFound(
            f"{beginning!r} is too short for a run; give {SHORTEST} characters of its id or more", hint=Hint.SEE_RUNS
        )
    ids = log.ids_like(beginning, TaskStarted.TOPIC)
    if not ids:
        raise NotFound(f"no run begins with {short_text(beginning, 40)!r}", hint=Hint.SEE_RUNS)
    if len(ids) > 1:
        candidates = ", ".join(id[: len(beginning) + 6] for id in sorted(ids)[:5])
        raise NotFound(f"more than one run begins with {beginning!r}: {candidates}; give more of the id")
    return UUID(ids[0])


def require_run(log: Log, run: UUID) -> TaskRun:
    """The run with this id. Raises ``NotFound``."""
    task_run = log.get(TaskRun, run)
    if task_run.started is None:
        raise NotFound(f"there is no run {run.hex}", hint=Hint.SEE_RUNS)
    return task_run


def require_role(role: str) -> str:
    """The role. Raises ``NotFound`` for an unknown name."""
    if role not in ROLES:
        raise NotFound(f"{role!r} is not a role; there are {', '.join(ROLES)}")
    return role


def name_actor(given: str | None) -> str:
    """The actor of a decision: the given name, else the user's, else ``user`` where the system knows none.

    Raises ``NotPossible`` for the program's own name: its own decisions must differ from people's.
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
