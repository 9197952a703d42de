"""Who decides."""

from __future__ import annotations

import getpass

from ...domain.aggregates.base import ACTOR
from ...domain.errors import Hint, NotPossible


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
