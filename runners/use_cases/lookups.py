"""Finding runs, roles, people and moments by what a caller calls them. Reading commands use this module, so it loads
nothing that writes."""

from __future__ import annotations

import getpass
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.base import OWN_NAMES
from ...domain.aggregates.run import TaskRun
from ...domain.errors import BadArgument, GrokputerError, Hint, NotFound, NotPossible
from ...domain.events import AdapterRegistered, CycleOpened, TaskStarted
from ...domain.events.base import KEY
from ...domain.settings.settings import ROLES
from ...projections.wording.sentences import short_text
from ..explain.run_filter import parse_time
from ..store.log import SHORTEST
from ..store.port import LARGEST

if TYPE_CHECKING:
    from ...projections.state.registry import Training
    from ..store.log import Log


LONGEST_POSITION = 20
"""Digits of a number that are read: one more than any position has."""


class BadMoment(GrokputerError):
    """Text that is neither a position nor a time."""


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


def find_position(log: Log, moment: int | datetime) -> int:
    """The given position, or that of the last event not later than the time (``Log.position_at``).

    Raises ``NotFound`` where there is none: the time is before the log begins, or in the future, which it is when the
    clock and all events are before it. Raises ``BadArgument`` for a time without a time zone.
    """
    last = log.position
    if not last:
        raise NotFound(f"{log.label} holds no events yet", hint=Hint.RUN_TASK)
    if not isinstance(moment, datetime):
        if not 1 <= moment <= last:
            shown = moment if abs(moment) <= LARGEST else "of more than 18 digits"
            raise NotFound(f"no event at position {shown}; the log has 1 to {last}")
        return moment
    if moment.utcoffset() is None:
        raise BadArgument(f"{moment.isoformat()} has no time zone; give one, as in {moment.isoformat()}+00:00")
    try:
        time = moment.astimezone(UTC)
    except OverflowError:
        raise BadArgument(f"{moment.isoformat()} is not a time between the years 1 and 9999") from None
    position = log.position_at(time)
    if position == last and time > log.clock.now():
        raise NotFound(f"{_show(moment)} is in the future; the log ends at position {last}")
    if not position:
        raise NotFound(f"{_show(moment)} is before the log begins, at {_show(log.at(1).event.time)}")
    return position


def read_moment(moment: str, zone: tzinfo | None = None) -> int | datetime:
    """The position or the time that the text names. A time without a zone is one of ``zone``, or local.

    Raises ``BadMoment``.
    """
    if moment.isdecimal() and moment.isascii():
        return int(moment.lstrip("0")[:LONGEST_POSITION] or 0)
    try:
        return parse_time(moment, zone)
    except (ValueError, OverflowError) as error:
        is_far = isinstance(error, OverflowError)
        fault = "is not between the years 1 and 9999" if is_far else "is neither a position nor a time"
        raise BadMoment(f"{short_text(moment, 40)!r} {fault}; give 120, 2026-05-01 or 2026-05-01T14:30") from None


def _show(time: datetime) -> str:
    """The time in the local zone, with its offset; one that has no local time is shown as it is."""
    with suppress(OverflowError):
        time = time.astimezone()
    return time.isoformat(" ", "seconds")


def adapter_names(log: Log) -> list[str]:
    """The adapters of the log, the oldest first, without its state."""
    found = (recorded.event for recorded in log.read(1, None, (AdapterRegistered.TOPIC,)))
    return [event.adapter for event in found if isinstance(event, AdapterRegistered)]


def tell_reason(log: Log, training: Training) -> str:
    """Why the training waits, was declined or has failed; without such a reason, why it was requested."""
    if training.reason:
        return log.say(training.reason)
    position = None if training.cycle is None else log.position_of(training.cycle)
    if position is None:
        return ""
    opening = log.reveal(log.at(position)).event
    return opening.reason if isinstance(opening, CycleOpened) else "its ratings fell"


def require_role(role: str) -> str:
    """The role. Raises ``NotFound`` for an unknown name."""
    if role not in ROLES:
        raise NotFound(f"{role!r} is not a role; there are {', '.join(ROLES)}")
    return role


def name_actor(given: str | None) -> str:
    """The actor of a decision: the given name, else the user's, else ``user`` where the system knows none.

    A user of the machine who has one of the program's own names is called ``user <name>``. Raises ``NotPossible`` as
    ``require_person`` does.
    """
    if given is not None:
        if not given.strip():
            raise NotPossible("a name must not be blank; give one, or leave it out for your own", hint=Hint.GIVE_ACTOR)
        return require_person(given.strip())
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        return "user"
    return f"user {user}" if _is_reserved(user) else user


def require_person(name: str) -> str:
    """The name. Raises ``NotPossible`` for a name that the log cannot keep as a person's.

    The program's own names stand in events as they are, so a person with such a name could not be forgotten, and the
    person's decisions would look like the program's. The same holds for the form of a content key.
    """
    if name in OWN_NAMES:
        own = ", ".join(sorted(OWN_NAMES))
        raise NotPossible(
            f"{name} is one of the program's own names ({own}), which no person can have; 'user {name}' is free",
            hint=Hint.GIVE_ACTOR,
        )
    if _is_reserved(name):
        raise NotPossible(
            f"{short_text(name, 20)!r} has the form of a content key, which no person's name can have",
            hint=Hint.GIVE_ACTOR,
        )
    return name


def _is_reserved(name: str) -> bool:
    return name in OWN_NAMES or KEY.fullmatch(name) is not None
